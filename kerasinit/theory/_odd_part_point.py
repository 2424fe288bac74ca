"""The point at which the odd part of an activation carries a signal through a given depth."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Unpack

import numpy as np

from kerasinit._numbers import checked_whole, is_finite
from kerasinit._typing import ActivationParameters
from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._lengths import value_at_zero
from kerasinit.theory._quadrature import expectation
from kerasinit.theory._roots import find_root
from kerasinit.theory._special import Array

DEPTH = 50  # layers: where the depth is unknown
ZETA = 1.5  # growth of the squared gradient over the whole depth that still trains well
SHORTEST = 1e-10  # smallest mean square that is looked at
STEPS_PER_DECADE = 4
EVEN = 1e-6  # share of its odd part up to which an activation counts as even or odd


@dataclass(frozen=True)
class OddPartPoint:
    """How orthogonal weights act on the odd part of an activation alone.

    Its odd part is `(phi(u) - phi(-u)) / 2`; its even part, `(phi(u) + phi(-u)) / 2`, cannot tell u
    from -u.

    Attributes:
        kind: `"bias"` where the even part is a constant, which the bias
            `-offset * (column sums of W)` cancels; `"mirror"` where mirrored blocks
            `[[M, -M], [-M, M]]` cancel it.
        gain: Factor on the orthogonal hidden kernel (`"bias"`) or block M (`"mirror"`),
            dimensionless.
        length: Mean square of the pre-activations that the gain keeps, dimensionless.
        offset: `phi(0)`, dimensionless.

    Example:
        >>> odd_part("relu").kind, round(odd_part("relu").gain, 6)
        ('mirror', 1.0)
    """

    kind: Literal["bias", "mirror"]
    gain: float
    length: float
    offset: float


def odd_part(
    activation: ActivationLike,
    depth: int = DEPTH,
    zeta: float = ZETA,
    **parameters: Unpack[ActivationParameters],
) -> OddPartPoint:
    """Gain and length at which the odd part of an activation trains through `depth` layers.

    With `psi(u) = phi(u) - phi(-u)` the squared gradient grows by `chi(q) = q E psi'^2 / E psi^2`
    per layer, never below 1. The length is the largest `q <= 1` at which it grows by at most
    `zeta` over the whole depth; for ReLU, GELU, SiLU and softplus psi is linear and every length
    will do.

    Args:
        activation: Whatever `resolve` takes.
        depth: Hidden layers.
        zeta: Allowed growth of the squared gradient from the last to the first hidden layer.
        **parameters: Those of a named activation, as in `gain`.

    Raises:
        ValueError: If `depth` or `zeta` is out of range, the activation is even (it has no odd
            part), or its odd part has no slope to carry a gradient through that depth.

    Source: the project's own rule, `kerasinit.initializers.OddPart`. The depth-aware length is
    that of Martens et al., 2021, section 3, https://arxiv.org/abs/2110.01765, on psi.

    >>> odd_part("gelu").kind, round(odd_part("gelu").gain, 12)
    ('mirror', 1.0)
    >>> point = odd_part("tanh", depth=10)
    >>> point.kind, round(point.gain, 4), round(point.length, 3)
    ('bias', 1.2275, 0.291)
    """
    depth = checked_whole("depth", depth, hint="It is the number of hidden layers.")
    if not (is_finite(zeta) and zeta > 1):
        raise ValueError(
            "`zeta` is a growth over the whole depth: a finite number > 1. "
            f"Received: zeta={reprlib.repr(zeta)}."
        )
    return _odd_part(resolve(activation, **parameters), depth, float(zeta))


@lru_cache(maxsize=256)
def _odd_part(activation: Activation, depth: int, zeta: float) -> OddPartPoint:
    u = np.linspace(0.01, 8.0, 256)
    above, below = activation.function(u), activation.function(-u)
    offset = value_at_zero(activation)
    size = float(np.abs(above - below).max())
    if size <= EVEN * float(np.abs(above - offset).max()):
        raise ValueError(
            f"{activation.name!r} is even: it has no odd part to carry a signal. "
            "Use `kerasinit.gain` for its scale."
        )
    odd = float(np.abs(above + below - 2 * offset).max()) <= EVEN * size
    length = _length(activation, depth, zeta)
    scale = math.sqrt(length / _mean_squares(activation, length)[0])
    kind: Literal["bias", "mirror"] = "bias" if odd else "mirror"
    gain = 2 * scale if odd else scale
    return OddPartPoint(kind=kind, gain=gain, length=length, offset=offset)


def _length(activation: Activation, depth: int, zeta: float) -> float:
    """Largest length up to 1 at which the gradient grows by at most `zeta` over the depth."""

    def excess(log_length: float) -> float:
        length = math.exp(log_length)
        square, slope = _mean_squares(activation, length)
        if square <= 0:
            return math.inf
        return depth * math.log(length * slope / square) - math.log(zeta)

    if excess(0.0) <= 0:
        return 1.0
    decades = -math.log10(SHORTEST)
    grid = np.linspace(0, math.log(SHORTEST), round(decades * STEPS_PER_DECADE) + 1)
    for high, low in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        if excess(low) <= 0:
            return math.exp(find_root(excess, low, high, tolerance=1e-12))
    raise ValueError(
        f"The odd part of {activation.name!r} has no slope at small inputs, so its gradient grows "
        f"by more than {zeta:g} over {depth} layers at every length. "
        "Use fewer layers or another activation."
    )


def _mean_squares(activation: Activation, length: float) -> tuple[float, float]:
    """`E psi^2` and `E psi'^2` at a normal input of mean square `length`."""

    def psi(u: Array) -> Array:
        return activation.function(u) - activation.function(-u)

    def slope(u: Array) -> Array:
        return activation.derivative(u) + activation.derivative(-u)

    kinks = tuple(sorted({0.0, *activation.kinks, *(-kink for kink in activation.kinks)}))
    square = expectation(lambda u: psi(u) ** 2, length=length, kinks=kinks)
    return square, expectation(lambda u: slope(u) ** 2, length=length, kinks=kinks)
