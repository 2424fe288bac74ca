"""What a layer, an add, a join, a pool or a norm makes of the size of a random net's signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._lengths import value_at_zero
from kerasinit.theory._propagate import propagate
from kerasinit.theory._quadrature import gaussian_rule
from kerasinit.theory._special import Array, normal_cdf

LINEAR = resolve("linear")


@dataclass(frozen=True)
class Moments:
    """Size of a signal, over random weights.

    Args:
        square: Mean square, dimensionless; of all units and samples.
        variance: Variance of its natural logarithm over random nets, dimensionless.
        units: Units of the layer that drew it at random; None where nothing is left to chance.
        offset: Mean over the units, of what is a straight line of a Gaussian.
        activation: What made it of a Gaussian of mean 0 and mean square `length`.
        length: See `activation`.
        drawn: The same before the activation and the chance of this layer; None if there is none.
    """

    square: float
    variance: float = 0.0
    units: int | None = None
    offset: float = 0.0
    activation: Activation = LINEAR
    length: float = 0.0
    drawn: Moments | None = None

    @property
    def mean(self) -> float:
        """Mean over units."""
        return self.offset if self._is_linear else self.highest(1)[0]

    @property
    def std(self) -> float:
        """Standard deviation of the logarithm of the root mean square."""
        return math.sqrt(self.variance) / 2

    def highest(self, count: int) -> tuple[float, float]:
        """Mean, and mean square, of the highest of so many independent values."""
        if not self._is_linear:
            return _highest(self.activation, self.length, count)
        first, second = _highest(LINEAR, self.square - self.offset**2, count)
        return self.offset + first, second + 2 * self.offset * first + self.offset**2

    @property
    def _is_linear(self) -> bool:
        return self.activation.name == "linear"


def weighted(signal: Moments, weights: float, biases: float, units: int) -> Moments:
    """After random weights.

    Args:
        signal: What enters.
        weights: Sum of the squares of the weights of a unit, mean over units.
        biases: Mean square of the biases.
        units: Their number.
    """
    square = weights * signal.square + biases
    share = weights * signal.square / square if square > 0 else 0.0
    drawn = Moments(square, share**2 * signal.variance, units)
    return activated(drawn, "linear")


def activated(signal: Moments, activation: ActivationLike) -> Moments:
    """After an activation.

    Raises:
        ValueError: If theory does not know it.
        TypeError: If it is no activation.

    Source: `propagate`.
    """
    drawn = signal.drawn or signal
    if drawn.activation.name != "linear" or drawn.offset:
        raise ValueError("Theory knows activations of centred Gaussians alone.")
    found = propagate(activation, 1.0, depth=1, width=drawn.units or 1, length=drawn.square)
    square = found.lengths[1]
    noise = found.spreads[1] ** 2 if drawn.units and found.spreads else 0.0
    slope = found.chi_par[0] * drawn.square / square if square > 0 else 0.0
    return Moments(
        square,
        slope**2 * drawn.variance + noise,
        activation=resolve(activation),
        length=drawn.square,
        drawn=drawn,
    )


def added(signals: Sequence[Moments], units: int, signs: Sequence[float] | None = None) -> Moments:
    """Sum of independent signals, whose chances may be in common.

    Args:
        signals: What is added.
        units: Units of each.
        signs: Factor of each; 1 by default.
    """
    factors = [1.0] * len(signals) if signs is None else list(signs)
    squares = [f * f * one.square for f, one in zip(factors, signals, strict=True)]
    means = [f * one.mean for f, one in zip(factors, signals, strict=True)]
    crossed = sum(means) ** 2 - sum(mean * mean for mean in means)
    square = sum(squares) + crossed
    # The products of two signals sum to 0 only on average over the units.
    shares = [q / square for q in squares] if square > 0 else []
    noise = 2 * (sum(shares) ** 2 - sum(share * share for share in shares)) / units
    return Moments(square, _common(signals, squares) ** 2 + noise, offset=sum(means))


def joined(signals: Sequence[Moments], sizes: Sequence[int]) -> Moments:
    """Signals side by side, of so many values each."""
    shares = [size / sum(sizes) for size in sizes]
    squares = [share * one.square for share, one in zip(shares, signals, strict=True)]
    mean = sum(share * one.mean for share, one in zip(shares, signals, strict=True))
    return Moments(sum(squares), _common(signals, squares) ** 2, offset=mean)


def multiplied(signals: Sequence[Moments]) -> Moments:
    """Product of independent signals."""
    deviation = sum(math.sqrt(one.variance) for one in signals)
    return Moments(
        math.prod(one.square for one in signals),
        deviation**2,
        offset=math.prod(one.mean for one in signals),
    )


def pooled(signal: Moments, count: int, *, highest: bool, alike: float = 0.0) -> Moments:
    """Mean, or the highest, of so many positions.

    Args:
        signal: What is pooled.
        count: Positions.
        highest: Whether the highest is taken, not the mean; of an activation that rises.
        alike: Correlation of two positions: 0 for independent ones, 1 for equal ones.
    """
    if highest:
        mean, square = signal.highest(count)
    else:
        mean = signal.mean
        square = mean**2 + (signal.square - mean**2) / count
    square = signal.square**alike * square ** (1 - alike) if square > 0 else 0.0
    return Moments(square, signal.variance, offset=signal.mean + (mean - signal.mean) * (1 - alike))


def normalized(scales: float, offsets: float, mean: float = 0.0) -> Moments:
    """After a normalization.

    Args:
        scales: Mean square of its factors.
        offsets: Mean square of what it adds.
        mean: Mean of what it adds.
    """
    return Moments(scales + offsets, offset=mean)


def scaled(signal: Moments, factor: float, offset: float = 0.0) -> Moments:
    """Times a number, plus a number."""
    square = factor**2 * signal.square + 2 * factor * offset * signal.mean + offset**2
    share = factor**2 * signal.square / square if square > 0 else 0.0
    return Moments(square, share**2 * signal.variance, offset=factor * signal.mean + offset)


def less_certain(signal: Moments, factor: float) -> Moments:
    """The same, whose mean square may be so many times larger or smaller."""
    return replace(signal, variance=signal.variance + math.log(factor) ** 2 / 4)


def _common(signals: Sequence[Moments], squares: Sequence[float]) -> float:
    """Standard deviation of the logarithm of a sum of squares that move together."""
    total = sum(squares)
    if not total > 0:
        return 0.0
    pairs = zip(signals, squares, strict=True)
    return sum(math.sqrt(one.variance) * square for one, square in pairs) / total


@lru_cache(maxsize=4096)
def _highest(activation: Activation, length: float, count: int) -> tuple[float, float]:
    """Of `f(u)` with independent `u`; `f` rises."""
    if not length > 0:
        value = value_at_zero(activation)
        return value, value**2
    rule = gaussian_rule(length, activation.kinks)
    weights = rule.weights * count * normal_cdf(rule.inputs / math.sqrt(length)) ** (count - 1)
    values: Array = activation.function(rule.inputs)
    return float(np.dot(weights, values)), float(np.dot(weights, values**2))
