"""Statistics of many tensors at little cost, for each training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._samples import Samples, by_row, sample
from kerasinit.signals._statistics import STATISTICS, is_empty, tensor_statistics

SMALLEST_MEAN_SQUARE = 1e-34  # below it, squares of float32 numbers begin to underflow


@np.errstate(all="ignore")  # some backends compute in numpy here: infinities are expected
def stack_statistics(
    tensors: Sequence[Tensor | None],
    counts: Sequence[int | None] | None = None,
    *,
    scale: Tensor | None = None,
    entries: int | None = None,
) -> tuple[Tensor, Samples | None]:
    """`tensor_statistics` of several tensors, `(len(tensors), len(STATISTICS))`.

    With `entries`, tensors of more entries than that are read once, for their norm; the rest is
    estimated from about `entries` of them at even distances, which costs next to nothing: mean
    and shares of zeros, minimum and maximum of those, and at least 1 non-finite entry if the norm
    is not finite (or too large for float32 to square).

    Args:
        tensors: Floating-point tensors of any shape; None has no entries.
        counts: As `count` of `tensor_statistics`, for each tensor.
        scale: What the tensors are to be divided by; None for 1.
        entries: Entries of a large tensor to look at; None for all.

    Returns:
        The statistics, a small array (`_backend.small_array`), and the entries behind them,
        divided by `scale`; None if all were read, or if the size of a sparse tensor is unknown
        while tracing.
    """
    counts = [None] * len(tensors) if counts is None else list(counts)
    shapes = [(0,) if tensor is None else tuple(tensor.shape) for tensor in tensors]
    if entries is None or any(None in shape for shape in shapes) or not any(map(math.prod, shapes)):
        rows = []
        for tensor, count in zip(tensors, counts, strict=True):
            if not is_empty(tensor) and scale is not None:
                tensor = ops.cast(tensor, "float32") / scale
            rows.append(tensor_statistics(tensor, count))
        return _backend.small_array(ops.stack(rows)), None

    samples = sample(tensors, entries)
    layout = samples.layout
    sizes, share = layout.sizes, layout.share
    arrays = _backend.small_array_functions()
    if scale is not None:  # first, as a sum of entries that fit may not
        samples = replace(samples, matrices=tuple(m / scale for m in samples.matrices))
    sums = by_row(_sums, samples)
    total, norms, minimum, maximum, zeros, non_finite = (sums[:, k] for k in range(6))
    norms = norms * np.sqrt(share)
    zeros, non_finite = zeros * share, non_finite * share
    if layout.is_partial.any():
        zero = arrays.zeros(())
        squares = arrays.stack(
            [
                _backend.sum_of_squares(tensor) if is_partial else zero
                for tensor, is_partial in zip(tensors, layout.is_partial, strict=True)
            ]
        )
        whole = arrays.isfinite(squares)
        # Where squares underflow, the estimate is better than the sum.
        used = arrays.logical_and(whole, squares > _float32(SMALLEST_MEAN_SQUARE * sizes))
        exact = arrays.sqrt(squares)
        norms = arrays.where(used, exact if scale is None else exact / scale, norms)
        non_finite = arrays.where(whole, non_finite, arrays.maximum(non_finite, 1.0))
    if any(count is not None for count in counts):
        partial = np.array([count is not None for count in counts])
        minimum = arrays.where(partial, arrays.minimum(minimum, 0.0), minimum)
        maximum = arrays.where(partial, arrays.maximum(maximum, 0.0), maximum)
        whole_sizes = np.array([c or n for c, n in zip(counts, sizes, strict=True)])
        zeros, sizes = zeros + _float32(whole_sizes - sizes), whole_sizes
    columns = {
        "count": arrays.zeros(len(sizes)) + _float32(sizes),
        "total": total * share,
        "norm": norms,
        "minimum": minimum,
        "maximum": maximum,
        "zeros": zeros,
        "non_finite": non_finite,
    }
    return arrays.stack([columns[name] for name in STATISTICS], axis=1), samples


def _sums(matrix: Tensor, held: np.ndarray) -> Tensor:
    """Sum, norm, minimum, maximum, zeros and non-finite entries of each row, `(rows, 6)`.

    Args:
        matrix: Entries in rows, padded with 0.
        held: Entries of each row that are no padding.
    """
    if isinstance(matrix, np.ndarray):
        found = _sums_of_ordinary_rows(matrix, held)
        if found is not None:
            return found
    arrays = _backend.small_array_functions()
    is_entry = np.arange(matrix.shape[1]) < held[:, None]
    finite = arrays.logical_and(arrays.isfinite(matrix), is_entry)
    clean = arrays.where(finite, matrix, 0.0)
    minimum = arrays.min(arrays.where(finite, matrix, math.inf), axis=1)
    maximum = arrays.max(arrays.where(finite, matrix, -math.inf), axis=1)
    largest = arrays.maximum(maximum, -minimum)
    unit = arrays.where(largest > 0, largest, 1.0)
    columns = (
        arrays.sum(clean, axis=1),
        unit * arrays.sqrt(arrays.sum(arrays.square(clean / unit[:, None]), axis=1)),
        minimum,
        maximum,
        _float32(held) - arrays.sum(arrays.where(arrays.not_equal(matrix, 0.0), 1.0, 0.0), axis=1),
        _float32(held) - arrays.sum(arrays.where(finite, 1.0, 0.0), axis=1),
    )
    return arrays.stack(columns, axis=1)


def _sums_of_ordinary_rows(matrix: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """`_sums` with a tenth of the passes; None if an entry or its square leaves float32."""
    squares = np.einsum("ij,ij->i", matrix, matrix)
    total = matrix.sum(axis=1)
    # Each row's entries, then its padding, which every second result belongs to.
    starts = np.arange(len(matrix)) * matrix.shape[1]
    bounds = np.stack([starts, starts + held.astype("int64")], axis=1).ravel()
    bounds = bounds[:-1] if bounds[-1] == matrix.size else bounds
    minimum = np.minimum.reduceat(matrix.ravel(), bounds)[::2]
    maximum = np.maximum.reduceat(matrix.ravel(), bounds)[::2]
    is_zero = (minimum == 0) & (maximum == 0)
    fits = np.isfinite(squares) & ((squares > SMALLEST_MEAN_SQUARE * held) | is_zero) & (held > 0)
    if not fits.all():
        return None
    zeros = held - (matrix != 0).sum(axis=1, dtype="int32")
    columns = (total, np.sqrt(squares), minimum, maximum, zeros, np.zeros(len(matrix)))
    return _float32(np.stack(columns, axis=1))


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")
