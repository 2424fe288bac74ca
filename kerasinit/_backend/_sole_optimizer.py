"""No optimizer but one takes a step."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

_lock = threading.Lock()
_own: dict[int, tuple[Any, ...]] = {}  # by thread: others may train other models meanwhile
_apply = keras.optimizers.Optimizer.apply


def refuse_other(optimizer: Any) -> None:
    """Ends the step of an optimizer where this thread lets another one step alone.

    Raises:
        ValueError: That says so.
    """
    own = _own.get(threading.get_ident())
    if own is not None and all(optimizer is not one for one in own):
        kind = type(optimizer)
        raise ValueError(
            f"another optimizer steps ({kind.__module__.split('.')[0]}'s {kind.__name__}), in its "
            "training step or inside the one that it is compiled with, whose rate alone is "
            "searched. Compile it with that one and use `self.optimizer`, or only initialize it: "
            "`kerasinit.initialize(model)`"
        )


@contextlib.contextmanager
def sole_optimizer(*own: Any) -> Iterator[None]:
    """See `_protocol.Backend.sole_optimizer`."""
    kind: Any = keras.optimizers.Optimizer
    thread = threading.get_ident()
    with _lock:
        _own[thread] = own
        kind.apply = _guarded_apply
    try:
        yield
    finally:
        with _lock:
            del _own[thread]
            if not _own and "apply" in vars(kind):
                del kind.apply


def _guarded_apply(self: Any, *arguments: Any, **options: Any) -> Any:
    refuse_other(self)
    return _apply(self, *arguments, **options)
