"""Evenly spaced entries of tensors, few enough to be looked at in each training step."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

WIDTHS = (64, 512)  # entries, up to which tensors share a matrix of their own
SMALLEST_MEAN_SQUARE = 1e-34  # below it, squares of float32 numbers begin to underflow
ENOUGH = 0.8  # of the largest distance between runs, for a rounder one
RUN = 4  # neighbours taken together: as many entries for a quarter of the reads from memory


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the sampled entries of tensors of given shapes lie.

    Args:
        sizes: Entries of each tensor, float64.
        held: Entries sampled of each, float64.
        steps: Distance between the starts of the sampled runs of each; 1 if all are taken.
        groups: Tensors of each matrix, by number: those that are taken whole by size, so that the
            small are not padded to the width of the large; and those that are not.
    """

    sizes: np.ndarray
    held: np.ndarray
    steps: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    @cached_property
    def lengths(self) -> tuple[tuple[int, ...], ...]:
        """Entries sampled of each tensor of each group."""
        return tuple(tuple(int(self.held[i]) for i in group) for group in self.groups)

    @cached_property
    def share(self) -> np.ndarray:
        """How many entries of a tensor each of its sampled ones stands for, float32."""
        return np.where(self.held > 0, self.sizes / np.maximum(self.held, 1), 1.0).astype("float32")

    @cached_property
    def least_squares(self) -> list[float]:
        """Sum of squares above which that of each tensor is exact in float32."""
        return np.where(self.sizes > 0, SMALLEST_MEAN_SQUARE * self.sizes, -1.0).tolist()

    @cached_property
    def in_order(self) -> np.ndarray:
        """For each tensor, its row if the matrices are put below each other."""
        return np.argsort([index for group in self.groups for index in group])

    @cached_property
    def is_partial(self) -> np.ndarray:
        """Whether a tensor has entries that are not sampled."""
        return self.sizes > self.held


@dataclass(frozen=True)
class Samples:
    """Evenly spaced runs of entries of several tensors.

    Args:
        matrices: One for each group, `(..., tensors, width)`, float32, padded with 0; as numpy
            arrays of one step or of several.
        layout: Which tensors these are.
    """

    matrices: tuple[Tensor, ...]
    layout: Layout


def layout_of(tensors: Sequence[Tensor | None], entries: int) -> Layout:
    """Which entries `taken` takes.

    Args:
        tensors: Tensors of known shape, at least one; None has no entries.
        entries: Entries to take of a tensor that has more; slightly more may be taken.
    """
    return layout_for(tuple((0,) if t is None else tuple(t.shape) for t in tensors), entries)


def taken(tensors: Sequence[Tensor | None], layout: Layout) -> list[Any]:
    """The sampled entries of each group, as they come: all that reads the tensors themselves."""
    return [
        _backend.strided_entries(
            [tensors[i] for i in group],
            [layout.steps[i] for i in group],
            lengths,
            run=RUN,
        )
        for group, lengths in zip(layout.groups, layout.lengths, strict=True)
    ]


def arranged(entries: Sequence[Any], layout: Layout) -> Samples:
    """What was `taken`, in rows.

    Args:
        entries: Of each group, as they were taken; or numpy arrays, of one step or of several.
        layout: The layout they were taken with.
    """
    pairs = zip(entries, layout.lengths, strict=True)
    return Samples(tuple(_backend.rows_of(part, lengths) for part, lengths in pairs), layout)


def by_row(function: Callable[..., Tensor], *samples: Samples) -> Tensor:
    """`function(*matrices, held)` of each group, with a row for each tensor, in their order.

    Args:
        function: Gets a matrix of each of the samples, `(..., tensors, width)`, and the number of
            entries in each row; returns `(..., tensors, columns)`.
        samples: Samples of one layout.
    """
    layout = samples[0].layout
    parts = [
        function(*matrices, layout.held[list(group)])
        for group, *matrices in zip(layout.groups, *(s.matrices for s in samples), strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    arrays = _backend.functions_of(parts[0])
    return arrays.take(arrays.concatenate(parts, axis=-2), layout.in_order, axis=-2)


def some_entries(samples: Samples, entries: int) -> Tensor:
    """About `entries` of the entries of each tensor, `(..., tensors, width)`, padded with 0."""
    arrays = _backend.functions_of(samples.matrices[0])
    thin = [matrix[..., :: max(matrix.shape[-1] // entries, 1)] for matrix in samples.matrices]
    width = max(matrix.shape[-1] for matrix in thin)

    def padded(matrix: Tensor, _: Any) -> Tensor:
        missing = width - matrix.shape[-1]
        if missing == 0:
            return matrix
        padding = arrays.zeros((*matrix.shape[:-1], missing), dtype="float32")
        return arrays.concatenate([matrix, padding], axis=-1)

    return by_row(padded, Samples(tuple(thin), samples.layout))


@lru_cache(maxsize=16)  # torch asks at each step
def layout_for(shapes: tuple[Shape, ...], entries: int) -> Layout:
    """`layout_of` tensors of these shapes; the same object for the same shapes."""
    steps = tuple(even_step(shape, entries) for shape in shapes)
    sizes = [math.prod(shape) for shape in shapes]
    held = [
        size if step == 1 else size // step * RUN for size, step in zip(sizes, steps, strict=True)
    ]
    kinds = [
        len(WIDTHS) + 1 if step > 1 else bisect.bisect_left(WIDTHS, length)
        for step, length in zip(steps, held, strict=True)
    ]
    groups = tuple(
        tuple(i for i, kind in enumerate(kinds) if kind == which) for which in sorted(set(kinds))
    )
    return Layout(np.array(sizes, "float64"), np.array(held, "float64"), steps, groups)


def even_step(shape: Sequence[int], entries: int) -> int:
    """Distance between the starts of evenly spaced runs, to get `entries` or more; 1 for all.

    It shares no divisor with the last axis but that of its runs, so that every column is met, not
    a few. Runs begin at multiples of their length, and can be read as wholes, unless many more
    of them were needed then.

    >>> even_step((512, 512), 1024)
    1020
    """
    most = RUN * math.prod(shape) // entries
    step = 1
    for unit in (RUN, 1):
        step = most - most % unit
        while step > unit and math.gcd(step, shape[-1]) > unit:
            step -= unit
        if step > ENOUGH * most:
            break
    return step if step > RUN else 1
