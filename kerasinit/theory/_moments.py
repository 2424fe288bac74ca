"""Mean and variance of a signal after the layers that have no weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasinit.theory._activations import resolve
from kerasinit.theory._finite_width import check_size
from kerasinit.theory._quadrature import expectation, gaussian_rule
from kerasinit.theory._special import normal_cdf


@dataclass(frozen=True)
class Moments:
    """Mean and variance of one unit of a signal.

    Attributes:
        mean: In the unit of the signal.
        variance: In squared units of the signal.

    Raises:
        ValueError: If the variance is negative or a value is not finite.
    """

    mean: float = 0.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.variance) and self.variance >= 0):
            raise ValueError(
                "Moments are a finite mean and a finite variance >= 0. "
                f"Received: mean={self.mean!r}, variance={self.variance!r}."
            )

    @property
    def second_moment(self) -> float:
        """Mean square, in squared units of the signal."""
        return self.variance + self.mean**2


def after_activation(moments: Moments, activation: Any, **parameters: Any) -> Moments:
    """Moments behind an activation whose input is normal.

    Args:
        moments: Moments of the input.
        activation: Whatever `resolve` takes.
        **parameters: Parameters of the activation.

    Source: Klambauer et al., 2017, eqs. 4 and 5, https://arxiv.org/abs/1706.02515

    >>> moments = after_activation(Moments(), "selu")
    >>> abs(round(moments.mean, 9)), round(moments.variance, 9)
    (0.0, 1.0)
    """
    resolved = resolve(activation, **parameters)

    def mean_of(power: int, centre: float) -> float:
        return expectation(
            lambda u: (resolved.function(u) - centre) ** power,
            length=moments.variance,
            mean=moments.mean,
            kinks=resolved.kinks,
        )

    mean = mean_of(1, 0.0)
    return Moments(mean, max(mean_of(2, mean), 0.0))


def after_dropout(moments: Moments, rate: float) -> Moments:
    """Moments behind Keras' dropout, which scales what it keeps by `1 / (1 - rate)`.

    The same for `Dropout`, `SpatialDropout` (of one unit) and, with multiplicative noise of
    the same variance, `GaussianDropout`.

    Args:
        moments: Moments of the input.
        rate: Share of the units that are dropped, in [0, 1).

    Raises:
        ValueError: If `rate` is outside [0, 1).

    Source: Pretorius et al., 2018, https://arxiv.org/abs/1811.00293 (noise of second moment
    `1 / (1 - rate)`).

    >>> round(after_dropout(Moments(0.4, 1.0), 0.3).variance, 4)
    1.4971
    """
    if not 0 <= rate < 1:
        raise ValueError(f"`rate` must lie in [0, 1). Received: rate={rate!r}.")
    return Moments(moments.mean, moments.second_moment / (1 - rate) - moments.mean**2)


def after_average_pooling(moments: Moments, size: int, *, correlation: float = 0.0) -> Moments:
    """Moments behind the average over a window.

    Args:
        moments: Moments of every entry of the window.
        size: Entries per window, such as 4 for a 2x2 window.
        correlation: Correlation of two entries of a window, in [0, 1].

    Raises:
        ValueError: If `size` is not a positive integer or `correlation` is outside [0, 1].

    >>> after_average_pooling(Moments(1.0, 2.0), 4).variance
    0.5
    """
    check_size("size", size)
    if not 0 <= correlation <= 1:
        raise ValueError(
            f"`correlation` must lie in [0, 1]. Received: correlation={correlation!r}."
        )
    return Moments(moments.mean, moments.variance * (1 + (size - 1) * correlation) / size)


def after_max_pooling(moments: Moments, size: int) -> Moments:
    """Moments behind the maximum of independent normal entries of a window.

    Args:
        moments: Moments of every entry of the window.
        size: Entries per window, such as 4 for a 2x2 window.

    Raises:
        ValueError: If `size` is not a positive integer.

    Source: the density of the largest of n normal values, `n pdf cdf^(n-1)`.

    >>> round(after_max_pooling(Moments(), 2).mean, 6) == round(1 / math.pi**0.5, 6)
    True
    """
    check_size("size", size)
    rule = gaussian_rule()
    weights = size * rule.weights * normal_cdf(rule.normal) ** (size - 1)
    mean = float(np.dot(weights, rule.normal))
    variance = float(np.dot(weights, (rule.normal - mean) ** 2))
    return Moments(moments.mean + math.sqrt(moments.variance) * mean, moments.variance * variance)


def after_add(inputs: Sequence[Moments]) -> Moments:
    """Moments of the sum of independent signals.

    Args:
        inputs: Moments of each signal, at least one.

    Raises:
        ValueError: If `inputs` is empty.

    >>> after_add([Moments(1.0, 2.0), Moments(0.5, 1.0)])
    Moments(mean=1.5, variance=3.0)
    """
    _check_inputs(inputs)
    return Moments(sum(m.mean for m in inputs), sum(m.variance for m in inputs))


def after_average(inputs: Sequence[Moments]) -> Moments:
    """Moments of the average of independent signals.

    Args:
        inputs: Moments of each signal, at least one.

    Raises:
        ValueError: If `inputs` is empty.

    >>> after_average([Moments(1.0, 2.0), Moments(0.0, 2.0)])
    Moments(mean=0.5, variance=1.0)
    """
    total = after_add(inputs)
    return Moments(total.mean / len(inputs), total.variance / len(inputs) ** 2)


def after_multiply(inputs: Sequence[Moments]) -> Moments:
    """Moments of the product of independent signals.

    Args:
        inputs: Moments of each signal, at least one.

    Raises:
        ValueError: If `inputs` is empty.

    >>> after_multiply([Moments(1.0, 2.0), Moments(0.0, 3.0)])
    Moments(mean=0.0, variance=9.0)
    """
    _check_inputs(inputs)
    product = Moments(1.0, 0.0)
    for m in inputs:
        # (v + m^2)(w + n^2) - (m n)^2, without the difference of large numbers
        variance = product.variance * m.second_moment + product.mean**2 * m.variance
        product = Moments(product.mean * m.mean, variance)
    return product


def after_concatenate(inputs: Sequence[Moments], sizes: Sequence[int]) -> Moments:
    """Moments of a unit drawn at random from concatenated signals.

    Args:
        inputs: Moments of each signal, at least one.
        sizes: Units of each signal.

    Raises:
        ValueError: If `inputs` is empty or there is not one positive size per signal.

    >>> after_concatenate([Moments(1.0, 0.0), Moments(-1.0, 0.0)], [3, 3])
    Moments(mean=0.0, variance=1.0)
    """
    _check_inputs(inputs)
    if len(sizes) != len(inputs):
        raise ValueError(
            f"`sizes` needs one entry per signal. Received: {len(sizes)} sizes for "
            f"{len(inputs)} signals."
        )
    for size in sizes:
        check_size("sizes", size)
    shares = [size / sum(sizes) for size in sizes]
    mean = sum(share * m.mean for share, m in zip(shares, inputs, strict=True))
    spread = (m.variance + (m.mean - mean) ** 2 for m in inputs)
    return Moments(mean, sum(share * part for share, part in zip(shares, spread, strict=True)))


def _check_inputs(inputs: Sequence[Moments]) -> None:
    if not inputs:
        raise ValueError("`inputs` needs the moments of at least one signal. Received: none.")
