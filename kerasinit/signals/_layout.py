"""Which entries of tensors are looked at in each training step: few, evenly spaced."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

WIDTHS = (64, 512)  # entries, up to which tensors share a matrix of their own
SMALLEST_MEAN_SQUARE = 1e-34  # below it, squares of float32 numbers begin to underflow
ENOUGH = 0.8  # of the largest distance between runs, for a rounder one
WORTHWHILE = 3  # times the entries to take: of a tensor with fewer, all are taken, at less cost
RUN = 4  # neighbours taken together: as many entries for a quarter of the reads from memory


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the sampled entries of tensors of given shapes lie.

    Args:
        sizes: Entries of each tensor, float64.
        held: Entries sampled of each, float64.
        steps: Distance between the starts of the sampled runs of each; 1 if all are taken.
        groups: Tensors that are taken together, by number: those that are taken whole, and those
            that are not. For matrices the former by size, so that the small are not padded to the
            width of the large.
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
    def least_squares(self) -> np.ndarray:
        """Sum of squares above which that of each tensor is exact in float32."""
        return SMALLEST_MEAN_SQUARE * self.sizes

    @cached_property
    def order(self) -> list[int]:
        """The tensors by number, as they lie in the groups."""
        return [index for group in self.groups for index in group]

    @cached_property
    def in_order(self) -> np.ndarray:
        """For each tensor, its place in `order`."""
        return np.argsort(self.order)

    @cached_property
    def present(self) -> np.ndarray:
        """The tensors that have entries by number, as they lie in the groups."""
        return np.array([index for index in self.order if self.held[index]], "int64")

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the entries of each of `present` begin, if all lie one after another."""
        return np.cumsum([0, *self.held[self.present]], dtype="int64")[:-1]

    @cached_property
    def is_partial(self) -> np.ndarray:
        """Whether a tensor has entries that are not sampled."""
        return self.sizes > self.held


def layout_of(tensors: Sequence[Tensor | None], entries: int) -> Layout:
    """Which entries `taken` takes.

    Args:
        tensors: Tensors of known shape, at least one; None has no entries.
        entries: Entries to take of a tensor that has about three times as many or more; slightly
            more may be taken.
    """
    shapes = tuple((0,) if t is None else tuple(t.shape) for t in tensors)
    return layout_for(shapes, entries, compiled=_backend.compiles_steps())


@lru_cache(maxsize=16)  # torch asks at each step
def layout_for(shapes: tuple[Shape, ...], entries: int, *, compiled: bool) -> Layout:
    """`layout_of` tensors of these shapes; the same object for the same arguments.

    Args:
        shapes: Of each tensor.
        entries: See `layout_of`.
        compiled: Whether the entries are put in matrices.
    """
    steps = tuple(even_step(shape, entries) for shape in shapes)
    sizes = [math.prod(shape) for shape in shapes]
    held = [
        size if step == 1 else size // step * RUN for size, step in zip(sizes, steps, strict=True)
    ]
    widths = WIDTHS if compiled else ()
    kinds = [
        len(widths) + 1 if step > 1 else bisect.bisect_left(widths, length)
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
    return step if step >= WORTHWHILE * RUN else 1
