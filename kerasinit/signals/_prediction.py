"""What theory predicts for a layer, to be laid beside what was measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasinit import theory
from kerasinit.layers import is_linear, is_mixing


def predicted_output(
    columns: np.ndarray, bias: np.ndarray | None, input_rms: float, activation: Any
) -> tuple[float, float] | None:
    """RMS of the outputs of a layer with random weights of this size, and its finite-width spread.

    The input is the measured one, so that whatever lies between two layers (adds, concatenations,
    pooling, normalizations) has its part in it.

    Args:
        columns: The kernel, `(inputs, units)`.
        bias: Its bias, if there is one.
        input_rms: RMS of what the layer received.
        activation: What follows; None for nothing.

    Returns:
        The RMS, and the standard deviation of its logarithm over random weights; None where
        theory has no word on the activation.

    Source: `theory.propagate`.

    >>> kernel = np.full((100, 50), 0.1)
    >>> [round(float(value), 2) for value in predicted_output(kernel, None, 2.0, None)]
    [2.0, 0.1]
    """
    units = columns.shape[1]
    square = float(np.sum(np.square(columns, dtype="float64"))) / units * input_rms**2
    if bias is not None:
        square += float(np.mean(np.square(bias, dtype="float64")))
    if not 0 < square < math.inf or is_mixing(activation):
        return None
    given = "linear" if is_linear(activation) else activation
    try:
        found = theory.propagate(given, 1.0, depth=1, width=units, length=square)
    except (ValueError, TypeError):
        return None
    if not found.spreads or not 0 < found.lengths[1] < math.inf:
        return None
    return math.sqrt(found.lengths[1]), found.spreads[1] / 2
