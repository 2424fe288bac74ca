"""What a variable started from: what `initialize` or `reset` gave it is marked."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.layers._weights import weight_kind

MARK = "_kerasinit_start"  # attribute of a variable: what `initialize` or `reset` gave it
SAMPLES = 2**16  # entries of a variable, at even distances, that are looked at


def mark_start(variable: Any) -> None:
    """Marks what a variable holds as a start."""
    vars(variable)[MARK] = _digest(numbers_of(variable))


def is_marked_start(variable: Any) -> bool:
    """Whether a variable holds what was marked."""
    mark = vars(variable).get(MARK)
    return mark is not None and mark == _digest(numbers_of(variable))


def numbers_of(variable: Any) -> np.ndarray:
    """Entries of a variable or a tensor: all of a small one."""
    size = math.prod(variable.shape)
    step = size // SAMPLES | 1  # odd, so that it meets every column
    some = ops.reshape(variable, (-1,))[::step] if size > SAMPLES else variable
    some = ops.cast(some, "float32") if is_half(some) else some
    return _backend.numpy_of(some).reshape(-1)


def is_half(tensor: Any) -> bool:
    """Whether the numbers have 16 bits."""
    return "16" in keras.backend.standardize_dtype(tensor.dtype)


def have_learned_biases(layers: Iterable[Any]) -> bool:
    """Whether most biases hold values of their own, which no start gave them.

    A fresh bias of Keras is a constant, or two in a recurrent layer.

    >>> layer = keras.layers.Dense(3)
    >>> layer.build((None, 2))
    >>> before = have_learned_biases([layer])
    >>> _ = layer.bias.assign([0.1, -0.2, 0.3])
    >>> before, have_learned_biases([layer])
    (False, True)
    """
    biases = [
        variable
        for layer in layers
        for variable in _backend.own_variables(layer)
        if weight_kind(layer, variable) == "bias" and math.prod(variable.shape) > 1
    ]
    return 2 * sum(map(_is_learned, biases)) > len(biases)


def _is_learned(bias: Any) -> bool:
    values = numbers_of(bias)
    return 2 * len(np.unique(values)) > len(values) and not is_marked_start(bias)


def _digest(values: np.ndarray) -> int:
    return zlib.crc32(values.tobytes())
