"""Functions of TensorFlow on Keras tensors (see `_raw_calls`)."""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasinit._backend._raw_calls import holds_symbolic, record


@contextlib.contextmanager
def raw_calls() -> Iterator[None]:
    """Through TensorFlow's dispatch, which asks when a function refuses its arguments."""
    recorder = _recorder()
    before = getattr(recorder.here, "is_on", False)
    recorder.here.is_on = True
    try:
        yield
    finally:
        recorder.here.is_on = before


@functools.cache
def _recorder() -> Any:
    class Recorder(tf.__internal__.dispatch.GlobalOpDispatcher):
        here = threading.local()

        def handle(self, op: Any, args: Any, kwargs: Any) -> Any:
            if not getattr(self.here, "is_on", False) or not holds_symbolic((args, kwargs)):
                return self.NOT_SUPPORTED
            first = next(iter((*args, *kwargs.values())))
            if not isinstance(first, keras.KerasTensor):
                return record(op, args, kwargs)
            if op.__name__.startswith("convert_to_tensor"):
                return first
            for name, known in (("shape", list), ("rank", len), ("size", math.prod)):
                if op.__name__ in (name, f"{name}_v2"):
                    fixed = None not in first.shape
                    return tf.constant(known(first.shape)) if fixed else self.NOT_SUPPORTED
            return record(op, args, kwargs)

    recorder = Recorder()
    recorder.register()
    return recorder
