"""The verdict on values that are no numbers."""

from __future__ import annotations

import math

from kerasinit.signals._head_findings import REGRESSIONS
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import INITIALIZE, USUAL_BATCH, Remedy
from kerasinit.signals._verdict import Verdict


def in_sample(number: int | None) -> str:
    """Where a sample lies, for the end of a sentence.

    >>> in_sample(70)
    ', first in sample 70 (batch 2 of 32 samples, unshuffled, counted from 0)'
    """
    if number is None:
        return ""
    batch = f"batch {number // USUAL_BATCH} of {USUAL_BATCH} samples"
    return f", first in sample {number} ({batch}, unshuffled, counted from 0)"


def non_finite(signals: Signals) -> Verdict | None:
    """The first place where NaN or infinity arises: input, weights, outputs, gradient, loss."""

    def say(where: str, evidence: str, remedy: Remedy | None, reason: str) -> Verdict:
        return Verdict.cured("non_finite", where, evidence, remedy, reason)

    leave_out = "or leave these samples out"
    if count := signals.input_non_finite:
        place = in_sample(signals.input_first_non_finite)
        evidence = f"{count} input values are NaN or infinite{place}"
        return say("input", evidence, Remedy("fill_inputs"), leave_out)
    for targets in (head.targets for head in signals.heads):
        if targets is not None and targets.non_finite:
            place = in_sample(targets.first_non_finite)
            evidence = f"{targets.non_finite} targets are NaN or infinite{place}"
            if len(signals.heads) == 1 and signals.heads[0].loss in REGRESSIONS:
                usual = Remedy(
                    "map_targets", "np.where(np.isfinite(y), y, y[np.isfinite(y)].mean())"
                )
                return say("targets", evidence, usual, "better: leave these samples out")
            return say("targets", evidence, Remedy("fill_targets"), leave_out)
    for row in signals.layers:
        if count := row.non_finite_weights:
            evidence = f"{count} weights are NaN or infinite"
            return say(row.name, evidence, INITIALIZE, "draws all weights anew")
    if signals.bad_weight is not None:
        evidence = "it holds values that are NaN or infinite"
        return say(signals.bad_weight, evidence, INITIALIZE, "draws all weights anew")
    for row in signals.layers:
        if count := row.non_finite_outputs:
            evidence = (
                f"{count} outputs are NaN or infinite, though inputs and weights are not"
                f"{in_sample(row.first_non_finite)}"
            )
            reason = "look for an overflow, a logarithm of 0 or a division by 0 in this layer"
            if row.is_embedding:
                reason = "look for ids that are not from 0 to `input_dim` - 1 of this layer"
            return say(row.name, evidence, None, reason)
    for row in reversed(signals.layers):
        if not math.isfinite(row.gradient_norm):
            evidence = "its gradient is NaN or infinite, though all outputs are not"
            reason = "look for a square root or a logarithm at 0 between this layer and the loss"
            if any(head.is_at_end for head in signals.heads):
                evidence += "; some outputs are exactly 0 or 1"
                reason = (
                    "in the loss, `y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)`: log(0) is infinite"
                )
            return say(row.name, evidence, None, reason)
    if signals.loss is not None and not math.isfinite(signals.loss):
        evidence = f"the loss is {signals.loss}, though all outputs are finite"
        reason = "give the loss logits (from_logits=True) or targets in its range"
        return say("loss", evidence, None, reason)
    return None
