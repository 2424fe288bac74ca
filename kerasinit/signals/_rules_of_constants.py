"""Verdicts on outputs that do not depend on the input."""

from __future__ import annotations

from kerasinit.signals._head_findings import switched
from kerasinit.signals._layer_signals import Signals, redraw
from kerasinit.signals._remedy import LARGER_BATCH
from kerasinit.signals._verdict import Verdict

SAME = 1e-5  # deviation between samples over the size: 100 times the rounding of float32
UNDERFLOW = 1e-20  # products of smaller numbers may be 0 in float32, with no one to blame


def single_sample(signals: Signals) -> Verdict | None:
    """A batch normalization that sees one value of each channel, and makes 0 of it."""
    if signals.lone_norm is None or signals.loss is None:
        return None
    evidence = (
        "it normalizes a batch of one value for each channel: in training its output is the same "
        "for every input, and no gradient passes"
    )
    return Verdict.cured("single_sample", signals.lone_norm, evidence, *LARGER_BATCH)


def bad_inputs(signals: Signals) -> Verdict | None:
    """Ids for which an embedding has no row of their own."""
    ids = signals.outside_ids
    if ids is None:
        return None
    evidence = (
        f"ids run from {ids.low:.10g} to {ids.high:.10g}, and {ids.layer} takes those from 0 to "
        f"{ids.rows - 1}"
    )
    reason = f"give {ids.layer} `input_dim={ids.high + 1:.10g}`"
    if not ids.are_whole:
        evidence += ", and drops what is behind the point: some are no whole numbers"
        reason = "give ids as they are, neither scaled nor standardized (or `np.trunc(x)`)"
    elif ids.low < 0:
        reason = "ids are numbers from 0 on: those below take the rows of the last ones"
    return Verdict.cured("bad_inputs", "input", evidence, None, reason)


def constant_input(signals: Signals) -> Verdict | None:
    """Samples that are all the same, though their targets are not."""
    wanted = [head.targets.std for head in signals.heads if head.targets is not None]
    if signals.inputs_differ or signals.samples < 2 or not any(wanted):
        return None
    evidence = (
        f"all {signals.samples} samples of the batch have the same input, and their targets differ"
    )
    reason = "look for a division of whole numbers, `x // 255`, or one sample that was repeated"
    return Verdict.cured("constant_output", "input", evidence, None, reason)


def lone_softmax(signals: Signals) -> Verdict | None:
    """A softmax over one unit, which says nothing."""
    rows = [row for row in signals.layers if row.activation == "softmax" and row.units == 1]
    names = [row.name for row in rows if row.activation_mean == 1 and row.activation_std == 0]
    remedy = None
    if signals.lone_softmax is not None:
        names, remedy = [signals.lone_softmax.name], switched(signals.lone_softmax, "sigmoid")
    if not names:
        return None
    evidence, reason = "a softmax over one unit is 1 for every input", "a softmax needs more units"
    if remedy is None:
        reason = f"use a sigmoid there: {reason}"
    return Verdict.cured("constant_output", names[0], evidence, remedy, reason)


def constant_layer(signals: Signals) -> Verdict | None:
    """A layer that makes nothing of weights and inputs that are something."""
    if not signals.inputs_differ or signals.has_learned or lone_softmax(signals) is not None:
        return None
    for row in signals.layers:
        expected = row.weight_norm * (row.input_rms or 0.0)
        is_stuck = row.preactivation_mean_square == 0 and not row.weight_gradient_norm
        if expected > UNDERFLOW and is_stuck:
            evidence = (
                "its output is exactly 0 for every input, though its weights and inputs are not"
            )
            reason = "look for rounding: quantized weights need a finer scale, or larger weights"
            return Verdict.cured("constant_output", row.name, evidence, None, reason)
    return None


def constant_output(signals: Signals) -> Verdict | None:
    """An output that is the same for inputs that differ, for no other reason that is known."""
    is_new = any(row.starts_at_zero for row in signals.layers)
    if not signals.inputs_differ or signals.has_learned or is_new:
        return None
    others_vary = any(head.spread > SAME for head in signals.heads)
    for head in signals.heads:
        if others_vary and not (head.has_maker or head.is_always_one):
            continue  # a weight that is given out, as the deviations of a policy
        wanted = head.targets
        # Targets of 1000 and something ask for outputs that differ as little.
        share = min(1.0, wanted.std / wanted.rms) if wanted is not None and wanted.rms else 1.0
        if head.spread <= SAME * share:
            evidence = (
                f"the output is the same for all {signals.samples} samples (they differ by "
                f"{head.spread:.1e} of its size), though the inputs are not"
            )
            cure = redraw(signals, "starts from weights whose outputs differ")
            if head.is_always_one:
                cure = None, "look for a softmax over one unit: a sigmoid is meant"
            return Verdict.cured("constant_output", head.name, evidence, *cure)
    return None
