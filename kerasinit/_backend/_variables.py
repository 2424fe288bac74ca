"""Large Keras variables, filled piece by piece."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import keras

from kerasinit._backend._name import name


def takes_rows(variable: Any) -> bool:
    """Whether `assign_rows` can fill `variable`: it lies on one device.

    Reads `Variable._value`.
    """
    if name() == "tensorflow":  # and not a variable of `tf.distribute`
        from tensorflow.python.ops.resource_variable_ops import ResourceVariable

        return isinstance(variable._value, ResourceVariable)
    if name() == "jax":
        import jax

        return isinstance(variable._value, jax.Array) and len(variable._value.devices()) == 1
    return name() == "torch"


def assign_rows(variable: Any, pieces: Iterable[tuple[int, Any]]) -> None:
    """Assigns pieces of consecutive rows, each with its first row, that fill a Keras variable.

    In place, one after the other; JAX arrays cannot change, so there the pieces go into one new
    array. Only where `takes_rows` is true. Reads `Variable._value`.
    """
    value = variable._value
    if name() == "jax":
        value = keras.ops.zeros(variable.shape, variable.dtype)
        for row, piece in pieces:
            value = _put_rows()(value, piece, row)
        variable.assign(value)
        return
    for row, piece in pieces:
        if name() == "torch":
            value.data[row : row + len(piece)].copy_(piece)
        else:  # assigning a slice would pass over the whole variable
            value.scatter_update(_tensorflow_rows(piece, row))


@functools.cache
def _put_rows() -> Any:
    """A JAX function that writes a piece into an array which it takes over."""
    import jax

    def put(value: Any, piece: Any, row: Any) -> Any:
        return jax.lax.dynamic_update_slice_in_dim(value, piece, row, 0)

    return jax.jit(put, donate_argnums=0)


def _tensorflow_rows(piece: Any, row: int) -> Any:
    import tensorflow as tf

    return tf.IndexedSlices(piece, tf.range(row, row + piece.shape[0]))
