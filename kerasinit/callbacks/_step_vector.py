"""What is read of one training step: one flat vector, which says how it is divided.

In the step, `StepVector.begin` packs evenly spaced entries of the gradients and of the weights
before and after the update. Outside of it, `StepVector.unpacked` turns the vector, by then numpy's,
into statistics.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
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
class StepVector:
    """What the vector of a step is about; known once the step is traced.

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

    @classmethod
    def begin(
        cls,
        optimizer: Any,
        variables: Sequence[Any],
        gradients: Sequence[Tensor | None],
        values: Sequence[Tensor],
        scale: Tensor | float | None,
        *,
        clipped: bool,
        exact: bool,
    ) -> tuple[StepVector, Callable[[Sequence[Tensor]], Tensor]]:
        """Reads gradients and weights before an update.

        Args:
            optimizer: What they enter.
            variables: Its trainable Keras variables.
            gradients: Their gradients, None where there is none, times `scale`.
            values: Their values before the update.
            scale: What the gradients are to be divided by; None for 1.
            clipped: See `StepVector`.
            exact: See `StepVector`.

        Returns:
            What the vector is about, and a function that takes the values after the update and
            returns the vector.
        """
        shapes = tuple(tuple(value.shape) for value in values)
        dense, sparse = _dense(gradients, shapes)
        entries, of_weights = (None, None) if exact else (ENTRIES, UPDATE_ENTRIES)
        parts: list[Any] = [scale if ops.is_tensor(scale) else [scale or 1.0]]
        parts += _read(dense, entries, sparse)
        if clipped:
            unscaled = gradients
            if scale is not None:
                unscaled = [g if g is None else g / ops.cast(scale, g.dtype) for g in gradients]
            used, _ = _dense(_backend.clipped_gradients(optimizer, [*unscaled]), shapes)
            parts += _read(used, entries, sparse)
        # Packed now: an update may write into the weights themselves.
        before = _backend.packed([*parts, *_read(values, of_weights)])
        paths = tuple(variable.path for variable in variables)
        connected = tuple(gradient is not None for gradient in gradients)
        about = cls(paths, shapes, connected, sparse, clipped, exact)
        return about, lambda after: _backend.packed([before, *_read(after, of_weights)])

    def unpacked(self, vector: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The statistics behind the vector of one step, and what follows it.

        Args:
            vector: What `begin` led to, in numpy; behind it, that of the next optimizer.

        Returns:
            A row for each variable, `(variables, len(COLUMNS))`, float64; counts by magnitude of
            entries of each gradient, `(variables, bins)`; statistics of the gradients after
            clipping, `(variables, len(STATISTICS))`, without rows where they were not read. And
            the rest of the vector.
        """
        scale, rest = float(vector[0]), vector[1:]
        gradients, rest = self._samples(rest, self.sparse)
        clipped = np.zeros((0, len(STATISTICS)))
        if self.clipped:
            samples, rest = self._samples(rest, self.sparse)
            clipped = self._statistics(samples, 1.0)
        before, rest = self._samples(rest)
        after, rest = self._samples(rest)
        with np.errstate(all="ignore"):
            changes = after.entries - before.entries
        norms = [part_norms(entries, before.held) for entries in (before.entries, changes)]
        rows = self._statistics(gradients, scale)
        rows = np.column_stack([rows, *(norm * np.sqrt(before.share) for norm in norms)])
        return (rows, gradients.histogram(scale), clipped), rest

    def _samples(
        self, vector: np.ndarray, sparse: Sequence[bool] | None = None
    ) -> tuple[_Samples, np.ndarray]:
        """What `_read` put at the beginning of the vector, and the rest."""
        count = len(self.shapes)
        # Above 2 ** 24, float32 holds no odd number; that of all entries is known.
        counted, whole = vector[: 2 * count].reshape(2, count), self._sizes
        held, sizes = np.where(counted == whole.astype("float32"), whole, counted).astype("int64")
        rest, squares = vector[2 * count :], np.full(count, -1.0)
        if sparse is not None:
            summed = (held < sizes) | np.array(sparse)
            sums = int(summed.sum())
            squares[summed], rest = rest[:sums], rest[sums:]
        end = int(held.sum())
        return _Samples(held, sizes.astype("float64"), squares, rest[:end]), rest[end:]

    @np.errstate(all="ignore")
    def _statistics(self, samples: _Samples, scale: float) -> np.ndarray:
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
        rows[:, COUNT] = np.where(self.connected, self._sizes, 0)
        if any(self.sparse):
            sparse = np.array(self.sparse)
            rows[sparse, ZEROS] += rows[sparse, COUNT] - samples.sizes[sparse]
            rows[sparse, MINIMUM] = np.minimum(rows[sparse, MINIMUM], 0.0)
            rows[sparse, MAXIMUM] = np.maximum(rows[sparse, MAXIMUM], 0.0)
        return rows

    @functools.cached_property
    def _sizes(self) -> np.ndarray:
        """Number of entries of each variable."""
        return np.array([math.prod(shape) for shape in self.shapes])


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


def _dense(
    gradients: Sequence[Tensor | None], shapes: Sequence[Shape]
) -> tuple[list[Tensor | None], tuple[bool, ...]]:
    pairs = [
        (None, False) if gradient is None else _backend.dense_gradient(gradient, shape)
        for gradient, shape in zip(gradients, shapes, strict=True)
    ]
    return [tensor for tensor, _ in pairs], tuple(sparse for _, sparse in pairs)


def _read(
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
