"""Statistics of many tensors at little cost, for each training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._layout import Layout, layout_for
from kerasinit.signals._samples import Samples, arranged, taken
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

        With `entries`, tensors of three times as many are read once, for their norm; the rest is
        estimated from about `entries` of them at even distances, which costs next to nothing:
        mean and shares of zeros, minimum and maximum of those, and at least 1 non-finite entry if
        the norm is not finite (or too large for float32 to square).

        Args:
            tensors: Floating-point tensors of any shape; None has no entries.
            counts: See `Stack`; None for what the tensors hold.
            entries: Entries of a large tensor to look at; None for all. All are looked at too
                if the size of a sparse tensor is unknown while tracing.
        """
        shapes = tuple((0,) if tensor is None else tuple(tensor.shape) for tensor in tensors)
        counts = tuple(counts or [None] * len(shapes))
        return _stack(shapes, entries, counts, compiled=_backend.compiles_steps())

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
        # Here, as a sum of entries that fit may not.
        return samples / _scale(read) if "scale" in read else samples

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
        sums = samples.sums()
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
            least = _float32(samples.layout.least_squares)
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

    def squares(self, read: Read) -> list[Tensor]:
        """Sums of squares of the tensors of each group of the layout, if they were read.

        Those of numbers that float32 cannot square are not exact.
        """
        squares: list[Tensor] = read.get("squares", [])
        if "scale" not in read:
            return squares
        return [part / ops.square(read["scale"]) for part in squares]


@lru_cache(maxsize=16)  # torch asks at each step
def _stack(
    shapes: tuple[Any, ...],
    entries: int | None,
    counts: tuple[int | None, ...],
    *,
    compiled: bool,
) -> Stack:
    known = not any(None in shape for shape in shapes) and any(map(math.prod, shapes))
    if entries is None or not known:
        return Stack(None, counts)
    return Stack(layout_for(shapes, entries, compiled=compiled), counts)


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


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")
