"""Functions of TensorFlow on Keras tensors (see `_raw_calls`)."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import keras
import tensorflow as tf

from kerasinit._backend._raw_calls import COUNTS, count_of, is_recorded, record, recording


def raw_calls() -> contextlib.AbstractContextManager[None]:
    """Through TensorFlow's dispatch, which asks when a function refuses its arguments."""
    _register()
    return recording()


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
