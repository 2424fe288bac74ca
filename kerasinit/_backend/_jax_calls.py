"""Functions of JAX on Keras tensors (see `_raw_calls`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from kerasinit._backend._raw_calls import changed, holds_symbolic, record


@contextlib.contextmanager
def raw_calls() -> Iterator[None]:
    """The functions of the modules that people import, looked up when they are called."""
    with contextlib.ExitStack() as stack:
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
        if holds_symbolic((args, kwargs)):
            return record(self._function, args, kwargs)
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:  # `jnp.add.at`
        return getattr(self._function, name)
