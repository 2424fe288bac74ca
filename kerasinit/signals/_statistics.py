"""Statistics of one tensor in one pass, small enough to leave a compiled training step."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

STATISTICS: tuple[str, ...] = (
    "count",
    "total",
    "norm",
    "minimum",
    "maximum",
    "zeros",
    "non_finite",
)
"""Columns of `tensor_statistics`, in order: the fields of `TensorStatistics`."""

HISTOGRAM_BINS = 32
HISTOGRAM_OCTAVES = 2  # width of one bin of log2(abs(value))
HISTOGRAM_LOWEST = -48  # log2 of the lowest edge: 2**-48 = 3.6e-15; the highest is 2**16
HISTOGRAM_EDGES: tuple[float, ...] = tuple(
    2.0 ** (HISTOGRAM_LOWEST + HISTOGRAM_OCTAVES * k) for k in range(HISTOGRAM_BINS + 1)
)
"""Edges of `magnitude_histogram`; the first and last bin also hold what lies beyond them."""

SMALLEST_MEAN_SQUARE = 1e-34  # below it, squares of float32 numbers begin to underflow


@dataclass(frozen=True)
class TensorStatistics:
    """Sums over the entries of one tensor, or of several added with `+`.

    `norm` adds as `hypot`, `minimum` and `maximum` as themselves, the rest as sums, so that the
    statistics of parts give those of the whole. All but `count` and `non_finite` are over the
    finite entries.

    Args:
        count: Number of entries, finite or not.
        total: Sum.
        norm: Root of the sum of squares (L2 norm).
        minimum: Smallest entry; `inf` where there is none.
        maximum: Largest entry; `-inf` where there is none.
        zeros: Number of entries that are exactly 0.
        non_finite: Number of NaN and infinite entries.

    >>> left = TensorStatistics(count=2, total=7.0, norm=5.0, minimum=3.0, maximum=4.0)
    >>> whole = left + TensorStatistics(1, -12.0, 12.0, minimum=-12.0, maximum=-12.0)
    >>> whole.norm, whole.mean, whole.maximum
    (13.0, -1.6666666666666667, 4.0)
    """

    count: int = 0
    total: float = 0.0
    norm: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    zeros: int = 0
    non_finite: int = 0

    @classmethod
    def from_row(cls, row: Sequence[float]) -> TensorStatistics:
        """The record of one row of `STATISTICS` columns."""
        count, total, norm, minimum, maximum, zeros, non_finite = (float(value) for value in row)
        return cls(round(count), total, norm, minimum, maximum, round(zeros), round(non_finite))

    def __add__(self, other: TensorStatistics) -> TensorStatistics:
        return TensorStatistics(
            self.count + other.count,
            self.total + other.total,
            math.hypot(self.norm, other.norm),
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.zeros + other.zeros,
            self.non_finite + other.non_finite,
        )

    @property
    def finite(self) -> int:
        """Number of finite entries."""
        return self.count - self.non_finite

    @property
    def mean(self) -> float:
        """Mean of the finite entries; 0 where there is none."""
        return self.total / self.finite if self.finite else 0.0

    @property
    def rms(self) -> float:
        """Root mean square of the finite entries; 0 where there is none."""
        return self.norm / math.sqrt(self.finite) if self.finite else 0.0

    @property
    def std(self) -> float:
        """Standard deviation (divided by n) of the finite entries."""
        return math.sqrt(max(self.rms**2 - self.mean**2, 0.0))

    @property
    def zero_fraction(self) -> float:
        """Share of entries that are exactly 0, in 0..1."""
        return self.zeros / self.count if self.count else 0.0

    def to_dict(self) -> dict[str, float]:
        """The sums and what follows from them, as plain numbers."""
        derived = ("mean", "rms", "std", "zero_fraction")
        return asdict(self) | {name: getattr(self, name) for name in derived}


def tensor_statistics(tensor: Tensor | None, count: int | None = None) -> Tensor:
    """Statistics of one tensor as a float32 vector of shape `(len(STATISTICS),)`.

    Works inside any compiled function. Half precision is summed in float32; squares neither
    overflow nor underflow; NaN and infinities are counted and left out of the rest.

    Args:
        tensor: A floating-point tensor of any shape, or None (no entries).
        count: Number of entries, if `tensor` holds only some of them and the others are 0.

    >>> row = tensor_statistics(ops.convert_to_tensor([3.0, -4.0, 0.0]))
    >>> TensorStatistics.from_row(ops.convert_to_numpy(row)).norm
    5.0
    """
    if _is_empty(tensor):
        return ops.convert_to_tensor([0.0, 0.0, 0.0, math.inf, -math.inf, 0.0, 0.0], "float32")
    values = ops.cast(tensor, "float32")
    finite = ops.isfinite(values)
    clean = ops.where(finite, values, 0.0)
    largest = ops.max(ops.abs(clean))
    unit = ops.where(largest > 0, largest, 1.0)
    minimum = ops.min(ops.where(finite, values, math.inf))
    maximum = ops.max(ops.where(finite, values, -math.inf))
    non_zeros = ops.sum(ops.cast(ops.not_equal(values, 0.0), "int32"))
    if count is None:
        count = math.prod(values.shape)
    else:
        minimum, maximum = ops.minimum(minimum, 0.0), ops.maximum(maximum, 0.0)
    columns = {
        "count": float(count),
        "total": ops.sum(clean),
        "norm": unit * ops.sqrt(ops.sum(ops.square(clean / unit))),
        "minimum": minimum,
        "maximum": maximum,
        "zeros": count - non_zeros,
        "non_finite": ops.sum(ops.cast(ops.logical_not(finite), "int32")),
    }
    return ops.stack([ops.cast(columns[name], "float32") for name in STATISTICS])


@np.errstate(all="ignore")  # some backends compute in numpy here: infinities are expected
def stack_statistics(
    tensors: Sequence[Tensor | None],
    counts: Sequence[int | None] | None = None,
    *,
    scale: Tensor | None = None,
    entries: int | None = None,
) -> tuple[Tensor, Tensor | None]:
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
        The statistics, and the entries behind them, `(len(tensors), width)`, padded with NaN; None
        if all were read, or if the size of a sparse tensor is unknown while tracing. Both are
        small arrays (`_backend.small_array`).
    """
    counts = [None] * len(tensors) if counts is None else list(counts)
    shapes = [(0,) if tensor is None else tuple(tensor.shape) for tensor in tensors]
    if entries is None or any(None in shape for shape in shapes) or not any(map(math.prod, shapes)):
        rows = []
        for tensor, count in zip(tensors, counts, strict=True):
            if not _is_empty(tensor) and scale is not None:
                tensor = ops.cast(tensor, "float32") / scale
            rows.append(tensor_statistics(tensor, count))
        return _backend.small_array(ops.stack(rows)), None

    samples, is_entry = sample_matrix(tensors, entries)
    sizes = np.array([math.prod(shape) for shape in shapes], "float64")
    held = is_entry.sum(axis=1)
    arrays = _backend.small_array_functions()
    samples = samples if scale is None else samples / scale
    share = _float32(np.where(held > 0, sizes / np.maximum(held, 1), 1.0))
    finite = arrays.logical_and(arrays.isfinite(samples), is_entry)
    clean = arrays.where(finite, samples, 0.0)
    minimum = arrays.min(arrays.where(finite, samples, math.inf), axis=1)
    maximum = arrays.max(arrays.where(finite, samples, -math.inf), axis=1)
    largest = arrays.maximum(maximum, -minimum)
    unit = arrays.where(largest > 0, largest, 1.0)
    norms = unit * arrays.sqrt(arrays.sum(arrays.square(clean / unit[:, None]), axis=1) * share)
    non_finite = (_float32(held) - _count(arrays, finite)) * share
    if np.any(sizes > held):
        zero = arrays.zeros(())
        squares = arrays.stack(
            [
                _backend.sum_of_squares(ops.cast(tensor, "float32")) if size > part else zero
                for tensor, size, part in zip(tensors, sizes, held, strict=True)
            ]
        )
        whole = arrays.isfinite(squares)
        # Where squares underflow, the estimate is better than the sum.
        used = arrays.logical_and(whole, squares > _float32(SMALLEST_MEAN_SQUARE * sizes))
        exact = arrays.sqrt(squares)
        norms = arrays.where(used, exact if scale is None else exact / scale, norms)
        non_finite = arrays.where(whole, non_finite, arrays.maximum(non_finite, 1.0))
    # Padding is 0, so that it counts as no entry here.
    zeros = (_float32(held) - _count(arrays, arrays.not_equal(samples, 0.0))) * share
    if any(count is not None for count in counts):
        partial = np.array([count is not None for count in counts])
        minimum = arrays.where(partial, arrays.minimum(minimum, 0.0), minimum)
        maximum = arrays.where(partial, arrays.maximum(maximum, 0.0), maximum)
        whole_sizes = np.array([c or n for c, n in zip(counts, sizes, strict=True)])
        zeros, sizes = zeros + _float32(whole_sizes - sizes), whole_sizes
    columns = {
        "count": arrays.zeros(len(sizes)) + _float32(sizes),
        "total": arrays.sum(clean, axis=1) * share,
        "norm": norms,
        "minimum": minimum,
        "maximum": maximum,
        "zeros": zeros,
        "non_finite": non_finite,
    }
    stacked = arrays.stack([columns[name] for name in STATISTICS], axis=1)
    return stacked, arrays.where(is_entry, samples, math.nan)


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")


def _count(arrays: Any, where: Tensor) -> Tensor:
    return arrays.sum(arrays.where(where, 1.0, 0.0), axis=1)


def sample_matrix(tensors: Sequence[Tensor | None], entries: int) -> tuple[Tensor, np.ndarray]:
    """Evenly spaced entries of each tensor in a row, float32, and which of them are no padding.

    Args:
        tensors: Tensors of known shape; None gives a row of padding.
        entries: Entries to take of a tensor that has more; slightly more may be taken.
    """
    shapes = tuple((0,) if tensor is None else tuple(tensor.shape) for tensor in tensors)
    steps, lengths, is_entry = _sampling(shapes, entries)
    return _backend.strided_rows(tensors, steps, lengths, is_entry.shape[1]), is_entry


@functools.lru_cache(maxsize=16)  # torch asks at each step
def _sampling(shapes: tuple[Shape, ...], entries: int) -> tuple[list[int], list[int], np.ndarray]:
    """Per shape, the distance between sampled entries and their number; which are no padding."""
    steps = [even_step(shape, entries) for shape in shapes]
    lengths = [-(-math.prod(shape) // step) for shape, step in zip(shapes, steps, strict=True)]
    return steps, lengths, np.arange(max(*lengths, 1))[None, :] < np.array(lengths)[:, None]


def even_step(shape: Sequence[int], entries: int) -> int:
    """Distance between evenly spaced entries of a flattened tensor, to get `entries` or more.

    It shares no divisor with the last axis, so that every column is met, not a few.

    >>> even_step((512, 512), 1024)
    255
    """
    step = max(math.prod(shape) // entries, 1)
    while math.gcd(step, shape[-1] if shape else 1) > 1:
        step -= 1
    return step


def _is_empty(tensor: Tensor | None) -> bool:
    # The length of a sparse gradient may be unknown (None) while tracing: it is not empty then.
    return tensor is None or 0 in tuple(tensor.shape)


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
