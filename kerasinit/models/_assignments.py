"""What calls of layers assign to variables, taken back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from kerasinit import _backend

_lock = threading.RLock()


@contextlib.contextmanager
def assignments_undone() -> Iterator[None]:
    """Takes back what layers assign to variables while this thread calls them.

    Also to variables that the body makes. What a layer assigns while it builds stays.

    >>> counter = keras.Variable(0.0, trainable=False)
    >>> with assignments_undone():
    ...     _ = counter.assign_add(1.0)
    >>> counter.numpy().item()
    0.0
    """
    before: dict[int, tuple[Any, Any]] = {}
    thread, own = threading.get_ident(), keras.Variable.assign

    def assign(self: Any, value: Any) -> Any:
        if threading.get_ident() == thread and id(self) not in before and _is_called():
            if _backend.is_concrete(ops.convert_to_tensor(self)):
                with _backend.replaced(self, _autocast=False):  # else rounded in half precision
                    before[id(self)] = self, _backend.numpy_of(self)
        return own(self, value)

    with _lock:  # one thread at a time replaces it
        try:
            with _backend.changed(keras.Variable, assign=assign):
                yield
        finally:
            for variable, values in before.values():
                variable.assign(values)


def _is_called() -> bool:
    """Whether the innermost layer that runs has been built, and no trace keeps what it assigns."""
    building = getattr(_backend.building_layer(), "built", True) is False
    return not building and not _backend.in_stateless_scope()
