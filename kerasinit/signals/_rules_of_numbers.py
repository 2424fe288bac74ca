"""The verdict on values that are no numbers."""

from __future__ import annotations

import math

from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import INITIALIZE, Remedy
from kerasinit.signals._verdict import Verdict

BATCH = 32  # samples in a batch of `fit`


def in_sample(number: int | None) -> str:
    """Where a sample lies, for the end of a sentence.

    >>> in_sample(70)
    ', first in sample 70 (batch 2 of 32 samples, unshuffled, counted from 0)'
    """
    if number is None:
        return ""
    batch = number // BATCH
    return (
        f", first in sample {number} (batch {batch} of {BATCH} samples, unshuffled, counted from 0)"
    )


def non_finite(signals: Signals) -> tuple[Verdict, ...]:
    """The first place where NaN or infinity arises: input, weights, outputs, gradient, loss."""
    if signals.input_non_finite:
        return (
            Verdict.cured(
                "non_finite",
                "input",
                f"{signals.input_non_finite} input values are NaN or infinite"
                f"{in_sample(signals.input_first_non_finite)}",
                Remedy("fill_inputs"),
                "or leave these samples out",
            ),
        )
    for head in signals.heads:
        targets = head.targets
        if targets is not None and targets.non_finite:
            return (
                Verdict.cured(
                    "non_finite",
                    "targets",
                    f"{targets.non_finite} targets are NaN or infinite"
                    f"{in_sample(targets.first_non_finite)}",
                    Remedy("fill_targets"),
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
                    f"weights are not{in_sample(row.first_non_finite)}",
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
