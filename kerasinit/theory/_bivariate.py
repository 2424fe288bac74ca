"""Expectations over two correlated normal inputs, split where either input meets a kink."""

from __future__ import annotations

import math

import numpy as np

from kerasinit.theory._quadrature import gaussian_rule, weighted_nodes
from kerasinit.theory._special import Array, ArrayFunction

ORDER = 12  # Gauss-Legendre nodes per panel
REACH = 8.5  # standard deviations: 2e-17 of the mass lies outside
GROWTH = 6.0  # standard deviations more for functions that grow
ON_A_LINE = 1e-9  # sqrt(1 - correlation^2) below this: both inputs are multiples of one
# Inputs, beside the kinks, around which activations bend.
BENDS = (-6.0, -3.0, -1.5, 0.0, 1.5, 3.0, 6.0)
# Distances from a kink, in widths of the smoothing that the other input does.
HALO = (-6.0, -3.0, -1.5, 0.0, 1.5, 3.0, 6.0)


def pair_expectation(
    function: ArrayFunction,
    *,
    length: float,
    correlation: float,
    other_length: float | None = None,
    kinks: tuple[float, ...] = (),
) -> float:
    """Mean of `function(u) * function(v)` over correlated normal `u`, `v` of mean 0.

    Args:
        function: Takes and returns float64 arrays of any shape.
        length: Variance of `u`.
        correlation: Correlation of `u` and `v`, in [-1, 1].
        other_length: Variance of `v`; that of `u` if None.
        kinks: Inputs at which `function` is not smooth.

    Returns:
        The mean, in squared units of the function, to about 1e-10 relative.

    Raises:
        ValueError: If the correlation is outside [-1, 1].

    >>> value = pair_expectation(lambda u: u, length=4.0, correlation=0.5)
    >>> round(value, 10)
    2.0
    """
    if not -1 <= correlation <= 1:
        raise ValueError(f"`correlation` must lie in [-1, 1]. Received: {correlation!r}.")
    first = math.sqrt(length)
    second = first if other_length is None else math.sqrt(other_length)
    rest = math.sqrt((1 - correlation) * (1 + correlation))
    if rest < ON_A_LINE or first == 0 or second == 0:
        return _line(function, first, math.copysign(second, correlation), kinks)
    marks = np.unique([*BENDS, *kinks])
    edges = _outer_edges(first, second, correlation, rest, marks, kinks)
    outer, weights = weighted_nodes(edges, ORDER)
    shift = correlation * outer / rest
    edges = _inner_edges(marks / (second * rest), shift, second)
    inner, inner_weights = weighted_nodes(edges, ORDER)
    values = function(second * (correlation * outer[:, None] + rest * inner))
    smoothed = np.sum(inner_weights * values, axis=1)
    return float(np.dot(weights, function(first * outer) * smoothed))


def _line(function: ArrayFunction, first: float, second: float, kinks: tuple[float, ...]) -> float:
    """The mean where both inputs are multiples of one normal variable."""
    marks = [kink / std for kink in kinks for std in (first, second) if std]
    rule = gaussian_rule(1.0, tuple(sorted(set(marks))))
    return float(
        np.dot(rule.weights, function(first * rule.normal) * function(second * rule.normal))
    )


def _outer_edges(
    first: float,
    second: float,
    correlation: float,
    rest: float,
    marks: Array,
    kinks: tuple[float, ...],
) -> Array:
    reach = REACH + min(2 * first, GROWTH)
    edges = [np.arange(-reach, reach + 0.5), marks / first]
    if correlation and rest < abs(correlation):
        halo = np.array(HALO) * rest / abs(correlation)
        edges += [kink / (second * correlation) + halo for kink in (0.0, *kinks)]
    joined = np.concatenate(edges)
    return np.unique(joined[np.abs(joined) <= reach])


def _inner_edges(marks: Array, shift: Array, std: float) -> Array:
    """Sorted edges per row, shape `(rows, edges)`: a fixed grid and the moving kinks."""
    reach = REACH + min(2 * std, GROWTH)
    grid = np.arange(-reach, reach + 0.5)
    moving = np.clip(marks - shift[:, None], -reach, reach)
    fixed = np.broadcast_to(grid, (shift.size, grid.size))
    return np.sort(np.concatenate([fixed, moving], axis=1), axis=1)
