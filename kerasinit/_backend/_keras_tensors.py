"""Keras tensors that take part in what numbers take part in, for the time of a symbolic call.

Private modules are imported when they are asked, as in `_keras`.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from kerasinit._backend._replaced import ABSENT, changed

# What `scale * x` calls where `scale` is a weight: it takes numbers only.
OPERATORS = (
    "__add__ __sub__ __mul__ __truediv__ __floordiv__ __mod__ __pow__ __matmul__ "
    "__lt__ __le__ __gt__ __ge__ __and__ __or__ __xor__"
).split()


@contextlib.contextmanager
def willing_tensors(kept: Sequence[Any]) -> Iterator[None]:
    """Lets weights and arrays stand left of a Keras tensor; its rank and size are numbers.

    It takes `x[None]` and `x[1:]`, as arrays do, not only `x[None,]`.

    Args:
        kept: Variables that nothing this thread assigns meanwhile changes, as counters.
    """
    variable: Any = keras.Variable
    with contextlib.ExitStack() as stack:
        handed_over = {name: _handing_over(getattr(variable, name)) for name in OPERATORS}
        stack.enter_context(
            changed(variable, assign=_keeping(kept, variable.assign), **handed_over)
        )
        # Arrays of numpy and of JAX leave the operation to what they do not know.
        stack.enter_context(changed(keras.KerasTensor, __array_ufunc__=None, __jax_array__=ABSENT))
        by_key = _by_key(keras.KerasTensor.__getitem__)
        stack.enter_context(changed(keras.KerasTensor, __getitem__=by_key))
        with contextlib.suppress(ImportError, AttributeError):
            from keras.src.ops.numpy import Ndim, Size

            stack.enter_context(changed(Ndim, symbolic_call=_rank))
            stack.enter_context(changed(Size, symbolic_call=_size_of(Size.symbolic_call)))
        yield


def _handing_over(own: Callable[..., Any]) -> Callable[..., Any]:
    def operator(self: Any, other: Any) -> Any:
        return NotImplemented if isinstance(other, keras.KerasTensor) else own(self, other)

    return operator


def _keeping(kept: Sequence[Any], own: Callable[..., Any]) -> Callable[..., Any]:
    here, known = threading.get_ident(), {id(variable) for variable in kept}

    def assign(self: Any, value: Any) -> Any:
        if threading.get_ident() == here and isinstance(value, keras.KerasTensor):
            return value
        if threading.get_ident() == here and id(self) in known:
            return keras.ops.convert_to_tensor(value, self.dtype)
        return own(self, value)

    return assign


def _by_key(own: Callable[..., Any]) -> Callable[..., Any]:
    def getitem(self: Any, key: Any) -> Any:
        is_bare = key is None or key is Ellipsis or isinstance(key, slice)
        return own(self, (key,) if is_bare else key)

    return getitem


def _rank(self: Any, x: Any) -> int:
    return len(x.shape)


def _size_of(own: Callable[..., Any]) -> Callable[..., Any]:
    def size(self: Any, x: Any) -> Any:
        return own(self, x) if None in x.shape else math.prod(x.shape)

    return size
