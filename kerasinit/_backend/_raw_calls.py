"""Functions of the backend, called on Keras tensors: each call becomes an operation of the graph.

Keras allows them inside a `call` that runs on numbers, and refuses them on its symbolic tensors.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

COUNTS: dict[str, Callable[[Any], Any]] = {
    "shape": tuple, "size": math.prod, "rank": len, "ndim": len,
}  # fmt: skip
_HERE = threading.local()


class RawCall(keras.Operation):
    """One call of a function that is not of Keras, with all arguments but the tensors.

    Args:
        function: Takes the tensors.
        function_name: Its name, such as `"relu"`.
        given: All that the function was given, in a flat list.
    """

    def __init__(self, function: Callable[..., Any], function_name: str, given: list[Any]) -> None:
        super().__init__()
        self.function, self.function_name, self.given = function, function_name, given

    def call(self, *tensors: Any) -> Any:
        """What the function returns."""
        return self.function(*tensors)


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Lets this thread, and no other, record calls in the body."""
    before = getattr(_HERE, "is_on", False)
    _HERE.is_on = True
    try:
        yield
    finally:
        _HERE.is_on = before


def is_recorded(arguments: Any) -> bool:
    """Whether this thread records, and there is a Keras tensor in a nested structure."""
    if not getattr(_HERE, "is_on", False):
        return False
    return any(isinstance(one, keras.KerasTensor) for one in keras.tree.flatten(arguments))


def count_of(name: str, shape: tuple[int | None, ...]) -> Any | None:
    """What the function of that name, one of `COUNTS`, says of a shape; None if it lacks a size.

    As plain numbers: code that asks for them counts, slices and reshapes by them.
    """
    is_known = COUNTS[name] is len or None not in shape
    return COUNTS[name](shape) if is_known else None


def record(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The symbolic result of `function(*args, **kwargs)`, which is put into the graph."""
    flat = keras.tree.flatten((args, kwargs))
    places = [at for at, one in enumerate(flat) if isinstance(one, keras.KerasTensor)]

    def of_tensors(*tensors: Any) -> Any:
        filled = list(flat)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        full_args, full_kwargs = keras.tree.pack_sequence_as((args, kwargs), filled)
        return function(*full_args, **full_kwargs)

    name = getattr(function, "__name__", type(function).__name__)
    return RawCall(of_tensors, name, flat)(*(flat[place] for place in places))
