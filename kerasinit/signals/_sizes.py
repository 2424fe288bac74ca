"""How large the values of an array are."""

from __future__ import annotations

import numpy as np

SMALLEST, LARGEST = 1e-24, 1e30  # sums of squares that single precision holds well enough


def rms(values: np.ndarray) -> float:
    """Root of the mean square; NaN or infinite if the values are.

    >>> import numpy as np
    >>> rms(np.array([3e30, 4e30], "float32")) / 1e30
    3.53...
    """
    return norm(values) / max(values.size, 1) ** 0.5


def rms_of_each(replicas: np.ndarray) -> np.ndarray:
    """`rms` of each of the first axis, `(replicas,)`."""
    return np.array([rms(replica) for replica in replicas])


def norm(*arrays: np.ndarray) -> float:
    """Euclidean norm of all values together (no overflow)."""
    return float(np.sqrt(sum(map(_sum_of_squares, arrays))))


def _sum_of_squares(values: np.ndarray) -> float:
    """As a dot product, which is ten times as fast as a sum in double precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        flat = values.ravel()
        found = float(np.dot(flat, flat)) if flat.dtype.kind == "f" else 0.0
        if SMALLEST < found < LARGEST:
            return found
        return float(np.sum(np.square(values, dtype=np.float64)))


def variance_over_inputs(values: np.ndarray) -> float:
    """Variance over the first axis, mean over all others; 0 for a single sample."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = float(np.mean(np.var(values, axis=0)))
        if SMALLEST < found < LARGEST:
            return found
        return float(np.mean(np.var(values, axis=0, dtype=np.float64)))


def spread(values: np.ndarray) -> float:
    """Standard deviation of all values; NaN if one is not finite.

    >>> import numpy as np
    >>> round(spread(np.array([9999.0, 10001.0], "float32")), 3)
    1.0
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return rms(values - np.asarray(mean(values), values.dtype))


def mean(values: np.ndarray) -> float:
    """Mean of all values, 0 if there are none; NaN or infinite if one is."""
    if not values.size:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(values, dtype=np.float64))
