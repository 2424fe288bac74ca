"""Special functions of numpy arrays, so that scipy is not needed at run time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
ArrayFunction: TypeAlias = Callable[[Array], Array]

SQRT2 = math.sqrt(2.0)
SQRT2PI = math.sqrt(2.0 * math.pi)

# Coefficients B_2k / 2k and B_2k of the asymptotic series below (B: Bernoulli numbers), k = 1..8.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_ASYMPTOTIC_FROM = 12.0  # from here on, eight terms are exact to the last bit of float64


def erf(x: Array) -> Array:
    """Error function, elementwise, exact to the last bits of float64.

    Args:
        x: Any shape, dimensionless.
    """
    return _map(math.erf, x)


def normal_cdf(x: Array) -> Array:
    """Probability that a standard normal variable is below `x`, exact in both tails.

    Args:
        x: Any shape, dimensionless.
    """
    return 0.5 * _map(math.erfc, x / -SQRT2)


def normal_pdf(x: Array) -> Array:
    """Density of the standard normal distribution at `x` (dimensionless)."""
    return np.exp(-0.5 * x * x) / SQRT2PI


def sigmoid(x: Array) -> Array:
    """Logistic function without overflow: `1 / (1 + exp(-x))`."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def softplus(x: Array) -> Array:
    """`log(1 + exp(x))` without overflow."""
    return np.logaddexp(0.0, x)


def digamma(x: Array) -> Array:
    """Derivative of `log(gamma(x))` for positive `x`.

    Source: Abramowitz and Stegun, 1964, 6.3.5 (recurrence) and 6.3.18 (series).
    """
    shifted, sums = _shift(x, 1)
    series = sum(b / (2 * k) * shifted ** (-2 * k) for k, b in enumerate(_BERNOULLI, start=1))
    return np.asarray(np.log(shifted) - 0.5 / shifted - series - sums)


def trigamma(x: Array) -> Array:
    """Second derivative of `log(gamma(x))` for positive `x`.

    Source: Abramowitz and Stegun, 1964, 6.4.6 (recurrence) and 6.4.12 (series).
    """
    shifted, sums = _shift(x, 2)
    series = sum(b * shifted ** (-2 * k - 1) for k, b in enumerate(_BERNOULLI, start=1))
    return np.asarray(1 / shifted + 0.5 / shifted**2 + series + sums)


def _map(function: Callable[[float], float], x: Array) -> Array:
    values = np.asarray(x, dtype=np.float64)
    flat = np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size)
    return flat.reshape(values.shape)


def _shift(x: Array, power: int) -> tuple[Array, Array]:
    """Moves `x` up by whole steps, with the sum of `1 / x^power` over the steps."""
    shifted = np.array(x, dtype=np.float64)
    sums = np.zeros_like(shifted)
    while np.any(low := shifted < _ASYMPTOTIC_FROM):
        sums = np.where(low, sums + shifted**-power, sums)
        shifted = np.where(low, shifted + 1.0, shifted)
    return shifted, sums
