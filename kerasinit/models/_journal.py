"""All or nothing: variables get their old values back if a change fails or is interrupted."""

from __future__ import annotations

import contextlib
import io
import random
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend


@contextlib.contextmanager
def journal(variables: Iterable[Any]) -> Iterator[None]:
    """Gives every variable its old values back if the body raises, Ctrl-C included.

    Python's `random`, from which fresh seeds are drawn, goes back, too.
    """
    variables = list({id(variable): variable for variable in variables}.values())
    state = random.getstate()
    with _saved(variables) as file:
        try:
            yield
        except BaseException:
            with uninterrupted():
                random.setstate(state)
                file.seek(0)
                for variable in variables:
                    values = np.load(file, allow_pickle=False)
                    with contextlib.suppress(Exception):  # it took no new value, either
                        variable.assign(values)
            raise


def _saved(variables: list[Any]) -> IO[bytes]:
    """What the variables hold, in a temporary file; in memory where the disk takes no more."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        _write(file, variables)
        stack.pop_all()
        return file
    memory = io.BytesIO()
    _write(memory, variables)
    return memory


def _write(file: IO[bytes], variables: list[Any]) -> None:
    for variable in variables:
        values = _backend.numpy_of(ops.cast(variable, _exact(variable)))
        np.save(file, values, allow_pickle=False)
    file.flush()  # a full disk is noticed now


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets no second Ctrl-C end the body half-way."""
    known = signal.getsignal(signal.SIGINT)  # None: not a handler of Python's
    if known is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, known)


def _exact(variable: Any) -> str:
    """A dtype numpy can store that holds every value of `variable`."""
    dtype = str(keras.backend.standardize_dtype(variable.dtype))
    return "float32" if dtype == "bfloat16" else dtype
