"""Large Keras variables, filled piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kerasinit._backend._name import name


def assign_rows(variable: Any, pieces: Iterable[tuple[int, Any]]) -> None:
    """Assigns pieces of consecutive rows, each with its first row, that make up a Keras variable.

    In place and one after the other where the backend has that; JAX arrays cannot change.
    Reads `Variable._value`.
    """
    value = variable._value
    if name() == "torch":
        for row, piece in pieces:
            value.data[row : row + len(piece)].copy_(piece)
        return
    if name() == "tensorflow":
        from tensorflow.python.ops.resource_variable_ops import ResourceVariable

        if isinstance(value, ResourceVariable):  # and no variable of `tf.distribute`
            for row, piece in pieces:
                value[row : row + piece.shape[0]].assign(piece)
            return
    variable.assign(keras.ops.concatenate([piece for _, piece in pieces]))
