"""The targets of one output as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasinit.signals._batch import non_finite_values
from kerasinit.signals._sizes import rms

SUM_TOLERANCE = 1e-2  # of a sum of probabilities, half precision included


@dataclass(frozen=True)
class TargetSignals:
    """All targets of one output.

    Args:
        shape: Without the samples.
        low, high: Smallest and largest finite value.
        rms, std: Of all finite values.
        whole: Whether all values are whole numbers.
        sums_to_one: Whether the last axis holds shares: none below 0, and a sum of 1.
        zero_share: Share of values that are 0.
        outside_share: Share of values that the activation of the output cannot give.
        non_finite: Number of NaN and infinite values.
        first_non_finite: Number of the first sample that has one; None if there is none.
        samples: How many samples there are.
        most_ones: Largest number of ones of a sample, along the last axis, where all values are 0
            or 1; 0 where they are not, or are the inputs of the model.
        only_class: Number of the class of all samples, as a label or one-hot; None if they differ.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    rms: float
    std: float
    whole: bool
    sums_to_one: bool
    zero_share: float
    outside_share: float = 0.0
    non_finite: int = 0
    first_non_finite: int | None = None
    samples: int = 0
    most_ones: int = 0
    only_class: int | None = None


def targets_of(
    y: np.ndarray, reach: tuple[float, float], ignored: int | None = None
) -> TargetSignals | None:
    """What can be said of targets, but for a class that is ignored; None if they are no numbers.

    >>> targets_of(np.array([0, 2]), (0.0, 1.0)).outside_share
    0.5
    """
    if y.dtype.kind not in "fiub":
        return None
    bad, first = non_finite_values([y])
    values = y[np.isfinite(y)] if bad else y
    values = values if ignored is None else values[values != ignored]
    if not values.size:
        values = np.zeros(1)
    low, high = float(values.min()), float(values.max())
    margin = 1e-3 * max(abs(end) for end in (*reach, 1.0) if np.isfinite(end))
    outside = (values < reach[0] - margin) | (values > reach[1] + margin)
    return TargetSignals(
        shape=tuple(y.shape[1:]),
        low=low,
        high=high,
        rms=rms(values),
        std=float(np.std(values, dtype="float64")),
        whole=bool(y.dtype.kind in "iub" or np.all(values == np.round(values))),
        sums_to_one=y.ndim > 1 and y.shape[-1] > 1 and not bad and sums_to_one(y),
        zero_share=float(np.mean(values == 0)),
        outside_share=float(np.mean(outside)),
        non_finite=bad,
        first_non_finite=first,
        samples=len(y),
        most_ones=_most_ones(y),
        only_class=_only_class(y),
    )


def sums_to_one(values: np.ndarray) -> bool:
    """Whether the last axis holds shares: none below 0, and a sum of 1."""
    if values.ndim < 2 or not values.size or values.min() < 0:
        return False
    return bool(np.allclose(np.sum(values, axis=-1, dtype="float64"), 1.0, atol=SUM_TOLERANCE))


def _most_ones(y: np.ndarray) -> int:
    if y.ndim < 2 or y.shape[-1] < 2 or not y.size or not np.all((y == 0) | (y == 1)):
        return 0
    return int(np.max(np.sum(y, axis=-1)))


def _only_class(y: np.ndarray) -> int | None:
    """The class of all samples that have one label each, as a number or one-hot.

    >>> _only_class(np.array([[3], [3]])), _only_class(np.array([[0, 1], [0, 1]]))
    (3, 1)
    """
    if y.ndim > 2 or not y.size or not np.all(y == y[:1]):
        return None
    row = np.atleast_1d(y[0])
    if row.size > 1:
        return int(np.argmax(row)) if np.sum(row == 1) == 1 == np.sum(row != 0) else None
    return int(row[0]) if row[0] == np.round(row[0]) else None
