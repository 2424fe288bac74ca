"""How many entries are of which magnitude: one way to count, for bins of whole octaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class MagnitudeBins:
    """Bins of log2(abs(value)); the first and the last also hold what lies beyond them.

    Args:
        lowest: log2 of the lowest edge.
        octaves: Width of a bin, in powers of two.
        count: Number of bins.

    >>> MagnitudeBins(-1, 1, 3).edges
    (0.5, 1.0, 2.0, 4.0)
    """

    lowest: int
    octaves: int
    count: int

    @property
    def edges(self) -> tuple[float, ...]:
        """Edges of the bins, one more than there are bins."""
        return tuple(2.0 ** (self.lowest + self.octaves * k) for k in range(self.count + 1))


WIDE_BINS = MagnitudeBins(-48, 2, 32)  # from 2**-48 = 3.6e-15 to 2**16
HISTOGRAM_EDGES = WIDE_BINS.edges
"""Edges of the bins of `GradientStats`; the first and the last also hold what lies beyond them."""


def row_histograms(rows: np.ndarray, bins: MagnitudeBins = WIDE_BINS) -> np.ndarray:
    """`histograms` of each of the last axis, `(..., rows, width)` to `(..., rows, bins)`."""
    count, width = rows.shape[-2:]
    flat = rows.reshape(*rows.shape[:-2], count * width)
    return histograms(flat, np.repeat(np.arange(count), width), count, bins)


def histograms(
    values: np.ndarray, rows: np.ndarray, count: int, bins: MagnitudeBins = WIDE_BINS
) -> np.ndarray:
    """Bin counts of the values of each row, `(..., count, bins)`, in one call.

    Args:
        values: Values of all rows, `(..., values)`; they are read as float32.
        rows: Number of the row of each value, below `count`.
        count: Number of rows.
        bins: What is counted together.
    """
    *lead, width = values.shape
    with np.errstate(over="ignore"):  # of float64: too large for a bin
        flat = np.ascontiguousarray(values, "float32").reshape(math.prod(lead), width)
    bits = flat.view("uint32") & 0x7FFFFFFF  # without the sign; from bit 23 on, the power of two
    powers = np.maximum(bits >> 23, bits != 0)  # what is below 2**-126 counts as that
    found = _bin_of_power(bins).take(powers, mode="clip")  # which does not check
    found += (bins.count + 1) * rows
    cells = count * (bins.count + 1)
    smallest = np.min_scalar_type(width)
    counts = np.array([np.bincount(each, minlength=cells) for each in found], smallest)
    return counts.reshape(*lead, count, bins.count + 1)[..., : bins.count]


@cache
def _bin_of_power(bins: MagnitudeBins) -> np.ndarray:
    """Bin for each biased power of two of a float32; the bin after the last for none."""
    found = (np.arange(256) - 127 - bins.lowest) // bins.octaves
    found = np.clip(found, 0, bins.count - 1)
    found[[0, 255]] = bins.count  # zero; infinite or NaN
    return found
