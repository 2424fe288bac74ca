"""No optimizer but one takes a step."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasinit._backend._replaced import changed

_lock = threading.Lock()
_own: dict[int, tuple[Any, ...]] = {}  # by thread: others may train other models meanwhile
_guard = contextlib.ExitStack()  # holds the method that was found, while any thread has an entry


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
    kind = keras.optimizers.Optimizer
    thread = threading.get_ident()
    with _lock:
        if not _own:
            _guard.enter_context(changed(kind, apply=_guarded(kind.apply)))
        outer = _own.get(thread)
        _own[thread] = own
    try:
        yield
    finally:
        with _lock:
            if outer is None:
                del _own[thread]
            else:
                _own[thread] = outer
            if not _own:
                _guard.close()


def _guarded(apply: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        refuse_other(self)
        return apply(self, *arguments, **options)

    return guarded
