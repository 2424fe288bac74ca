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
    magnitudes = np.abs(np.asarray(values, "float64")).ravel()
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    _, exponents = np.frexp(magnitudes)  # magnitude = m * 2**exponent with 0.5 <= m < 1
    bins = (exponents - 1 - HISTOGRAM_LOWEST) // HISTOGRAM_OCTAVES
    counts = np.bincount(np.clip(bins, 0, HISTOGRAM_BINS - 1), minlength=HISTOGRAM_BINS)
    return tuple(int(count) for count in counts)


def histograms(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Bin counts of the values of each row, `(..., count, bins)`, in one call.

    Equals `magnitude_histogram` of each row, but for numbers below 2**-126, which are in no bin.

    Args:
        values: Values of all rows, `(..., values)`, float32.
        rows: Number of the row of each value, below `count`.
        count: Number of rows.
    """
    flat = np.ascontiguousarray(values, "float32").reshape(-1, values.shape[-1])
    # The power of two of a float32 stands in its bits; of all else (0, NaN, too small) in no bin.
    bins = _BIN_OF_POWER.take(flat.view("uint32") >> 23, mode="clip")  # which does not check
    bins += (HISTOGRAM_BINS + 1) * rows
    cells = count * (HISTOGRAM_BINS + 1)
    counts = np.array([np.bincount(each, minlength=cells) for each in bins], "uint16")
    counts = counts.reshape(*values.shape[:-1], count, HISTOGRAM_BINS + 1)
    return counts[..., :HISTOGRAM_BINS]


def row_histograms(rows: np.ndarray) -> np.ndarray:
    """`histograms` of each of the last axis, `(..., rows, width)` to `(..., rows, bins)`."""
    count, width = rows.shape[-2:]
    flat = rows.reshape(*rows.shape[:-2], count * width)
    return histograms(flat, np.repeat(np.arange(count), width), count)


def _bins_of_powers() -> np.ndarray:
    """Bin for each sign and biased exponent of a float32; the bin after the last for none."""
    bins = (np.arange(256) - 127 - HISTOGRAM_LOWEST) // HISTOGRAM_OCTAVES
    bins = np.clip(bins, 0, HISTOGRAM_BINS - 1)
    bins[[0, 255]] = HISTOGRAM_BINS  # zero; infinite or NaN
    return np.tile(bins, 2)


_BIN_OF_POWER = _bins_of_powers()
