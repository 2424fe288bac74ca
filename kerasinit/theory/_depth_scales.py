"""How many layers a signal's length, and the angle between two signals, survive."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._bivariate import pair_expectation
from kerasinit.theory._lengths import (
    FixedPoint,
    check_length,
    check_scales,
    fixed_points,
    length_map,
    relative_change,
)
from kerasinit.theory._roots import find_root

CRITICAL = 1e-11  # |ln chi| below this is rounding: the scale is infinite
NEAR_ONE = 1e-7  # distance from correlation 1 at which the correlation map is compared with 1


@dataclass(frozen=True)
class DepthScales:
    """Layers over which a deviation falls to 1/e, in layers; `inf` at a critical point.

    Attributes:
        length: Scale of a deviation of the length from its fixed point.
        correlation: Scale of a deviation of the correlation of two inputs from its fixed point.
            Deep nets train up to about 5 times this many layers.
        fixed_length: The length that is approached, dimensionless.
        fixed_correlation: The correlation that is approached: 1 where all inputs become alike.

    Example:
        >>> depth_scales("relu", 2**0.5).correlation
        inf
    """

    length: float
    correlation: float
    fixed_length: float
    fixed_correlation: float


def correlation_map(
    activation: ActivationLike,
    weight_std: float,
    bias_std: float = 0.0,
    *,
    correlation: float,
    length: float = 1.0,
    other_length: float | None = None,
) -> float:
    """Correlation of two inputs' pre-activations one layer on.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        bias_std: Standard deviation of the biases.
        correlation: Correlation of the two inputs' pre-activations, in [-1, 1].
        length: Mean square of the pre-activations of one input.
        other_length: That of the other input; the same if None.

    Returns:
        The next correlation, dimensionless, in [-1, 1].

    Raises:
        ValueError: If an argument is out of range, or the next length is 0.

    Source: Poole et al., 2016, eq. 5, https://arxiv.org/abs/1606.05340

    >>> round(correlation_map("linear", 1.0, correlation=0.3), 12)
    0.3
    """
    resolved = resolve(activation)
    weight, bias = check_scales(weight_std, bias_std)
    first = check_length(length)
    second = first if other_length is None else check_length(other_length)
    lengths = [length_map(resolved, weight, bias, length=q) for q in (first, second)]
    if not (lengths[0] > 0 and lengths[1] > 0):
        raise ValueError(
            "A correlation needs two signals of positive length. "
            f"Received: length={length!r}, other_length={other_length!r}."
        )
    product = weight**2 * pair_expectation(
        resolved.function,
        length=first,
        other_length=second,
        correlation=correlation,
        kinks=resolved.kinks,
    )
    return max(-1.0, min(1.0, (product + bias**2) / math.sqrt(lengths[0] * lengths[1])))


def depth_scales(
    activation: ActivationLike, weight_std: float, bias_std: float = 0.0
) -> DepthScales:
    """Layers over which lengths and correlations reach their fixed points.

    Args:
        activation: Whatever `resolve` takes.
        weight_std: Standard deviation of the weights times `sqrt(fan_in)`.
        bias_std: Standard deviation of the biases.

    Returns:
        The scales at the fixed point that a start of length 1 approaches.

    Raises:
        ValueError: If a scale is out of range or lengths grow without bound.

    Source: Schoenholz et al., 2017, eqs. 9 and 13, https://arxiv.org/abs/1611.01232

    >>> scales = depth_scales("tanh", 1.0, 0.05**0.5)
    >>> round(scales.correlation, 2), scales.fixed_correlation
    (3.63, 1.0)
    """
    resolved = resolve(activation)
    weight, bias = check_scales(weight_std, bias_std)
    point = _approached(resolved, weight, bias)
    fixed = _fixed_correlation(resolved, weight, bias, point)
    if fixed == 1:
        chi = point.chi_perp
    else:
        chi = weight**2 * pair_expectation(
            resolved.derivative, length=point.length, correlation=fixed, kinks=resolved.kinks
        )
    return DepthScales(_scale(point.chi_par), _scale(chi), point.length, fixed)


def _approached(activation: Activation, weight: float, bias: float) -> FixedPoint:
    """The fixed point that a start of length 1 runs to."""
    points = fixed_points(activation, weight, bias)
    change = relative_change(activation, weight, bias, 1.0)
    above = [point for point in points if point.length >= 1]
    below = [point for point in points if point.length <= 1]
    if change > 0 and above:
        return above[0]
    if change <= 0 and below:
        return below[-1]
    raise ValueError(
        f"Lengths grow without bound through {activation.name!r} with weight_std={weight:g} and "
        f"bias_std={bias:g}, so there is no depth scale. Use a smaller `weight_std`."
    )


def _fixed_correlation(
    activation: Activation, weight: float, bias: float, point: FixedPoint
) -> float:
    """The correlation that different inputs approach at a fixed length."""
    if point.length == 0 or point.chi_perp <= 1 + NEAR_ONE:
        return 1.0

    def excess(correlation: float) -> float:
        product = pair_expectation(
            activation.function,
            length=point.length,
            correlation=correlation,
            kinks=activation.kinks,
        )
        return (weight**2 * product + bias**2) / point.length - correlation

    if excess(0.0) <= NEAR_ONE**2:
        return 0.0
    if excess(1 - NEAR_ONE) >= 0:
        return 1.0
    return find_root(excess, 0.0, 1 - NEAR_ONE, tolerance=1e-11)


def _scale(chi: float) -> float:
    """Layers over which `chi^layers` falls to 1/e."""
    if chi <= 0:
        return 0.0
    rate = -math.log(chi)
    return math.inf if abs(rate) < CRITICAL else 1 / rate
