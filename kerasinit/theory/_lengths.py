"""How one wide random layer maps the mean square of the pre-activations.

A layer is `z = W phi(x) + b` with `Var W = weight_std^2 / fan_in` and `Var b = bias_std^2`. The
length is the mean square of `x` and `z` over units, at infinite width.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kerasinit._numbers import is_finite
from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._quadrature import gaussian_rule
from kerasinit.theory._roots import find_root, find_roots

# Lengths that are searched for fixed points. Below and above every activation is a power law.
GRID = tuple(10.0 ** (k / 6) for k in range(-48, 49))
NEUTRAL = 1e-12  # a relative change of length below this is rounding
TOUCHING = 1e-9  # an extremum of the relative change below this touches zero
SIDE = 1e-100  # distance from 0 at which the two slopes at 0 are read


@dataclass(frozen=True)
class FixedPoint:
    """A length that a random layer maps to itself.

    Attributes:
        length: Mean square of the pre-activations, dimensionless.
        chi_perp: Growth of the squared gradient per layer there, dimensionless.
        chi_par: Slope of the length map there, dimensionless.
        stable: Whether nearby lengths stay near it.

    Example:
        >>> point = fixed_points("tanh", 1.3)[-1]
        >>> round(point.length, 4), round(point.chi_perp, 4), point.stable
        (0.409, 1.0644, True)
    """

    length: float
    chi_perp: float
    chi_par: float
    stable: bool


class Squares(NamedTuple):
    """Gaussian means at one length: `E f^2`, `E f'^2` and the slope of `E f^2` in the length."""

    output: float
    slope: float
    growth: float


def length_map(
    activation: ActivationLike, weight_std: float, bias_std: float = 0.0, *, length: float = 1.0
) -> float:
    """Mean square of the pre-activations one layer on.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        bias_std: Standard deviation of the biases.
        length: Mean square of the pre-activations before the activation.

    Returns:
        The next length, dimensionless.

    Raises:
        ValueError: If a scale or the length is negative or not finite.

    Source: Poole et al., 2016, eq. 3, https://arxiv.org/abs/1606.05340

    >>> round(length_map("relu", 2**0.5, length=3.0), 12)
    3.0
    """
    weight, bias = check_scales(weight_std, bias_std)
    return weight**2 * squares(resolve(activation), check_length(length)).output + bias**2


def chi_perp(activation: ActivationLike, weight_std: float, *, length: float = 1.0) -> float:
    """Growth of the squared gradient, and of a small angle, through one layer: `chi_1`.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        length: Mean square of the pre-activations.

    Returns:
        `weight_std^2 E f'^2`, dimensionless: below 1 gradients vanish, above 1 they explode.

    Raises:
        ValueError: If the scale or the length is negative or not finite.

    Source: Schoenholz et al., 2017, eq. 5, https://arxiv.org/abs/1611.01232

    >>> round(chi_perp("tanh", 1.5925374197), 6)
    1.177807
    """
    weight = not_negative("weight_std", weight_std)
    return weight**2 * squares(resolve(activation), check_length(length)).slope


def chi_par(activation: ActivationLike, weight_std: float, *, length: float = 1.0) -> float:
    """Slope of the length map: growth of a small change of length through one layer.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        length: Mean square of the pre-activations.

    Returns:
        `weight_std^2 d E f^2 / d length`, dimensionless: above 1 a length runs away.

    Raises:
        ValueError: If the scale or the length is negative or not finite.

    Source: Roberts, Yaida and Hanin, 2022, section 5.1, https://arxiv.org/abs/2106.10165

    >>> round(chi_par("gelu", 1.5335304412), 5)
    1.14406
    """
    weight = not_negative("weight_std", weight_std)
    return weight**2 * squares(resolve(activation), check_length(length)).growth


def fixed_points(
    activation: ActivationLike, weight_std: float, bias_std: float = 0.0
) -> tuple[FixedPoint, ...]:
    """Every length from 0 to 1e8 that a layer maps to itself, shortest first.

    Where every length is a fixed point (ReLU with `weight_std=sqrt(2)`, no bias) the one of
    length 1 stands for all. An empty result means that lengths grow without bound. A point at which
    the map only touches the identity can be missed.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        bias_std: Standard deviation of the biases.

    Raises:
        ValueError: If a scale is negative or not finite.

    Source: Poole et al., 2016, section 3, https://arxiv.org/abs/1606.05340

    >>> [round(point.length, 5) for point in fixed_points("tanh", 1.304146, 0.2)]
    [0.51208]
    """
    resolved = resolve(activation)
    weight, bias = check_scales(weight_std, bias_std)
    return tuple(_fixed_point(resolved, weight, bias, q) for q in _lengths(resolved, weight, bias))


def relative_change(activation: Activation, weight: float, bias: float, length: float) -> float:
    """Relative change of the length in one layer, 0 where it is rounding."""
    change = (weight**2 * squares(activation, length).output + bias**2) / length - 1
    return 0.0 if abs(change) < NEUTRAL else change


def value_at_zero(activation: Activation) -> float:
    """`phi(0)`."""
    return float(activation.function(np.zeros(1))[0])


@lru_cache(maxsize=8192)
def squares(activation: Activation, length: float) -> Squares:
    """The three Gaussian means that decide what a layer does at one length."""
    if length < 1e-280:
        at_zero = float(np.mean(activation.derivative(np.array([-SIDE, SIDE])) ** 2))
        return Squares(value_at_zero(activation) ** 2, at_zero, at_zero)
    rule = gaussian_rule(length, activation.kinks)
    with np.errstate(over="ignore", invalid="ignore"):
        output = activation.function(rule.inputs) ** 2
        slope = activation.derivative(rule.inputs) ** 2
        # d/dq E g(sqrt(q) z) = E g (z^2 - 1) / 2q, also where g jumps; a constant drops out.
        lifted = (output - value_at_zero(activation) ** 2) * (rule.normal**2 - 1)
        return Squares(
            float(np.dot(rule.weights, output)),
            float(np.dot(rule.weights, slope)),
            float(np.dot(rule.weights, lifted)) / (2 * length),
        )


def check_scales(weight_std: float, bias_std: float) -> tuple[float, float]:
    """Both scales as floats, if they are finite and not negative."""
    return not_negative("weight_std", weight_std), not_negative("bias_std", bias_std)


def check_length(length: float) -> float:
    """The length as a float, if it is finite and not negative."""
    return not_negative("length", length)


def not_negative(name: str, value: float) -> float:
    """The value as a float, if it is finite and not negative."""
    if not (is_finite(value) and value >= 0):
        raise ValueError(
            f"`{name}` must be a finite number >= 0. Received: {name}={reprlib.repr(value)}."
        )
    return float(value)


def _lengths(activation: Activation, weight: float, bias: float) -> list[float]:
    def change(length: float) -> float:
        return relative_change(activation, weight, bias, length)

    values = [change(length) for length in GRID]
    if not any(values):
        return [1.0]
    found = [0.0] if bias == 0 and weight**2 * value_at_zero(activation) ** 2 == 0 else []
    found += find_roots(change, GRID)
    for (low, f_low), (high, f_high) in pairwise(zip(GRID, values, strict=True)):
        if f_low * f_high > 0:
            found += _touching(activation, weight, bias, low, high)
    return sorted(found)


def _touching(
    activation: Activation, weight: float, bias: float, low: float, high: float
) -> list[float]:
    """Lengths where the map touches the identity, or crosses it twice, between two lengths."""

    def slope(length: float) -> float:
        at = squares(activation, length)
        return weight**2 * (at.growth * length - at.output) - bias**2

    def change(length: float) -> float:
        return relative_change(activation, weight, bias, length)

    if not slope(low) * slope(high) < 0:
        return []
    turn = find_root(slope, low, high)
    if abs(change(turn)) < TOUCHING:
        return [turn]
    if change(low) * change(turn) < 0:
        return [find_root(change, low, turn), find_root(change, turn, high)]
    return []


def _fixed_point(activation: Activation, weight: float, bias: float, length: float) -> FixedPoint:
    at = squares(activation, length)
    perp, par = weight**2 * at.slope, weight**2 * at.growth
    return FixedPoint(length, perp, par, is_stable(activation, weight, bias, length, par))


def is_stable(
    activation: Activation, weight: float, bias: float, length: float, slope: float
) -> bool:
    """Whether lengths on both sides of a fixed point stay near; decided by the map if slope 1."""
    if abs(slope - 1) > 1e-6:
        return slope < 1
    above = relative_change(activation, weight, bias, max(length * 1.01, 1e-4))
    below = relative_change(activation, weight, bias, length / 1.01) if length else 0.0
    return above <= 0 <= below


@lru_cache(maxsize=256)
def is_homogeneous(activation: Activation) -> bool:
    """Whether the activation is one line below 0 and one above, but for rounding to float32."""
    x = np.concatenate([-np.geomspace(1e-3, 1e3, 13), np.geomspace(1e-3, 1e3, 13)])
    with np.errstate(over="ignore"):
        slopes = activation.function(x) / x
    below, above = slopes[:13], slopes[13:]
    return bool(
        value_at_zero(activation) == 0
        and np.allclose(below, below[0], rtol=1e-6, atol=0)
        and np.allclose(above, above[0], rtol=1e-6, atol=0)
    )
