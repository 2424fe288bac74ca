"""Entries of several tensors as matrices, which is how a compiled step takes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._layout import Layout


@dataclass(frozen=True)
class Matrices:
    """Sampled entries of several tensors, a row for each tensor.

    Args:
        matrices: One for each group, `(tensors, width)`, float32, padded with 0.
        layout: Which entries these are.
    """

    matrices: tuple[Tensor, ...]
    layout: Layout

    @classmethod
    def of(cls, entries: Sequence[Any], layout: Layout) -> Matrices:
        """The matrices of what was `taken`."""
        pairs = zip(entries, layout.lengths, strict=True)
        return cls(tuple(_backend.rows_of(part, lengths) for part, lengths in pairs), layout)

    def __sub__(self, other: Matrices) -> Matrices:
        pairs = zip(self.matrices, other.matrices, strict=True)
        return Matrices(tuple(own - its for own, its in pairs), self.layout)

    def __truediv__(self, scale: Tensor) -> Matrices:
        return Matrices(tuple(matrix / scale for matrix in self.matrices), self.layout)

    def norms(self) -> Tensor:
        """See `Samples`."""
        return self._by_row(_norms)

    def sums(self) -> Tensor:
        """See `Samples`."""
        return self._by_row(_sums)

    def for_histogram(self, entries: int) -> dict[str, Tensor]:
        """See `Samples`; counting is not for the device."""
        thin = [matrix[..., :: max(matrix.shape[-1] // entries, 1)] for matrix in self.matrices]
        width = max(matrix.shape[-1] for matrix in thin)

        def padded(matrix: Tensor, _: Any) -> Tensor:
            missing = width - matrix.shape[-1]
            if missing == 0:
                return matrix
            padding = ops.zeros((*matrix.shape[:-1], missing), dtype="float32")
            return ops.concatenate([matrix, padding], axis=-1)

        return {"samples": Matrices(tuple(thin), self.layout)._by_row(padded)}

    def _by_row(self, function: Callable[[Tensor, np.ndarray], Tensor]) -> Tensor:
        """`function(matrix, held)` of each group, with a row for each tensor, in their order.

        Args:
            function: Gets the entries of tensors in rows, and how many of each row are no padding;
                returns a row for each.
        """
        pairs = zip(self.matrices, self.layout.groups, strict=True)
        parts = [function(matrix, self.layout.held[list(group)]) for matrix, group in pairs]
        if len(parts) == 1:
            return parts[0]
        return ops.take(ops.concatenate(parts, axis=-2), self.layout.in_order, axis=-2)


def _sums(matrix: Tensor, held: np.ndarray) -> Tensor:
    """Sum, norm, minimum, maximum, zeros and non-finite entries of each row, `(rows, 6)`."""
    is_entry = np.arange(matrix.shape[-1]) < held[:, None]
    finite = ops.logical_and(ops.isfinite(matrix), is_entry)
    clean = ops.where(finite, matrix, 0.0)
    minimum = ops.min(ops.where(finite, matrix, math.inf), axis=-1)
    maximum = ops.max(ops.where(finite, matrix, -math.inf), axis=-1)
    largest = ops.maximum(maximum, -minimum)
    unit = ops.where(largest > 0, largest, 1.0)
    entries = ops.where(ops.not_equal(matrix, 0.0), 1.0, 0.0)
    count = ops.convert_to_tensor(held, "float32")
    columns = (
        ops.sum(clean, axis=-1),
        unit * ops.sqrt(ops.sum(ops.square(clean / unit[..., None]), axis=-1)),
        minimum,
        maximum,
        count - ops.sum(entries, axis=-1),
        count - ops.sum(ops.where(finite, 1.0, 0.0), axis=-1),
    )
    return ops.stack(columns, axis=-1)


def _norms(matrix: Tensor, held: np.ndarray) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(matrix), axis=-1, keepdims=True))
