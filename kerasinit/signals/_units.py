"""Which units of a layer do no work: dead, saturated, or copies of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasinit._typing import Tensor
from kerasinit.layers import KernelAxes
from kerasinit.signals._sizes import rms_of_each

FLAT_DERIVATIVE = 0.01  # |act'| below this passes no gradient; covers sigmoid, tanh, softsign
FLAT_SAMPLES = 0.95  # share of samples for which a saturated unit is flat
ZERO = 1e-6  # absolute value of an activation that counts as 0
SAME = 1e-5  # relative difference below which two columns are the same
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
            has_off_state=bool(abs(zero) < ZERO and abs(low) < ZERO),
            bounded=bool(max(abs(low), abs(high)) < FAR / 10),
        )


def unit_shares(
    preactivation: Tensor, derivative: Tensor, shape: ActivationShape
) -> tuple[Tensor, Tensor]:
    """Shares of dead and of saturated units of each replica, in 0..1, each `(replicas,)`.

    A unit is dead if it is off (not above zero, flat) for every sample; it is saturated if it is
    flat, but not off, for more than 95 % of the samples. Per unit, not per value: half of a ReLU
    layer's values are zero in a healthy network, and tools that count values raise false alarms.

    Args:
        preactivation: Shape `(replicas, ..., units)`; an array or a tensor, also while a backend
            traces.
        derivative: Derivative of the activation there, same shape.
        shape: What the activation does far from zero.

    Source: thresholds of SageMaker Debugger's DeadRelu (per unit, all samples) and of the
    derivative form of its SaturatedActivation.

    Example:
        >>> from keras import ops
        >>> values = np.array([[[-1.0, 2.0], [-2.0, 3.0]]])  # one model, two samples, two units
        >>> relu = ActivationShape(has_off_state=True, bounded=False)
        >>> dead, saturated = unit_shares(values, np.where(values > 0, 1.0, 0.0), relu)
        >>> float(dead[0]), float(saturated[0])
        (0.5, 0.0)
    """
    namespace: Any = np if isinstance(preactivation, np.ndarray) else ops
    samples = tuple(range(1, len(preactivation.shape) - 1))
    flat = namespace.abs(derivative) < FLAT_DERIVATIVE
    dead = saturated = namespace.zeros(preactivation.shape[0])
    if shape.has_off_state:
        # 0 is all that a sample of zeros gives; all zeros are for want of weights or of a signal.
        off = namespace.logical_and(flat, preactivation <= 0)
        flat = namespace.logical_and(flat, namespace.logical_not(off))
        below = namespace.any(preactivation < 0, axis=samples)
        never_on = namespace.logical_and(namespace.all(off, axis=samples), below)
        dead = namespace.mean(never_on, axis=-1)
    if shape.bounded:
        share = namespace.mean(flat, axis=samples)
        saturated = namespace.mean(share > FLAT_SAMPLES, axis=-1)
    return dead, saturated


def unit_columns(
    axes: KernelAxes,
    main: int,
    weights: Mapping[int, np.ndarray],
    gradients: Mapping[int, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """All weights of each unit of a layer, and their gradients, `(replicas, inputs, units)`.

    Args:
        axes: How the axes of the kernel are used.
        main: Number of the kernel.
        weights: Weights of the layer by number, `(replicas, ...)`.
        gradients: Their gradients, where there are any; that of the kernel is there.
    """
    kernel, gradient = axes.columns(weights[main]), axes.columns(gradients[main])
    for index, vector in weights.items():
        if vector.shape[1:] == kernel.shape[2:] and index in gradients:  # the bias
            kernel = np.concatenate([kernel, vector[:, None]], axis=1)
            gradient = np.concatenate([gradient, gradients[index][:, None]], axis=1)
    return kernel, gradient


@np.errstate(invalid="ignore", over="ignore")  # of replicas that are not finite, nothing is told
def duplicate_share(
    kernel: np.ndarray, kernel_gradient: np.ndarray, largest_gradient: Any = 0.0
) -> np.ndarray:
    """Share of units that have the weights and the weight gradient of another, `(replicas,)`.

    Such units compute the same and stay the same for ever: together they are one unit. Dead units
    share a zero gradient, but not their weights, and are no duplicates. Where units are copies,
    their gradients often cancel to nothing but rounding, which differs from unit to unit.

    Args:
        kernel: Weights with the inputs in the rows, shape `(replicas, inputs, units)`.
        kernel_gradient: Gradient by `kernel`, same shape.
        largest_gradient: Largest RMS of a gradient in the model, for what counts as rounding; a
            number or `(replicas,)`.

    >>> duplicate_share(np.array([[[1.0, 1.0, 2.0]]]), np.array([[[3.0, 3.0, 3.0]]])).round(2)
    array([0.67])
    """
    replicas, rows, units = kernel.shape
    if units < 2:
        return np.zeros(replicas)
    largest = np.asarray(largest_gradient, "float64")
    floor = np.where(np.isfinite(largest), CANCELLED * largest, 0.0)
    columns = [kernel, kernel_gradient]
    scales = [rms_of_each(c) for c in columns]
    known = np.isfinite(scales[0]) & np.isfinite(scales[1])
    scales = [np.where(known & (s > 0), s, 1.0) for s in (scales[0], np.maximum(scales[1], floor))]
    # Equal columns have equal projections: after sorting by them, copies are neighbours.
    direction = np.random.default_rng(0).standard_normal(rows) / np.sqrt(rows)
    keys = [
        direction.astype(c.dtype) @ c / s[:, None] for c, s in zip(columns, scales, strict=True)
    ]
    order = np.lexsort([np.round(key, 4) for key in reversed(keys)])
    gaps = [np.abs(np.diff(np.take_along_axis(key, order, axis=1))) for key in keys]
    near = 2 * SAME * np.sqrt(rows)  # twice the difference that copies can make
    same = (gaps[0] < near) & (gaps[1] < near) & known[:, None]
    for replica, near_pairs in enumerate(same):
        first = np.flatnonzero(near_pairs)
        left, right = order[replica][first], order[replica][first + 1]
        for c, s in zip(columns, scales, strict=True):
            steps = c[replica][:, right].astype("float64") - c[replica][:, left]
            same[replica, first] &= np.sqrt(np.mean(np.square(steps), axis=0)) < SAME * s[replica]
    copies = np.zeros((replicas, units), bool)
    copies[:, 1:] |= same
    copies[:, :-1] |= same
    return np.mean(copies, axis=1)
