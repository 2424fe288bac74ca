"""Whether a model has learned: variables that are not what their own initializers give."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._safe_text import safe
from kerasinit.layers import is_half, is_marked_start, mark_start, numbers_of
from kerasinit.models._builtin import TRUNCATED_STD, keras_variance
from kerasinit.models._draw import Choice, draw
from kerasinit.models._slots import ForgetBias, Slot

SHOWN = 3  # names in the warning
# Standard errors of a mean square, at most sqrt(2 / n) of it for the laws here, beyond which it is
# not that of the law: a false alarm in 1e11 kernels.
SURE = 7.0
# One entry of a truncated normal, and one in so many, may lie beyond its cut: torch draws four
# numbers for each, of which, one time in 233,000, none lies within.
ONE_BEYOND = 8192
CONSTANT = (keras.initializers.Zeros, keras.initializers.Ones, keras.initializers.Constant)


def warn_of_learned(choices: Iterable[Choice]) -> None:
    """Warns, once, if variables that are about to be drawn hold something learned."""
    found = (one.slot.path for one in choices if one.changes and has_learned(one.slot))
    paths = list(itertools.islice(found, SHOWN))
    if paths:
        warnings.warn(
            f"The model holds learned weights ({safe(', '.join(paths))}, ...), which `initialize` "
            "draws anew. To keep a part of them: `layer.trainable = False` before the call, or a "
            "rule that keeps it, `[(path or layer class, None), ...]`, before the others; to draw "
            "but one layer: `reset(model.get_layer(name))`. To start the whole training anew "
            "without this warning: `reset_optimizer=True`, or `reset(model)`.",
            stacklevel=3,
        )


def remember(choices: Iterable[Choice]) -> None:
    """Marks what was drawn, so that it does not count as learned."""
    for choice in choices:
        if choice.changes:
            mark_start(choice.slot.variable)


def has_learned(slot: Slot) -> bool:
    """Whether a trained variable differs from what its own initializer, or we, gave it.

    Constant starts are compared, random ones by their support and their mean square: what training
    moved less than that is not seen, and what was not trained never seems so.
    """
    if not slot.variable.trainable or slot.kind in ("state", "seed"):
        return False
    values = numbers_of(slot.variable)
    if not values.size or is_marked_start(slot.variable):
        return False
    own = getattr(slot.initializer, "initializer", slot.initializer)
    if type(own) in CONSTANT and (own is slot.initializer or type(slot.initializer) is ForgetBias):
        expected = numbers_of(draw(Choice(slot, slot.initializer, ""), 0))
        return not np.array_equal(values, np.asarray(expected, values.dtype))
    if not _backend.is_of_keras(slot.layer):
        return False  # it may have done more with its initializer than fill the variable
    law = _law(own, slot)
    if law is None:
        return False
    mean_square, bound = law
    margin = 1.01 if is_half(slot.variable) else 1.0001
    if np.count_nonzero(np.abs(values) > margin * bound) > 1 + values.size // ONE_BEYOND:
        return True
    found = float(np.mean(np.square(values, dtype="float64")))
    tolerance = SURE * math.sqrt(2 / values.size) + margin - 1
    return abs(found - mean_square) > tolerance * mean_square  # both may be 0


def _law(initializer: Any, slot: Slot) -> tuple[float, float] | None:
    """Mean square and bound of what a random initializer of Keras draws."""
    kind = type(initializer)
    if kind is keras.initializers.RandomUniform:
        low, high = initializer.minval, initializer.maxval
        return (low**2 + low * high + high**2) / 3, max(abs(low), abs(high))
    if kind in (keras.initializers.RandomNormal, keras.initializers.TruncatedNormal):
        std, mean = initializer.stddev, initializer.mean
        if kind is keras.initializers.RandomNormal:
            return mean**2 + std**2, math.inf
        return mean**2 + (TRUNCATED_STD * std) ** 2, abs(mean) + 2 * std
    if _backend.is_of_keras(kind) and hasattr(initializer, "distribution"):
        square = keras_variance(initializer, slot)
        largest = {"uniform": math.sqrt(3.0), "truncated_normal": 2 / TRUNCATED_STD}
        return square, math.sqrt(square) * largest.get(initializer.distribution, math.inf)
    return None
