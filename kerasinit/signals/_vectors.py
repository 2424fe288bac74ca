"""Entries of several tensors in numpy, which is how they are worked out outside of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kerasinit.signals._histograms import histograms
from kerasinit.signals._layout import SMALLEST_MEAN_SQUARE, Layout


@dataclass(frozen=True)
class Vectors:
    """Sampled entries of several tensors, one tensor after another, of one step or of several.

    Args:
        entries: As they lie in the groups of the layout, `(..., entries)`, float32.
        layout: Which entries these are.
    """

    entries: np.ndarray
    layout: Layout

    def __sub__(self, other: Vectors) -> Vectors:
        return Vectors(self.entries - other.entries, self.layout)

    def __truediv__(self, scale: np.ndarray) -> Vectors:
        return Vectors(self.entries / scale, self.layout)

    def norms(self) -> np.ndarray:
        """See `Samples`."""
        return self._in_order(np.sqrt(self._by_tensor(np.add, np.square(self.entries))))

    def sums(self) -> np.ndarray:
        """See `Samples`."""
        entries = finite_entries = self.entries
        squares = self._by_tensor(np.add, np.square(entries))
        minimum = self._by_tensor(np.minimum, entries)
        maximum = self._by_tensor(np.maximum, entries)
        non_finite = np.zeros(squares.shape)
        only_zeros = (minimum == 0) & (maximum == 0)
        least = SMALLEST_MEAN_SQUARE * self.layout.held[self.layout.present]
        if not (only_zeros | ((squares > least) & (squares < math.inf))).all():
            finite = np.isfinite(entries)
            finite_entries = np.where(finite, entries, 0.0)
            squares = self._by_tensor(np.add, np.square(finite_entries, dtype="float64"))
            minimum = self._by_tensor(np.minimum, np.where(finite, entries, math.inf))
            maximum = self._by_tensor(np.maximum, np.where(finite, entries, -math.inf))
            non_finite = self._by_tensor(np.add, ~finite)
        zeros = np.zeros(squares.shape)
        is_zero = entries == 0
        if is_zero.any():  # to know that costs less than to count by tensor
            zeros = self._by_tensor(np.add, is_zero)
        total = self._by_tensor(np.add, finite_entries)
        columns = (total, np.sqrt(squares), minimum, maximum, zeros, non_finite)
        return self._in_order(*columns, nothing=(0.0, 0.0, math.inf, -math.inf, 0.0, 0.0))

    def for_histogram(self, entries: int) -> dict[str, np.ndarray]:
        """See `Samples`."""
        places, rows = _some_of_each(self.layout, entries)
        values = self.entries.take(places, axis=-1)
        return {"histogram": histograms(values, rows, len(self.layout.sizes))}

    def _by_tensor(self, function: np.ufunc, values: np.ndarray) -> np.ndarray:
        """`function` over the values of each tensor that has entries."""
        if values.dtype == bool:
            return function.reduceat(values, self.layout.starts, axis=-1, dtype="int32")
        return function.reduceat(values, self.layout.starts, axis=-1)

    def _in_order(self, *columns: np.ndarray, nothing: tuple[float, ...] = (0.0,)) -> np.ndarray:
        """`(..., tensors, columns)`, float32; `nothing` for tensors without entries."""
        shape = (*columns[0].shape[:-1], len(self.layout.sizes), len(columns))
        rows = np.empty(shape, "float32")
        rows[:] = nothing
        rows[..., self.layout.present, :] = np.stack(columns, axis=-1)
        return rows


@lru_cache(maxsize=16)
def _some_of_each(layout: Layout, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of about `entries` of the entries of each tensor, and the tensor of each place."""
    lengths = layout.held[layout.present].astype("int64").tolist()
    places = [
        np.arange(start, start + length, max(length // entries, 1))
        for start, length in zip(layout.starts.tolist(), lengths, strict=True)
    ]
    if not places:
        return np.zeros(0, "int64"), np.zeros(0, "int64")
    return np.concatenate(places), np.repeat(layout.present, [len(part) for part in places])
