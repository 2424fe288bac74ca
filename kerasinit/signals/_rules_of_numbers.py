"""The verdict on values that are no numbers."""

from __future__ import annotations

import math

from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import INITIALIZE, Remedy
from kerasinit.signals._verdict import Verdict


def non_finite(signals: Signals) -> tuple[Verdict, ...]:
    """The first place where NaN or infinity arises: input, weights, outputs, gradient, loss."""
    if signals.input_non_finite:
        return (
            Verdict.cured(
                "non_finite",
                "input",
                f"{signals.input_non_finite} input values are NaN or infinite",
                Remedy("fill_inputs"),
                "or leave these samples out",
            ),
        )
    for row in signals.layers:
        if row.non_finite_weights:
            return (
                Verdict.cured(
                    "non_finite",
                    row.name,
                    f"{row.non_finite_weights} weights are NaN or infinite",
                    INITIALIZE,
                    "draws all weights anew",
                ),
            )
    for row in signals.layers:
        if row.non_finite_outputs:
            return (
                Verdict(
                    "non_finite",
                    row.name,
                    f"{row.non_finite_outputs} outputs are NaN or infinite, though inputs and "
                    "weights are not",
                    "# look for an overflow, a logarithm of 0 or a division by 0 in this layer",
                ),
            )
    for row in reversed(signals.layers):
        if not math.isfinite(row.gradient_norm):
            return (
                Verdict(
                    "non_finite",
                    row.name,
                    "its gradient is NaN or infinite, though all outputs are not",
                    "# look for a square root or a logarithm at 0 between this layer and the loss",
                ),
            )
    if signals.loss is not None and not math.isfinite(signals.loss):
        return (
            Verdict(
                "non_finite",
                "loss",
                f"the loss is {signals.loss}, though all outputs are finite",
                "# give the loss logits (from_logits=True) or targets in its range",
            ),
        )
    return ()
