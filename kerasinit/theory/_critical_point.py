"""The scales at which signals and gradients neither vanish nor explode: the edge of chaos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._lengths import (
    GRID,
    NEUTRAL,
    is_homogeneous,
    is_stable,
    not_negative,
    squares,
)
from kerasinit.theory._quadrature import gaussian_rule
from kerasinit.theory._roots import find_roots

FLAT = 1e-12  # mean squared slopes below this would need weights beyond 1e6
JUMP = 1e-9  # relative failure of integration by parts that betrays a jump


@dataclass(frozen=True)
class CriticalPoint:
    """Scales at which the squared gradient keeps its size through every layer.

    Attributes:
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`, dimensionless.
        bias_std: Standard deviation of the biases, dimensionless.
        length: Mean square of the pre-activations that these scales keep, dimensionless. 0 where
            the length decays slower than any power (tanh without bias), 1 for every length
            where all are kept (ReLU).
        stable: Whether nearby lengths stay near. If not, finite width drives a deep net away
            from the point.

    Example:
        >>> point = critical("relu")
        >>> round(point.weight_std, 6), point.length, point.stable
        (1.414214, 1.0, True)
    """

    weight_std: float
    bias_std: float
    length: float
    stable: bool


def critical(activation: ActivationLike, bias_std: float = 0.0) -> CriticalPoint:
    """Weight scale at which `chi_1 = 1` at the fixed length, for a given bias scale.

    Of several such points the shortest stable one is returned, else the shortest.

    Args:
        activation: Whatever `resolve` takes.
        bias_std: Standard deviation of the biases.

    Raises:
        ValueError: If no critical point exists for this activation and bias scale.

    Source: Hayou et al., 2019, section 3, https://arxiv.org/abs/1902.06853

    >>> point = critical("tanh", 0.2)
    >>> round(point.weight_std, 6), round(point.length, 6), point.stable
    (1.304146, 0.512079, True)
    >>> round(critical("relu").weight_std ** 2, 12)
    2.0
    """
    bias = not_negative("bias_std", bias_std)
    resolved = resolve(activation)
    points = _critical_points(resolved, bias)
    if points:
        return next((point for point in points if point.stable), points[0])
    if is_homogeneous(resolved):
        hint = "Biases add to its length in every layer; use bias_std=0."
    else:
        hint = "Use `kerasinit.theory.odd_part`, which needs none, or `kerasinit.gain`."
    raise ValueError(
        f"No critical point exists for {resolved.name!r} with bias_std={bias:g}: no length is kept "
        f"where the gradient is. {hint}"
    )


@lru_cache(maxsize=256)
def _critical_points(activation: Activation, bias: float) -> tuple[CriticalPoint, ...]:
    if is_homogeneous(activation):
        lengths = [1.0] if bias == 0 else []
    else:
        lengths = _critical_lengths(activation, bias)
    return tuple(_critical_point(activation, bias, length) for length in lengths)


def _critical_lengths(activation: Activation, bias: float) -> list[float]:
    def excess(length: float) -> float:
        value = _bias_square(activation, length) - bias**2
        return value if bias or abs(value) > NEUTRAL * length else 0.0

    at_zero = squares(activation, 0.0)
    lengths = [0.0] if bias == 0 and at_zero.output == 0 and at_zero.slope > FLAT else []
    return lengths + find_roots(excess, GRID)


def _critical_point(activation: Activation, bias: float, length: float) -> CriticalPoint:
    at = squares(activation, length)
    weight = 1 / math.sqrt(at.slope)
    stable = is_stable(activation, weight, bias, length, at.growth / at.slope)
    return CriticalPoint(weight, bias, length, stable)


@lru_cache(maxsize=8192)
def _bias_square(activation: Activation, length: float) -> float:
    """Bias variance that keeps `length` where the gradient is kept: `q - E f^2 / E f'^2`.

    For an odd activation the two terms agree to order q^2. With f = a0 + a1 z + r they are equal
    but for `E (sqrt(q) f' - a1)^2 - E r^2 - a0^2`, which loses nothing (Hermite expansion).
    """
    at = squares(activation, length)
    if at.slope <= FLAT or not math.isfinite(at.output):
        return -math.inf
    rule = gaussian_rule(length, activation.kinks)
    output = activation.function(rule.inputs)
    slope = math.sqrt(length) * activation.derivative(rule.inputs)
    a0 = float(np.dot(rule.weights, output))
    a1 = float(np.dot(rule.weights, slope))
    if abs(float(np.dot(rule.weights, output * rule.normal)) - a1) > JUMP * math.sqrt(at.output):
        return length - at.output / at.slope
    rest = output - a0 - a1 * rule.normal
    surplus = float(np.dot(rule.weights, (slope - a1) ** 2 - rest**2)) - a0**2
    return surplus / at.slope
