"""Roots of a function of one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def find_root(
    function: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-13
) -> float:
    """The root of `function` between `low` and `high`, where it has opposite signs.

    Args:
        function: Continuous.
        low: One end of the bracket.
        high: The other end.
        tolerance: Width of the last bracket, relative to its ends.

    Raises:
        ValueError: If the signs at the two ends agree.

    Source: Chandrupatla, 1997, https://doi.org/10.1016/S0965-9978(96)00051-8

    >>> round(find_root(lambda x: x * x - 2, 0, 2), 12)
    1.414213562373
    """
    a, b = high, low
    f_a, f_b = function(a), function(b)
    if f_a == 0:
        return a
    if f_a * f_b > 0:
        raise ValueError(
            "The signs at the two ends must differ. "
            f"Received: f({low!r}) = {f_b!r} and f({high!r}) = {f_a!r}."
        )
    c, f_c, step = a, f_a, 0.5
    for _ in range(200):
        x = a + step * (b - a)
        f_x = function(x)
        if (f_x > 0) == (f_a > 0):
            c, f_c = a, f_a
        else:
            c, b = b, a
            f_c, f_b = f_b, f_a
        a, f_a = x, f_x
        best, f_best = (a, f_a) if abs(f_a) < abs(f_b) else (b, f_b)
        edge = tolerance * max(abs(best), 1e-300) / abs(b - a) if b != a else 1.0
        if f_best == 0 or edge > 0.5:
            return best
        xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
        if phi**2 < xi and (1 - phi) ** 2 < 1 - xi:  # inverse quadratic interpolation is safe
            step = f_a / (f_b - f_a) * f_c / (f_b - f_c)
            step += (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_c - f_b)
        else:
            step = 0.5
        step = min(1 - edge, max(edge, step))
    return best


def find_roots(function: Callable[[float], float], grid: Sequence[float]) -> list[float]:
    """Every root at which `function` changes its sign between two points of a sorted grid.

    A run of zeros, as a function has that is 0 but for rounding, is no root; a single grid point
    with value 0 is one.

    Args:
        function: Continuous where it is finite; pairs with an infinite value are passed over.
        grid: Sorted points.

    >>> [round(root, 9) for root in find_roots(lambda x: x**3 - x, [-2, -0.7, 0.5, 3])]
    [-1.0, 0.0, 1.0]
    """
    values = [function(point) for point in grid]
    roots = []
    for at in range(len(grid) - 1):
        here, after = values[at], values[at + 1]
        if here * after < 0 and math.isfinite(here) and math.isfinite(after):
            roots.append(find_root(function, grid[at], grid[at + 1]))
        elif here == 0 and at > 0 and values[at - 1] * after != 0:
            roots.append(grid[at])
    return roots
