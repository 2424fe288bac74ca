"""Intervals for a mean of a few seeds, from resampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ENDS = (0.025, 0.975)  # shares of the samples below the ends of an interval: 95 % lie inside
RESAMPLES = 2000
NORMAL_QUANTILE = 1.959964  # 97.5 % point of N(0,1)
# 97.5 % points of Student's t with 1, 2, ... degrees of freedom.
STUDENT_QUANTILES = (12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval.

    Args:
        value: The mean.
        low: Lower end of the interval, None where it cannot be told (a single seed).
        high: Upper end of the interval.

    Example:
        >>> str(Estimate(0.91, low=0.9, high=0.92))
        '0.910 [0.900, 0.920]'
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def small_sample_factor(count: int) -> float:
    """How much a bootstrap interval of `count` values is too narrow, dimensionless.

    Resampling `count` values spreads their mean by the standard error times
    `sqrt((count - 1) / count)` and knows no Student correction: both are undone here.
    Source: Hesterberg, 2015, section 3.2, https://arxiv.org/abs/1411.5279

    Examples:
        >>> round(small_sample_factor(3), 2), round(small_sample_factor(100), 2)
        (2.69, 1.02)
    """
    return math.sqrt(count / (count - 1)) * _student_quantile(count - 1) / NORMAL_QUANTILE


def _student_quantile(degrees: int) -> float:
    """97.5 % point of Student's t."""
    if degrees <= len(STUDENT_QUANTILES):
        return STUDENT_QUANTILES[degrees - 1]
    z = NORMAL_QUANTILE  # Cornish-Fisher expansion, good to 2e-3 from 9 degrees on
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def estimate(
    values: np.ndarray,
    picks: np.ndarray,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    grain: float = 0.0,
) -> Estimate:
    """Mean of `values` with a bootstrap interval.

    Args:
        values: One number per seed, shape `(seeds,)`.
        picks: Resampled positions, shape `(resamples, seeds)`: shared by all estimates of a
            cell, so that seeds stay paired.
        bounds: What the mean can be at all: those of an accuracy.
        grain: Step between the numbers that a value can be. Seeds that agree to the step have an
            interval all the same: that of the rounding, whose variance is `grain**2 / 12`.
    """
    mean = float(np.mean(values))
    if len(values) < 2 or not np.all(np.isfinite(values)):
        return Estimate(mean)
    low, high = np.quantile(values[picks].mean(axis=1), ENDS)
    factor = small_sample_factor(len(values))
    least = _student_quantile(len(values) - 1) * grain / math.sqrt(12 * len(values))
    below = min(factor * (low - mean), -least)
    above = max(factor * (high - mean), least)
    ends = np.clip([mean + below, mean + above], *bounds)
    return Estimate(mean, float(ends[0]), float(ends[1]))


def resample(rng: np.random.Generator, count: int) -> np.ndarray:
    """Positions of `RESAMPLES` samples with replacement, shape `(resamples, count)`."""
    return rng.integers(0, count, size=(RESAMPLES, count))
