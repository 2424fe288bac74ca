"""Which units of a layer do no work: dead, saturated, or copies of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FLAT_DERIVATIVE = 0.01  # |act'| below this passes no gradient; covers sigmoid, tanh, softsign
FLAT_SAMPLES = 0.95  # share of samples for which a saturated unit is flat
EQUAL = 1e-6  # relative difference below which two columns are the same
CANCELLED = 1e-2  # of the largest gradient in the model; of less, rounding may be a part too
FAR = 1e3  # a pre-activation far outside of every activation's working range


@dataclass(frozen=True)
class ActivationShape:
    """What an elementwise activation does far from zero.

    Args:
        has_off_state: It is 0 at 0 and about 0 far below (ReLU, ReLU6, GELU, SiLU): units can die.
        bounded: It stays small far above and below (sigmoid, tanh, ReLU6): units can saturate.

    >>> import numpy as np
    >>> ActivationShape.of(lambda z: np.maximum(z, 0))
    ActivationShape(has_off_state=True, bounded=False)
    >>> ActivationShape.of(np.tanh)
    ActivationShape(has_off_state=False, bounded=True)
    """

    has_off_state: bool
    bounded: bool

    @classmethod
    def of(cls, function: Callable[[np.ndarray], np.ndarray]) -> ActivationShape:
        """Reads the shape from the values at -1000, 0 and 1000."""
        low, zero, high = np.asarray(function(np.array([-FAR, 0.0, FAR], "float32")), "float64")
        return cls(
            has_off_state=bool(abs(zero) < EQUAL and abs(low) < EQUAL),
            bounded=bool(max(abs(low), abs(high)) < FAR / 10),
        )


def unit_shares(
    preactivation: np.ndarray, derivative: np.ndarray, shape: ActivationShape
) -> tuple[float, float]:
    """Shares of dead and of saturated units, each in 0..1.

    A unit is dead if it is off (below zero, flat) for every sample; it is saturated if it is flat,
    but not off, for more than 95 % of the samples. Per unit, not per value: half of a ReLU
    layer's values are zero in a healthy network, and tools that count values raise false alarms.

    Args:
        preactivation: Shape `(..., units)`.
        derivative: Derivative of the activation there, same shape.
        shape: What the activation does far from zero.

    Source: thresholds of SageMaker Debugger's DeadRelu (per unit, all samples) and of the
    derivative form of its SaturatedActivation.
    """
    units = preactivation.shape[-1]
    z = preactivation.reshape(-1, units)
    flat = np.abs(derivative.reshape(-1, units)) < FLAT_DERIVATIVE
    off = flat & (z < 0) if shape.has_off_state else np.zeros_like(flat)
    dead = float(np.mean(np.all(off, axis=0)))
    if not shape.bounded:
        return dead, 0.0
    return dead, float(np.mean(np.mean(flat & ~off, axis=0) > FLAT_SAMPLES))


def duplicate_share(
    kernel: np.ndarray, kernel_gradient: np.ndarray, largest_gradient: float = 0.0
) -> float:
    """Share of units that have the weights and the weight gradient of another unit.

    Such units compute the same and stay the same for ever: together they are one unit. Dead units
    share a zero gradient, but not their weights, and are no duplicates. Where units are copies,
    their gradients often cancel to nothing but rounding, which differs from unit to unit.

    Args:
        kernel: Weights with the inputs in the rows, shape `(inputs, units)`.
        kernel_gradient: Gradient by `kernel`, same shape.
        largest_gradient: Largest RMS of a gradient in the model, for what counts as rounding.

    >>> import numpy as np
    >>> duplicate_share(np.array([[1.0, 1.0, 2.0]]), np.array([[3.0, 3.0, 3.0]]))
    0.66...
    """
    units = kernel.shape[1]
    if units < 2 or not (np.isfinite(kernel).all() and np.isfinite(kernel_gradient).all()):
        return 0.0
    floor = CANCELLED * largest_gradient if np.isfinite(largest_gradient) else 0.0
    columns = [_relative(kernel), _relative(kernel_gradient, floor)]
    # Equal columns have equal projections: after sorting by them, copies are neighbours.
    direction = np.random.default_rng(0).standard_normal(kernel.shape[0])
    keys = [np.round(direction @ c / np.sqrt(kernel.shape[0]), 4) for c in columns]
    order = np.lexsort((keys[1], keys[0]))
    steps = [np.sqrt(np.mean(np.square(np.diff(c[:, order], axis=1)), axis=0)) for c in columns]
    same = (steps[0] < EQUAL * 10) & (steps[1] < EQUAL * 10)
    copies = np.zeros(units, bool)
    copies[1:] |= same
    copies[:-1] |= same
    return float(np.mean(copies))


def _relative(columns: np.ndarray, floor: float = 0.0) -> np.ndarray:
    columns = columns.astype("float64")
    scale = max(float(np.sqrt(np.mean(np.square(columns)))), floor)
    return columns / scale if scale > 0 else columns
