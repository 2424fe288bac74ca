"""What a finite width does to the length of one signal: a random walk of its logarithm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np

from kerasinit._numbers import checked_whole
from kerasinit.theory._special import Array, digamma, trigamma

Exact: TypeAlias = Literal["linear", "relu"]
ACTIVATIONS: tuple[Exact, ...] = get_args(Exact)


@dataclass(frozen=True)
class LogLength:
    """Statistics over random nets of a length's growth through some layers.

    The growth is `q_L / q_0`, with Gaussian weights that keep the length on average.

    Attributes:
        mean: Mean of `ln(q_L / q_0)`, dimensionless; negative, and about half the variance.
        variance: Variance of `ln(q_L / q_0)`, dimensionless.
        second_moment: Mean of `(q_L / q_0)^2`, dimensionless.

    Example:
        >>> round(log_length("relu", width=64, depth=10).variance, 2)
        0.83
    """

    mean: float
    variance: float
    second_moment: float

    @property
    def std(self) -> float:
        """Standard deviation of `ln(q_L / q_0)`, dimensionless."""
        return math.sqrt(self.variance)

    @property
    def median(self) -> float:
        """Median of `q_L / q_0` for many layers, where its logarithm is normal; dimensionless."""
        return math.exp(self.mean)


def log_length(activation: Exact, width: int, depth: int) -> LogLength:
    """Exact statistics of a signal's growth through a net of finite width.

    Weights are Gaussian with variance `2 / width` (ReLU) or `1 / width` (linear), biases zero.
    For ReLU, nets that are dead (no active unit in some layer) are left out of the logarithm.

    Args:
        activation: `"relu"` or `"linear"`; `propagate` estimates the others.
        width: Units per layer.
        depth: Layers.

    Raises:
        ValueError: If the activation has no exact result, or a size is not a positive integer.

    Source: Hanin and Nica, 2019, https://arxiv.org/abs/1812.05994; a ReLU layer multiplies the
    squared norm by `2 / width` times a chi-square with Binomial(width, 1/2) degrees of freedom.

    >>> result = log_length("relu", width=100, depth=50)
    >>> round(result.mean, 4), round(result.std, 4), round(result.median, 4)
    (-1.271, 1.6115, 0.2805)
    """
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"The exact result is known for {ACTIVATIONS}. Received: activation={activation!r}. "
            "Use `propagate(..., width=...)` for the others."
        )
    checked_whole("width", width)
    checked_whole("depth", depth)
    mean, variance, second_moment = _of_one_layer(activation, width)
    return LogLength(depth * mean, depth * variance, second_moment**depth)


@lru_cache(maxsize=4096)
def _of_one_layer(activation: Exact, width: int) -> tuple[float, float, float]:
    """Mean and variance of the logarithm of the growth, and mean of its square."""
    if activation == "linear":
        freedom, shares = np.array([float(width)]), np.ones(1)
        scale, surplus = 1 / width, 2 / width
    else:
        freedom, shares = _active_units(width)
        scale, surplus = 2 / width, 5 / width
    means = digamma(freedom / 2) + math.log(2 * scale)
    mean = float(np.dot(shares, means))
    variance = float(np.dot(shares, trigamma(freedom / 2) + (means - mean) ** 2))
    return mean, variance, 1 + surplus


def _active_units(width: int) -> tuple[Array, Array]:
    """Numbers of active units, from 1 on, with their probabilities given that one is active."""
    active = np.arange(1.0, width + 1)
    steps = np.log((width - active + 1) / active)
    logs = np.cumsum(steps) - width * math.log(2)
    shares = np.exp(logs)
    return active, shares / shares.sum()
