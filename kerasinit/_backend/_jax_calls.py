"""Functions of JAX on Keras tensors (see `_raw_calls`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from kerasinit._backend._raw_calls import COUNTS, count_of, is_recorded, record, recording
from kerasinit._backend._replaced import changed


@contextlib.contextmanager
def raw_calls() -> Iterator[None]:
    """The functions of the modules that people import, looked up when they are called.

    Other threads see them, too, and get what the functions themselves return.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(recording())
        for module in (jnp, jax.nn, jax.lax, jnp.linalg):
            names = [name for name in dir(module) if not name.startswith("_")]
            functions = {name: getattr(module, name) for name in names}
            stack.enter_context(
                changed(
                    module,
                    **{
                        name: _Recorded(function)
                        for name, function in functions.items()
                        if callable(function) and not isinstance(function, type)
                    },
                )
            )
        yield


class _Recorded:
    """A function that is recorded where it meets a Keras tensor; otherwise as it is."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # JAX tells reducers (`lax.add`, `lax.max`) by their identity.
        args = tuple(_own(one) for one in args)
        kwargs = {name: _own(one) for name, one in kwargs.items()}
        if not is_recorded((args, kwargs)):
            return self._function(*args, **kwargs)
        name = getattr(self._function, "__name__", "")
        if name in COUNTS and len(args) == 1 and not kwargs:
            count = count_of(name, args[0].shape)
            return self._function(*args) if count is None else count
        return record(self._function, args, kwargs)

    def __getattr__(self, name: str) -> Any:  # `jnp.add.at`
        if name == "_function":  # of a copy that has nothing yet
            raise AttributeError(name)
        return getattr(self._function, name)


def _own(argument: Any) -> Any:
    """The function in what is recorded; whatever else as it is."""
    return argument._function if isinstance(argument, _Recorded) else argument
