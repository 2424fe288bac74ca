"""Statistics of one tensor in one pass, small enough to leave a compiled training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from keras import ops

from kerasinit._typing import Tensor

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
    if is_empty(tensor):
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


def is_empty(tensor: Tensor | None) -> bool:
    """Whether there is no entry."""
    # The length of a sparse gradient may be unknown (None) while tracing: it is not empty then.
    return tensor is None or 0 in tuple(tensor.shape)
