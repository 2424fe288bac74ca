"""Normal values without their tails, at the variance that was asked for."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerasinit._typing import SeedLike, Shape, Tensor

KERAS_CUT = 2.0  # standard deviations: where `keras.random.truncated_normal` cuts
NEAREST_CUT = 1e-2  # standard deviations: nearer, the density is flat to 5e-5
FARTHEST_CUT = 5.0  # standard deviations: float32 uniforms do not resolve the tail beyond


def truncated_std(cut: float) -> float:
    """Standard deviation of a standard normal distribution cut at `+-cut`.

    Args:
        cut: Where the distribution is cut, in its own standard deviations before the cut: not
            nearer than `NEAREST_CUT`, where the formula cancels.

    Source: Johnson, Kotz and Balakrishnan, 1994, Continuous Univariate Distributions 1,
    section 13.10.1.

    Example:
        >>> round(truncated_std(2.0), 11)
        0.87962566103
    """
    density = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * cut * density / math.erf(cut / math.sqrt(2)))


def truncated_normal(shape: Shape, std: float, *, cut: float, dtype: str, seed: SeedLike) -> Tensor:
    """Draws from a normal distribution that is cut on both sides.

    Args:
        shape: Shape of the tensor.
        std: Standard deviation of the values, after the cut.
        cut: Where the distribution is cut, in its standard deviations before the cut.
        dtype: `"float32"` or `"float64"`.
        seed: Seed of `keras.random`.
    """
    if cut < NEAREST_CUT:
        limit = math.sqrt(3) * std
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=seed)
    before = std / truncated_std(cut)
    if cut == KERAS_CUT:
        return keras.random.truncated_normal(shape, 0.0, before, dtype=dtype, seed=seed)
    if cut > FARTHEST_CUT:
        values = keras.random.normal(shape, 0.0, before, dtype=dtype, seed=seed)
        return ops.clip(values, -cut * before, cut * before)
    inside = math.erf(cut / math.sqrt(2))  # the inverse of the distribution function
    uniform = keras.random.uniform(shape, -inside, inside, dtype=dtype, seed=seed)
    values = ops.multiply(ops.erfinv(uniform), math.sqrt(2) * before)
    return ops.clip(values, -cut * before, cut * before)
