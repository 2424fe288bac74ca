"""What the rules of `judge` must know about a model before they blame it."""

from __future__ import annotations

import math

from kerasinit.signals._layer_signals import LayerSignals, Signals
from kerasinit.signals._profile import Profile
from kerasinit.signals._remedy import INITIALIZE, Remedy

SYMMETRIC_SHARE = 0.5  # of the units of a layer that are copies of others
NORMALIZED_SHARE = 0.25  # of the layers: then normalization sets the scale, not the weights
CLIP = Remedy("clip_norm", 1.0)
LEARNED_SHARE = 0.7  # of the loss of chance: below it the model has plainly learned


def is_normalized(signals: Signals) -> bool:
    """Whether normalization layers set the scale of the signal, not the weights."""
    hidden = [row for row in signals.layers if not row.is_output]
    return sum(row.normalized for row in hidden) > NORMALIZED_SHARE * len(hidden)


def redraw(signals: Signals, reason: str) -> tuple[Remedy, str]:
    """New weights and the reason; where they are new already, smaller steps."""
    if signals.is_initialized:
        return CLIP, "the weights are well drawn already; or add normalization layers"
    return INITIALIZE, reason


def has_learned(signals: Signals) -> bool:
    """Whether the loss is well below chance, so that the weights are not at their start."""
    loss = signals.data_loss
    if loss is None or signals.chance_loss is None or signals.sum_loss:
        return False
    return loss < LEARNED_SHARE * signals.chance_loss


def starts_at_zero(rows: tuple[LayerSignals, ...]) -> bool:
    """Whether a layer is zero on purpose: it gets a gradient itself, so it leaves zero at once."""
    return any(
        (row.weight_norm == 0 or (not row.has_gain and row.preactivation_mean_square == 0))
        and (row.weight_gradient_norm or 0.0) > 0
        and (row.is_output or (row.duplicate_share or 0.0) < SYMMETRIC_SHARE)
        for row in rows
    )


def backward(rows: tuple[LayerSignals, ...]) -> Profile:
    """Gradient from the last layer down, as far as it is meant to go."""
    rows = tuple(row for row in rows if not row.is_gate)  # a closed gate passes little, on purpose
    wanted = [row.trainable or row.gradient_norm > 0 for row in rows]
    first = wanted.index(True) if any(wanted) else 0  # below it, frozen and cut off
    return Profile(tuple(row.gradient_norm for row in reversed(rows[first:])))


def spread_forward(signals: Signals) -> Profile | None:
    """Difference between inputs, forward, in hidden layers."""
    values = tuple(
        math.sqrt(row.preactivation_variance)
        for row in signals.layers
        if not (row.is_output or row.is_gate)
    )
    return Profile(values) if len(values) > 1 and values[0] > 0 else None


def length_variance(rows: tuple[LayerSignals, ...]) -> float:
    """Variance of the log of the squared length after random Gaussian ReLU layers."""
    return 5.0 * sum(1.0 / row.units for row in rows if not row.is_output)
