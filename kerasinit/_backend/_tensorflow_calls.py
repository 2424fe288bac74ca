"""Functions of TensorFlow on Keras tensors (see `_raw_calls`)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasinit._backend._raw_calls import COUNTS, count_of, is_recorded, record, recording
from kerasinit._backend._replaced import changed


@contextlib.contextmanager
def raw_calls() -> Iterator[None]:
    """Through TensorFlow's dispatch, which asks when a function refuses its arguments."""
    _register()
    with recording(), _arrays_of_tensors():
        yield


@contextlib.contextmanager
def _arrays_of_tensors() -> Iterator[None]:
    """Lets a `TensorArray` hold Keras tensors: code writes the steps of a sequence into one."""
    array = tf.TensorArray
    write, read, stack = array.write, array.read, array.stack

    def recorded_write(self: Any, index: Any, value: Any, name: Any = None) -> Any:
        is_symbolic = is_recorded(value)
        written = self if is_symbolic else write(self, index, value, name)
        if is_symbolic or isinstance(index, int):
            vars(written)["steps"] = {**vars(self).get("steps", {}), int(index): value}
        return written

    def recorded_read(self: Any, index: Any, name: Any = None) -> Any:
        steps = vars(self).get("steps")
        return steps[int(index)] if is_recorded(steps) else read(self, index, name)

    def recorded_stack(self: Any, name: Any = None) -> Any:
        steps = vars(self).get("steps")
        if not is_recorded(steps):
            return stack(self, name)
        return tf.stack([steps[index] for index in sorted(steps)])

    with changed(array, write=recorded_write, read=recorded_read, stack=recorded_stack):
        yield


@functools.cache
def _register() -> None:
    class Recorder(tf.__internal__.dispatch.GlobalOpDispatcher):
        def handle(self, op: Any, args: Any, kwargs: Any) -> Any:
            if not is_recorded((args, kwargs)):
                return self.NOT_SUPPORTED
            first = next(iter((*args, *kwargs.values())))
            if not isinstance(first, keras.KerasTensor):
                return record(op, args, kwargs)
            name = op.__name__.removesuffix("_v2")
            dtype = kwargs.get("out_type", kwargs.get("dtype"))
            dtype = dtype or next((one for one in args[1:] if isinstance(one, tf.DType)), None)
            if name.startswith("convert_to_tensor"):
                return first if dtype is None else keras.ops.cast(first, tf.as_dtype(dtype).name)
            if name in COUNTS:
                count = count_of(name, first.shape)
                return self.NOT_SUPPORTED if count is None else tf.constant(count, dtype)
            return record(op, args, kwargs)

    Recorder().register()
