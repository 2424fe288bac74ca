"""What is read of one update of an optimizer: one flat vector, and what it holds.

In the step, `vector_before` and `vector_after` pack evenly spaced entries of the gradients and of
the weights before and after the update. Outside of it, `unpacked` turns the vector, by then
numpy's, into statistics. The vector:

    scale                             1     what the gradients are to be divided by
    gradients                         group
    gradients after clipping          group, if `clipped`
    weights before, weights after     group, group

A group is written by `_group` and taken out again by `_next_group`:

    held        variables             entries that follow, of each variable
    sizes       variables             entries that each tensor has
    squares     as many as needed     sums of squares of gradients that are not read whole
    entries     sum(held)             one variable after another
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor
from kerasinit.callbacks._statistics import (
    COUNT,
    MAXIMUM,
    MINIMUM,
    NON_FINITE,
    NORM,
    STATISTICS,
    TOTAL,
    ZEROS,
    part_norms,
    part_statistics,
)
from kerasinit.signals._histograms import histograms

# Entries of a variable that are looked at, if it has three times as many; all are read for the
# gradient's norm.
ENTRIES = 2048  # for the other statistics of its gradient
UPDATE_ENTRIES = 1024  # for its update ratio and its weight norm, which is then 2 % off
HISTOGRAM_ENTRIES = 256  # whose magnitudes are counted

COLUMNS: tuple[str, ...] = (*STATISTICS, "weight_norm", "update_norm")
"""Statistics of a gradient, then the norms of the weights and of their change."""

SMALLEST_MEAN_SQUARE = 1e-34  # below it, squares of float32 numbers begin to underflow


@dataclass(frozen=True)
class Contents:
    """What the vector of an update holds; known once the step is traced.

    Args:
        paths: Path of each trainable variable of one optimizer.
        shapes: Their shapes.
        connected: Whether each has a gradient.
        sparse: Whether that gradient leaves out entries that are 0.
        clipped: Whether the gradients are read after clipping, too.
        exact: Whether all entries are read.
    """

    paths: tuple[str, ...]
    shapes: tuple[Shape, ...]
    connected: tuple[bool, ...]
    sparse: tuple[bool, ...]
    clipped: bool
    exact: bool

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """Number of entries of each variable."""
        return np.array([math.prod(shape) for shape in self.shapes])


# --- in the step ----------------------------------------------------------------------------------


def vector_before(
    optimizer: Any, entering: _backend.Entering, *, clipped: bool, exact: bool
) -> tuple[Contents, Tensor]:
    """Contents of the vector of an update, and its beginning, read before that."""
    variables, gradients, values, scale = entering
    shapes = tuple(tuple(value.shape) for value in values)
    dense, sparse = _dense(gradients, shapes)
    connected = tuple(gradient is not None for gradient in gradients)
    paths = tuple(variable.path for variable in variables)
    contents = Contents(paths, shapes, connected, sparse, clipped, exact)
    entries = None if exact else ENTRIES
    parts: list[Any] = [scale if ops.is_tensor(scale) else [scale or 1.0]]
    parts += _group(dense, entries, sparse)
    if clipped:
        unscaled = gradients
        if scale is not None:
            unscaled = [g if g is None else g / ops.cast(scale, g.dtype) for g in gradients]
        used, _ = _dense(_backend.clipped_gradients(optimizer, [*unscaled]), shapes)
        parts += _group(used, entries, sparse)
    # Packed now: an update may write into the weights themselves.
    return contents, _backend.packed([*parts, *_weights(contents, values)])


def vector_after(
    contents: Contents, before: Tensor, values: Sequence[Tensor]
) -> tuple[Contents, Tensor]:
    """The whole vector of an update, with its contents."""
    return contents, _backend.packed([before, *_weights(contents, values)])


def _weights(contents: Contents, values: Sequence[Tensor]) -> list[Any]:
    return _group(values, None if contents.exact else UPDATE_ENTRIES)


def _dense(
    gradients: Sequence[Tensor | None], shapes: Sequence[Shape]
) -> tuple[list[Tensor | None], tuple[bool, ...]]:
    pairs = [
        (None, False) if gradient is None else _backend.dense_gradient(gradient, shape)
        for gradient, shape in zip(gradients, shapes, strict=True)
    ]
    return [tensor for tensor, _ in pairs], tuple(sparse for _, sparse in pairs)


def _group(
    tensors: Sequence[Tensor | None], entries: int | None, sparse: Sequence[bool] | None = None
) -> list[Any]:
    """Numbers of entries held and there, and the entries.

    Of gradients, which say whether they are `sparse`, also sums of squares of those not read whole.
    """
    nothing = (None, 0, 0)
    samples = [nothing if one is None else _backend.sampled(one, entries) for one in tensors]
    read, held, sizes = zip(*samples, strict=True)
    sums = []
    if sparse is not None:
        for tensor, own, size, is_sparse in zip(tensors, held, sizes, sparse, strict=True):
            if tensor is not None and (is_sparse or own < size):
                sums.append(_backend.sum_of_squares(tensor))
    return [[*held, *sizes], *sums, *(part for part in read if part is not None)]


# --- outside of it --------------------------------------------------------------------------------


def unpacked(contents: Contents, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """The statistics behind the vector of one update, and what follows it.

    Args:
        contents: What the vector holds.
        vector: The vector; behind it, that of the next optimizer.

    Returns:
        A row for each variable, `(variables, len(COLUMNS))`, float64; counts by magnitude of
        entries of each gradient, `(variables, bins)`; statistics of the gradients after
        clipping, `(variables, len(STATISTICS))`, without rows where they were not read. And
        the rest of the vector.
    """
    scale, rest = float(vector[0]), vector[1:]
    gradients, rest = _next_group(contents, rest, contents.sparse)
    clipped = np.zeros((0, len(STATISTICS)))
    if contents.clipped:
        samples, rest = _next_group(contents, rest, contents.sparse)
        clipped = _statistics(contents, samples, 1.0)
    before, rest = _next_group(contents, rest)
    after, rest = _next_group(contents, rest)
    with np.errstate(all="ignore"):
        changes = after.entries - before.entries
    norms = [part_norms(entries, before.held) for entries in (before.entries, changes)]
    rows = _statistics(contents, gradients, scale)
    rows = np.column_stack([rows, *(norm * np.sqrt(before.share) for norm in norms)])
    return (rows, gradients.histogram(scale), clipped), rest


def _next_group(
    contents: Contents, vector: np.ndarray, sparse: Sequence[bool] | None = None
) -> tuple[_Samples, np.ndarray]:
    """What `_group` put at the beginning of the vector, and the rest."""
    count = len(contents.shapes)
    # Above 2 ** 24, float32 holds no odd number; that of all entries is known.
    counted, whole = vector[: 2 * count].reshape(2, count), contents.sizes
    held, sizes = np.where(counted == whole.astype("float32"), whole, counted).astype("int64")
    rest, squares = vector[2 * count :], np.full(count, -1.0)
    if sparse is not None:
        summed = (held < sizes) | np.array(sparse)
        sums = int(summed.sum())
        squares[summed], rest = rest[:sums], rest[sums:]
    end = int(held.sum())
    return _Samples(held, sizes.astype("float64"), squares, rest[:end]), rest[end:]


@np.errstate(all="ignore")
def _statistics(contents: Contents, samples: _Samples, scale: float) -> np.ndarray:
    """Statistics of whole gradients, estimated where they were not read whole."""
    rows = part_statistics(samples.entries, samples.held)
    rows[:, [TOTAL, NORM, MINIMUM, MAXIMUM]] /= scale
    share = samples.share
    rows[:, [TOTAL, ZEROS, NON_FINITE]] *= share[:, None]
    rows[:, NORM] *= np.sqrt(share)
    squares, whole = samples.squares, np.isfinite(samples.squares)
    # Where squares underflow or overflow, the estimate is better than the sum.
    known = whole & (squares > SMALLEST_MEAN_SQUARE * samples.sizes)
    rows[known, NORM] = np.sqrt(squares[known]) / scale
    rows[~whole, NON_FINITE] = np.maximum(rows[~whole, NON_FINITE], 1.0)
    rows[:, COUNT] = np.where(contents.connected, contents.sizes, 0)
    if any(contents.sparse):
        sparse = np.array(contents.sparse)
        rows[sparse, ZEROS] += rows[sparse, COUNT] - samples.sizes[sparse]
        rows[sparse, MINIMUM] = np.minimum(rows[sparse, MINIMUM], 0.0)
        rows[sparse, MAXIMUM] = np.maximum(rows[sparse, MAXIMUM], 0.0)
    return rows


class _Samples(NamedTuple):
    """Entries of several tensors.

    Args:
        held: Number of entries of each.
        sizes: Number of entries that each tensor has.
        squares: Sum of squares of each gradient; -1 of those whose entries are all there.
        entries: The entries, one tensor after another.
    """

    held: np.ndarray
    sizes: np.ndarray
    squares: np.ndarray
    entries: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """How many entries of its tensor each entry stands for."""
        return np.where(self.held > 0, self.sizes / np.maximum(self.held, 1), 1.0)

    def histogram(self, scale: float) -> np.ndarray:
        """Counts by magnitude of about `HISTOGRAM_ENTRIES` of each tensor."""
        places, rows = _some_of_each(tuple(self.held.tolist()))
        return histograms(self.entries[places] / np.float32(scale), rows, len(self.held))


@functools.lru_cache(maxsize=16)
def _some_of_each(held: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Places of some of the entries of each tensor, and the tensor of each place."""
    ends = np.cumsum(held).tolist()
    places = [
        np.arange(end - length, end, max(length // HISTOGRAM_ENTRIES, 1))
        for end, length in zip(ends, held, strict=True)
    ]
    rows = np.repeat(np.arange(len(held)), [len(part) for part in places])
    return np.concatenate(places), rows
