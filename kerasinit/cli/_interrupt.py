"""Ctrl-C at a moment when nothing is half done."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kerasinit.cli._progress import Tracker

NOTICE = b"\nStopping after this epoch. Ctrl-C again stops at once.\n"


@contextmanager
def polite(tracker: Tracker) -> Iterator[None]:
    """Turns the first Ctrl-C into a request that `tracker` grants at its next event.

    An exception that Python raises inside a callback of compiled code can get lost there, and
    one in the middle of a record costs a training. The second Ctrl-C raises where it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def request(number: int, frame: FrameType | None) -> None:
        if tracker.stopping:
            raise KeyboardInterrupt("Ctrl-C")
        tracker.stopping = True
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, NOTICE)

    before: Any = signal.signal(signal.SIGINT, request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
