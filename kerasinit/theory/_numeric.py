"""Kinks and derivative of an activation that is known only by its values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kerasinit import _backend
from kerasinit.theory._formulas import Formula
from kerasinit.theory._special import Array, ArrayFunction

REACH = 32.0  # inputs up to here are resolved panel by panel
PANEL = 0.5  # width of a panel of a function without kinks
OFFSET = PANEL / math.e
DEGREE = 15
TAIL = 4  # last coefficients of a resolved panel that must vanish
MOST_PANELS = 4096
SMALLEST = 2048  # points per evaluation
EPS_32, EPS_64 = (float(np.finfo(dtype).eps) for dtype in ("float32", "float64"))
DOUBLE = 1e-13  # relative noise below this: the callable computes in float64 throughout
NOISIEST = 1e-4  # relative noise above this is no rounding
SIDE = 0.05  # length of the curve on each side of a kink that locates it
SIDE_DEGREE = 4  # of the polynomials through the two sides of a kink
ROUND = 1e6  # a kink next to a multiple of 1 / ROUND is moved there
SAME = 1e-9  # distance below which two edges are one
STEP = 1e-3  # half width of a difference beyond `REACH`, relative to the input

_POINTS = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))[::-1]
_ORDERS = np.arange(DEGREE + 1)
# Values at the points times this matrix are Chebyshev coefficients: a discrete cosine transform.
_TO_COEFFICIENTS = (
    np.cos(np.arccos(_POINTS)[:, None] * _ORDERS) * np.where(_ORDERS, 2, 1) / (DEGREE + 1)
)


class Precision(NamedTuple):
    """Tolerances of the splitting, after the rounding of the callable.

    Attributes:
        unit: Size of the callable on [-1, 1].
        rounding: Noise of a value, relative to the largest of the terms that it is made of.
        bend: Part of a panel's bend that may stay undescribed.
        narrow: Width at which a panel that is not described holds a kink.
    """

    unit: float
    rounding: float
    bend: float
    narrow: float


def numeric_formula(function: Callable[[Any], Any], name: str) -> Formula:
    """Function, derivative and kinks of a callable, by Chebyshev panels.

    Panels are halved until their Chebyshev series ends; where that never happens there is a kink.

    Args:
        function: Elementwise, on tensors of the active backend or on numpy arrays.
        name: Used in error messages.

    Raises:
        ValueError: If the callable fails on a one-axis tensor of numbers, is not elementwise, is
            not finite on [-32, 32], or has too many kinks.

    Source: Pachon, Platte and Trefethen, 2010, https://doi.org/10.1093/imanum/drp008
    """
    values = _checked(function, name)
    precision = _precision(function, values, name)
    grid = np.arange(-REACH, REACH + PANEL, PANEL)
    # Kinks lie at round numbers: a shifted grid meets them inside its panels.
    _, found = _split(values, grid + OFFSET, precision, name)
    kinks = tuple(
        _sharpen(values, kink, precision.narrow) for kink in _clusters(found, precision.narrow)
    )
    edges = np.unique([*grid[_away(grid, kinks)], *kinks])
    wider = min(100 * precision.narrow, PANEL / 16)  # a kink is known to a part of `narrow`
    edges, _ = _split(values, edges, precision._replace(narrow=wider), name)
    slopes = _slopes(values, edges)

    def derivative(x: Array) -> Array:
        x = np.asarray(x, dtype=np.float64)
        panel = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        low, high = edges[panel], edges[panel + 1]
        inside = _clenshaw(slopes[panel], np.clip((2 * x - low - high) / (high - low), -1, 1))
        if not np.any(np.abs(x) > REACH):
            return inside
        step = np.maximum(np.abs(x), 1.0) * STEP
        chord = (values(x + step) - values(x - step)) / (2 * step)
        return np.where(np.abs(x) > REACH, chord, inside)

    regular = np.isclose(edges / PANEL, np.round(edges / PANEL), rtol=0, atol=1e-12)
    marks = sorted({*kinks, *edges[~regular].tolist()})
    return Formula(values, derivative, tuple(marks))


def _checked(function: Callable[[Any], Any], name: str) -> ArrayFunction:
    """`function` on float64 arrays, after a look at whether it is elementwise and finite."""

    def values(x: Array) -> Array:
        points = np.asarray(x, dtype=np.float64)
        # A backend compiles once per size, so there are only a few sizes.
        padded = np.zeros(max(SMALLEST, 1 << (points.size - 1).bit_length()))
        padded[: points.size] = points.ravel()
        out = np.asarray(_backend.evaluate(function, padded), dtype=np.float64)
        if out.shape != padded.shape:
            raise ValueError(
                f"{name!r} must keep the shape of its input. "
                f"Received: {padded.shape} -> {out.shape}."
            )
        return out[: points.size].reshape(points.shape)

    points = np.linspace(-REACH, REACH, 64)
    try:
        with np.errstate(all="ignore"):
            whole, part = values(points), values(points[::-3])
    except Exception as error:
        raise ValueError(
            f"{name!r} could not be evaluated on a tensor of shape (64,). Received: {error}. "
            "An activation takes one tensor and returns one of the same shape."
        ) from error
    if not np.all(np.isfinite(whole)):
        first = float(points[~np.isfinite(whole)][0])
        raise ValueError(
            f"{name!r} must be finite on [-{REACH:g}, {REACH:g}]. "
            f"Received: {name}({first:g}) = {whole[~np.isfinite(whole)][0]}."
        )
    if not np.allclose(whole[::-3], part, rtol=1e-3, atol=1e-6):
        raise ValueError(
            f"{name!r} is not elementwise: its value at one input depends on the others, or on "
            "chance. Received different values for the same inputs in another batch."
        )
    return values


def _precision(function: Callable[[Any], Any], values: ArrayFunction, name: str) -> Precision:
    """How exactly the callable computes: backends slip into float32 even for float64 inputs."""
    middles = np.linspace(-8.0, 8.0, 48) + OFFSET / 7
    series = _series(values, middles - 2.0**-13, middles + 2.0**-13)
    unit = float(np.abs(values(_POINTS)).max()) or 1.0
    # On so short a panel a smooth function is a parabola: all else is rounding.
    tails = np.abs(series[:, -TAIL:]).max(axis=1) / np.maximum(np.abs(middles), 1)
    noise = float(np.sort(tails)[-6]) / unit  # a few panels may hold a kink
    if noise > NOISIEST:
        raise ValueError(
            f"{name!r} has too many kinks to be integrated, or is noisy. "
            f"Received: relative noise {noise:.1g}."
        )
    if noise < DOUBLE and _backend.evaluate(function, np.zeros(SMALLEST)).dtype == np.float64:
        return Precision(unit, rounding=64 * EPS_64, bend=1e-10, narrow=1e-9)
    return Precision(unit, rounding=max(16 * noise, 8 * EPS_32), bend=2e-5, narrow=8e-3)


def _split(
    values: ArrayFunction, edges: Array, precision: Precision, name: str
) -> tuple[Array, Array]:
    """Halves panels until each is resolved or narrow; returns the edges and the narrow middles."""
    kept = [edges]
    narrows: list[Array] = []
    low, high = edges[:-1], edges[1:]
    while low.size:
        if low.size > MOST_PANELS:
            raise ValueError(
                f"{name!r} has too many kinks to be integrated. Received: more than "
                f"{MOST_PANELS} pieces on [-{REACH:g}, {REACH:g}]."
            )
        rough = _rough(values, low, high, precision)
        middle = (low + high) / 2
        small = high - low < precision.narrow
        narrows.append(middle[rough & small])
        halve = rough & ~small
        kept.append(middle[halve])
        low, high = (
            np.concatenate([low[halve], middle[halve]]),
            np.concatenate([middle[halve], high[halve]]),
        )
    return np.unique(np.concatenate(kept)), np.sort(np.concatenate(narrows))


def _rough(
    values: ArrayFunction, low: Array, high: Array, precision: Precision
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which panels a polynomial of degree 15 does not describe."""
    series = _series(values, low, high)
    tail = np.abs(series[:, -TAIL:]).max(axis=1)
    size = np.abs(series).max(axis=1)
    bend = np.abs(series[:, 1:]).max(axis=1)
    reach = np.maximum(np.abs(low), np.abs(high))
    # Rounding of the value, of the input (times the slope), and of terms that cancel.
    terms = [size, bend / (high - low) * reach, precision.unit * np.maximum(reach, 1)]
    floor = precision.rounding * np.maximum.reduce(terms)
    return tail > np.maximum(precision.bend * bend, floor)


def _series(values: ArrayFunction, low: Array, high: Array) -> Array:
    """Chebyshev coefficients per panel, shape `(panels, degree + 1)`."""
    x = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * _POINTS
    return values(x) @ _TO_COEFFICIENTS


def _slopes(values: ArrayFunction, edges: Array) -> Array:
    """Chebyshev coefficients of the derivative per panel, shape `(panels, degree)`."""
    series = _series(values, edges[:-1], edges[1:])
    return np.polynomial.chebyshev.chebder(series.T).T * (2 / np.diff(edges))[:, None]


def _clenshaw(series: Array, x: Array) -> Array:
    """Value at `x` of one Chebyshev series per point."""
    ahead, behind = np.zeros_like(x), np.zeros_like(x)
    for column in range(series.shape[-1] - 1, 0, -1):
        ahead, behind = series[..., column] + 2 * x * ahead - behind, ahead
    return np.asarray(series[..., 0] + x * ahead - behind)


def _clusters(found: Array, narrow: float) -> list[float]:
    """One kink per group of neighbouring narrow panels."""
    if not found.size:
        return []
    groups = np.split(found, np.flatnonzero(np.diff(found) > 8 * narrow) + 1)
    return [float(np.mean(group)) for group in groups]


def _sharpen(values: ArrayFunction, kink: float, narrow: float) -> float:
    """Moves a kink to where the curves of its two sides meet, or to a round number nearby."""
    offsets = np.linspace(2 * narrow, max(SIDE, 12 * narrow), 64)
    left = np.polynomial.Polynomial.fit(-offsets, values(kink - offsets), SIDE_DEGREE).convert()
    right = np.polynomial.Polynomial.fit(offsets, values(kink + offsets), SIDE_DEGREE).convert()
    bend = right.deriv()(0.0) - left.deriv()(0.0)
    shift = float((left(0.0) - right(0.0)) / bend) if bend else math.inf
    if abs(shift) < 2 * narrow:
        kink += shift
    near = round(kink * ROUND) / ROUND
    return near if abs(near - kink) < max(4e-3 * narrow, SAME) else kink


def _away(edges: Array, kinks: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which edges are no duplicate of a kink."""
    return np.abs(edges[:, None] - np.array([*kinks, np.inf])).min(axis=1) > SAME
