"""How many entries are of which magnitude."""

from __future__ import annotations

import numpy as np

HISTOGRAM_BINS = 32
HISTOGRAM_OCTAVES = 2  # width of one bin of log2(abs(value))
HISTOGRAM_LOWEST = -48  # log2 of the lowest edge: 2**-48 = 3.6e-15; the highest is 2**16
HISTOGRAM_EDGES: tuple[float, ...] = tuple(
    2.0 ** (HISTOGRAM_LOWEST + HISTOGRAM_OCTAVES * k) for k in range(HISTOGRAM_BINS + 1)
)
"""Edges of `magnitude_histogram`; the first and last bin also hold what lies beyond them."""


def magnitude_histogram(values: np.ndarray) -> tuple[int, ...]:
    """Number of entries in each of 32 bins of log2(abs(value)), each two octaves wide.

    Zeros, NaN and infinities are in no bin. Histograms add bin by bin.

    >>> histogram = magnitude_histogram(np.array([1.0, 3.0, -5.0, 0.0]))
    >>> [(HISTOGRAM_EDGES[k], n) for k, n in enumerate(histogram) if n]
    [(1.0, 2), (4.0, 1)]
    """
    flat = np.asarray(values, "float64").ravel()
    return tuple(part_histograms(flat, np.zeros(flat.shape, "int64"), 1)[0].tolist())


def part_histograms(values: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    """`magnitude_histogram` of each part of one vector, `(count, bins)`.

    Args:
        values: Values of all parts, `(values,)`.
        parts: Number of the part of each value, below `count`.
        count: Number of parts.
    """
    magnitudes = np.abs(values)
    _, exponents = np.frexp(magnitudes)  # magnitude = m * 2**exponent with 0.5 <= m < 1
    bins = (exponents - 1 - HISTOGRAM_LOWEST) // HISTOGRAM_OCTAVES
    cells = parts * HISTOGRAM_BINS + np.clip(bins, 0, HISTOGRAM_BINS - 1)
    counted = (magnitudes > 0) & (magnitudes < np.inf)
    counts = np.bincount(cells[counted], minlength=count * HISTOGRAM_BINS)
    return counts.reshape(count, HISTOGRAM_BINS)
