"""Statistics of many tensors at little cost, for each training step."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._samples import (
    SMALLEST_MEAN_SQUARE,
    Layout,
    Samples,
    arranged,
    by_row,
    layout_for,
    taken,
)
from kerasinit.signals._statistics import STATISTICS, is_empty, tensor_statistics

Read = dict[str, Any]  # what was read of tensors; see `Stack.read`


@dataclass(frozen=True, eq=False)
class Stack:
    """`tensor_statistics` of several tensors in two parts: what reads them, and all the rest.

    The rest may be done in numpy, later, and for several steps at a time.

    Args:
        layout: The entries that are looked at; None for all.
        counts: As `count` of `tensor_statistics`, for each tensor.
    """

    layout: Layout | None
    counts: tuple[int | None, ...]

    @classmethod
    def of(
        cls,
        tensors: Sequence[Tensor | None],
        counts: Sequence[int | None] | None = None,
        *,
        entries: int | None = None,
    ) -> Stack:
        """The stack for tensors of these shapes; the same object for the same shapes.

        With `entries`, tensors of more entries than that are read once, for their norm; the rest
        is estimated from about `entries` of them at even distances, which costs next to nothing:
        mean and shares of zeros, minimum and maximum of those, and at least 1 non-finite entry if
        the norm is not finite (or too large for float32 to square).

        Args:
            tensors: Floating-point tensors of any shape; None has no entries.
            counts: See `Stack`; None for what the tensors hold.
            entries: Entries of a large tensor to look at; None for all. All are looked at too
                if the size of a sparse tensor is unknown while tracing.
        """
        shapes = tuple((0,) if tensor is None else tuple(tensor.shape) for tensor in tensors)
        return _stack(shapes, entries, tuple(counts or [None] * len(shapes)))

    def read(self, tensors: Sequence[Tensor | None], scale: Tensor | None = None) -> Read:
        """What `statistics` needs of the tensors.

        Args:
            tensors: As given to `of`.
            scale: What the tensors are to be divided by; None for 1.
        """
        if self.layout is None:
            rows = []
            for tensor, count in zip(tensors, self.counts, strict=True):
                if not is_empty(tensor) and scale is not None:
                    tensor = ops.cast(tensor, "float32") / scale
                rows.append(tensor_statistics(tensor, count))
            return {"rows": ops.stack(rows)}
        read: Read = {"entries": taken(tensors, self.layout)}
        squares = _squares(tensors, self.layout, read["entries"])
        if squares:
            read["squares"] = squares
        if scale is not None:
            read["scale"] = scale
        return read

    def samples(self, read: Read) -> Samples | None:
        """The entries that were looked at, divided by the scale; None if all were."""
        if self.layout is None:
            return None
        samples = arranged(read["entries"], self.layout)
        if "scale" not in read:
            return samples
        # Here, as a sum of entries that fit may not.
        scale = _scale(read)[..., None]
        return replace(samples, matrices=tuple(matrix / scale for matrix in samples.matrices))

    @np.errstate(all="ignore")  # in numpy infinities are expected
    def statistics(self, read: Read, samples: Samples | None = None) -> Tensor:
        """Statistics of each tensor, `(..., tensors, len(STATISTICS))`.

        Args:
            read: What was read, as tensors or as numpy arrays.
            samples: `samples(read)`, where it is at hand.
        """
        samples = samples or self.samples(read)
        if samples is None:
            return read["rows"]
        sizes, share = samples.layout.sizes, samples.layout.share
        sums = by_row(_sums, samples)
        arrays = _backend.functions_of(sums)
        total, norms, minimum, maximum, zeros, non_finite = (sums[..., k] for k in range(6))
        norms = norms * np.sqrt(share)
        zeros, non_finite = zeros * share, non_finite * share
        if "squares" in read:
            squares = arrays.concatenate(read["squares"], axis=-1)
            squares = arrays.take(squares, samples.layout.in_order, axis=-1)
            exact = arrays.sqrt(squares)
            exact = exact / _scale(read) if "scale" in read else exact
            whole = arrays.isfinite(squares)
            # Where squares underflow, the estimate is better than the sum.
            least = np.array(samples.layout.least_squares, "float32")
            used = arrays.logical_and(whole, squares > least)
            norms = arrays.where(used, exact, norms)
            unseen = arrays.logical_and(arrays.logical_not(whole), samples.layout.is_partial)
            non_finite = arrays.where(unseen, arrays.maximum(non_finite, 1.0), non_finite)
        if any(count is not None for count in self.counts):
            partial = np.array([count is not None for count in self.counts])
            minimum = arrays.where(partial, arrays.minimum(minimum, 0.0), minimum)
            maximum = arrays.where(partial, arrays.maximum(maximum, 0.0), maximum)
            whole_sizes = np.array([c or n for c, n in zip(self.counts, sizes, strict=True)])
            zeros, sizes = zeros + _float32(whole_sizes - sizes), whole_sizes
        columns = {
            "count": arrays.zeros_like(norms) + _float32(sizes),
            "total": total * share,
            "norm": norms,
            "minimum": minimum,
            "maximum": maximum,
            "zeros": zeros,
            "non_finite": non_finite,
        }
        return arrays.stack([columns[name] for name in STATISTICS], axis=-1)

    def exact_squares(self, read: Read) -> list[float] | None:
        """Sum of squares of each tensor, where all were read and none needs a closer look.

        Args:
            read: What was read of one step, as numpy arrays; the entries are not needed.
        """
        if self.layout is None or "squares" not in read:
            return None
        by_group: list[float] = [square for part in read["squares"] for square in part.tolist()]
        squares = [by_group[row] for row in self.layout.in_order.tolist()]
        if not all(map(operator.lt, self.layout.least_squares, squares)):
            return None
        if max(squares) == math.inf:
            return None
        if "scale" not in read:
            return squares
        scale = float(read["scale"])
        return [square / scale**2 for square in squares]


@lru_cache(maxsize=16)  # torch asks at each step
def _stack(shapes: tuple[Any, ...], entries: int | None, counts: tuple[int | None, ...]) -> Stack:
    known = not any(None in shape for shape in shapes) and any(map(math.prod, shapes))
    return Stack(layout_for(shapes, entries) if entries is not None and known else None, counts)


def _squares(
    tensors: Sequence[Tensor | None], layout: Layout, entries: Sequence[Any]
) -> list[Tensor]:
    """Sum of squares of each tensor, `(tensors,)` for each group; empty if none is needed."""
    compiled = _backend.compiles_steps()
    if compiled and not layout.is_partial.any():
        return []
    squares = []
    for group, lengths, own in zip(layout.groups, layout.lengths, entries, strict=True):
        if layout.is_partial[group[0]]:
            squares.append(_backend.sums_of_squares([tensors[index] for index in group]))
        elif compiled:  # they follow from the entries
            squares.append(ops.zeros((len(group),)))
        else:  # all the same, but not later: for the logs of the step
            squares.append(_backend.sums_of_squared_parts(own, lengths))
    return squares


def _scale(read: Read) -> Tensor:
    """The scale of each step, with an axis for the tensors."""
    return read["scale"][..., None]


def _sums(matrix: Tensor, held: np.ndarray) -> Tensor:
    """Sum, norm, minimum, maximum, zeros and non-finite entries of each row, `(..., rows, 6)`.

    Args:
        matrix: Entries in rows, padded with 0.
        held: Entries of each row that are no padding.
    """
    if isinstance(matrix, np.ndarray):
        found = _sums_of_ordinary_rows(matrix, held)
        if found is not None:
            return found
    arrays = _backend.functions_of(matrix)
    is_entry = np.arange(matrix.shape[-1]) < held[:, None]
    finite = arrays.logical_and(arrays.isfinite(matrix), is_entry)
    clean = arrays.where(finite, matrix, 0.0)
    minimum = arrays.min(arrays.where(finite, matrix, math.inf), axis=-1)
    maximum = arrays.max(arrays.where(finite, matrix, -math.inf), axis=-1)
    largest = arrays.maximum(maximum, -minimum)
    unit = arrays.where(largest > 0, largest, 1.0)
    entries = arrays.where(arrays.not_equal(matrix, 0.0), 1.0, 0.0)
    columns = (
        arrays.sum(clean, axis=-1),
        unit * arrays.sqrt(arrays.sum(arrays.square(clean / unit[..., None]), axis=-1)),
        minimum,
        maximum,
        _float32(held) - arrays.sum(entries, axis=-1),
        _float32(held) - arrays.sum(arrays.where(finite, 1.0, 0.0), axis=-1),
    )
    return arrays.stack(columns, axis=-1)


def _sums_of_ordinary_rows(matrix: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """`_sums` with a tenth of the passes; None if an entry or its square leaves float32."""
    rows = matrix.reshape(-1, matrix.shape[-1])
    held = np.tile(held, len(rows) // len(held))
    squares = np.einsum("ij,ij->i", rows, rows)
    total = rows.sum(axis=1)
    # Each row's entries, then its padding, which every second result belongs to.
    starts = np.arange(len(rows)) * rows.shape[1]
    bounds = np.stack([starts, starts + held.astype("int64")], axis=1).ravel()
    bounds = bounds[:-1] if bounds[-1] == rows.size else bounds
    minimum = np.minimum.reduceat(rows.ravel(), bounds)[::2]
    maximum = np.maximum.reduceat(rows.ravel(), bounds)[::2]
    is_zero = (minimum == 0) & (maximum == 0)
    fits = np.isfinite(squares) & ((squares > SMALLEST_MEAN_SQUARE * held) | is_zero) & (held > 0)
    if not fits.all():
        return None
    is_entry = rows != 0
    zeros = np.zeros(len(rows))
    if np.count_nonzero(is_entry) < held.sum():  # to know that costs less than to count by row
        zeros = held - is_entry.sum(axis=1, dtype="int32")
    columns = (total, np.sqrt(squares), minimum, maximum, zeros, np.zeros(len(rows)))
    return _float32(np.stack(columns, axis=1)).reshape(*matrix.shape[:-1], len(columns))


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")
