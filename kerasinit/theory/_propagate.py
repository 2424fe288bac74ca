"""The predicted course of a signal and its gradient through a deep random net."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from kerasinit._numbers import checked_whole
from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._bivariate import pair_expectation
from kerasinit.theory._finite_width import Exact, log_length
from kerasinit.theory._lengths import (
    Squares,
    check_length,
    check_scales,
    is_homogeneous,
    squares,
)
from kerasinit.theory._quadrature import gaussian_rule

LONGEST = 1e140  # lengths beyond this count as infinite: their squares overflow
ALIKE = 1e-14  # distance from correlation 1 that is rounding
BEND = 1e-3  # step of ln q in the difference
SETTLED = 1e-13  # relative change of length and correlation below which nothing moves any more


@dataclass(frozen=True)
class Propagation:
    """Predicted signal of a net, layer by layer; every number is dimensionless.

    Entry `l` of a tuple of `depth + 1` entries belongs to the pre-activations after `l` layers,
    entry 0 to the given start. Entry `l` of a tuple of `depth` entries belongs to the layer
    that follows them.

    Attributes:
        lengths: Mean squares of the pre-activations, `depth + 1` entries.
        correlations: Correlations of two inputs' pre-activations, `depth + 1` entries; None if
            none was given.
        chi_perp: Growth of the squared gradient per layer, `depth` entries.
        chi_par: Slope of the length map per layer, `depth` entries.
        gradients: Mean squared gradient by the pre-activations, relative to those after the last
            layer, `depth + 1` entries: entry 0 is what reaches the first layer.
        spreads: Standard deviation over random nets of the natural logarithm of the length,
            `depth + 1` entries; None without a width.
        typical_lengths: Lengths of a typical net, the exponential of the mean logarithm,
            `depth + 1` entries; None without a width.

    Example:
        >>> len(propagate("relu", 2**0.5, depth=3).lengths)
        4
    """

    lengths: tuple[float, ...]
    correlations: tuple[float, ...] | None
    chi_perp: tuple[float, ...]
    chi_par: tuple[float, ...]
    gradients: tuple[float, ...]
    spreads: tuple[float, ...] | None
    typical_lengths: tuple[float, ...] | None


def propagate(
    activation: ActivationLike,
    weight_std: float,
    bias_std: float = 0.0,
    depth: int = 50,
    width: int | None = None,
    *,
    length: float = 1.0,
    correlation: float | None = None,
) -> Propagation:
    """Predicts lengths, gradients and their spread through a deep random net.

    Lengths and gradients are those of infinite width. The spread at a finite width is exact for
    ReLU and linear nets without bias, and of first order in `1 / width` for the others: good while
    it is well below 1.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        bias_std: Standard deviation of the biases.
        depth: Layers.
        width: Units per layer; None for no spread.
        length: Mean square of the pre-activations at the start.
        correlation: Correlation of two inputs' pre-activations at the start, in [-1, 1]; None
            leaves it out.

    Raises:
        ValueError: If an argument is out of range.

    Source: Poole et al., 2016, https://arxiv.org/abs/1606.05340 (lengths, correlations);
    Schoenholz et al., 2017, https://arxiv.org/abs/1611.01232 (gradients); Roberts, Yaida and
    Hanin, 2022, chapter 4, https://arxiv.org/abs/2106.10165 (spread).

    >>> result = propagate("relu", 2**0.5, depth=50, width=100)
    >>> round(result.lengths[-1], 9), round(result.gradients[0], 9), round(result.spreads[-1], 4)
    (1.0, 1.0, 1.6115)
    """
    resolved = resolve(activation)
    weight, bias = check_scales(weight_std, bias_std)
    checked_whole("depth", depth)
    lengths, steps = _lengths(resolved, weight, bias, check_length(length), depth)
    perp = tuple(weight**2 * step.slope for step in steps)
    par = tuple(weight**2 * step.growth for step in steps)
    correlations = None
    if correlation is not None:
        correlations = _correlations(resolved, weight, bias, lengths, correlation)
    spreads = typical = None
    if width is not None:
        checked_whole("width", width)
        shifts, spreads = _walk(resolved, weight, bias, lengths, par, width)
        typical = tuple(q * math.exp(s) for q, s in zip(lengths, shifts, strict=True))
    return Propagation(lengths, correlations, perp, par, _gradients(perp), spreads, typical)


def _lengths(
    activation: Activation, weight: float, bias: float, length: float, depth: int
) -> tuple[tuple[float, ...], list[Squares]]:
    lengths, steps = [length], [squares(activation, length)]
    for _ in range(depth):
        following = weight**2 * steps[-1].output + bias**2
        settled = abs(following - lengths[-1]) <= SETTLED * lengths[-1]
        lengths.append(following if following < LONGEST else math.inf)
        if settled or not following < LONGEST:
            # What no longer moves needs no more integrals; what has overflowed has none.
            steps.append(steps[-1] if settled else Squares(math.inf, *steps[-1][1:]))
        else:
            steps.append(squares(activation, following))
    return tuple(lengths), steps[:-1]


def _gradients(perp: tuple[float, ...]) -> tuple[float, ...]:
    gradients = [1.0]
    for chi in reversed(perp):
        gradients.append(min(gradients[-1] * chi, math.inf))
    return tuple(reversed(gradients))


def _correlations(
    activation: Activation,
    weight: float,
    bias: float,
    lengths: tuple[float, ...],
    correlation: float,
) -> tuple[float, ...]:
    if not -1 <= correlation <= 1:
        raise ValueError(f"`correlation` must lie in [-1, 1]. Received: {correlation!r}.")
    found = [float(correlation)]
    for before, after in pairwise(lengths):
        last = found[-1]
        same = len(found) > 1 and abs(last - found[-2]) <= SETTLED and before == after
        if 1 - last <= ALIKE or same or not (0 < after < math.inf):
            found.append(last)
            continue
        product = pair_expectation(
            activation.function, length=before, correlation=last, kinks=activation.kinks
        )
        found.append(max(-1.0, min(1.0, (weight**2 * product + bias**2) / after)))
    return tuple(found)


def _walk(
    activation: Activation,
    weight: float,
    bias: float,
    lengths: tuple[float, ...],
    par: tuple[float, ...],
    width: int,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean shift and standard deviation of the logarithm of the length after every layer."""
    exact = _exact_name(activation) if bias == 0 else None
    if exact is not None:
        layer, layers = log_length(exact, width, 1), range(len(par) + 1)
        return tuple(layer.mean * n for n in layers), tuple(layer.std * n**0.5 for n in layers)
    shift, variance = 0.0, 0.0
    shifts, spreads = [0.0], [0.0]
    for (before, after), slope in zip(pairwise(lengths), par, strict=True):
        if 0 < before < math.inf and 0 < after < math.inf:
            # ln q' = g(ln q) + noise, where the noise lowers the logarithm by half its variance.
            step = slope * before / after
            bend = _bend(activation, weight, bias, before)
            noise = weight**4 * _output_variance(activation, before) / (width * after**2)
            shift = step * shift + bend * variance / 2 - noise / 2
            variance = step**2 * variance + noise
        shifts.append(shift)
        spreads.append(math.sqrt(variance))
    return tuple(shifts), tuple(spreads)


def _exact_name(activation: Activation) -> Exact | None:
    """Which exact result holds: that of ReLU, of a line, or none."""
    if not is_homogeneous(activation):
        return None
    below, above = np.abs(activation.function(np.array([-1.0, 1.0]))).tolist()
    if below == 0 or above == 0:
        return "relu"
    return "linear" if below == above else None


@lru_cache(maxsize=4096)
def _output_variance(activation: Activation, length: float) -> float:
    """`E f^4 - (E f^2)^2`."""
    rule = gaussian_rule(length, activation.kinks)
    output = activation.function(rule.inputs) ** 2
    return float(np.dot(rule.weights, (output - np.dot(rule.weights, output)) ** 2))


@lru_cache(maxsize=4096)
def _bend(activation: Activation, weight: float, bias: float, length: float) -> float:
    """Second derivative of `ln q'` in `ln q`, by a difference of the exact first one."""

    def step(at: float) -> float:
        values = squares(activation, at)
        return weight**2 * values.growth * at / (weight**2 * values.output + bias**2)

    return (step(length * math.exp(BEND)) - step(length * math.exp(-BEND))) / (2 * BEND)
