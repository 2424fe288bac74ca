"""Verdicts on outputs that do not depend on the input."""

from __future__ import annotations

from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import Remedy
from kerasinit.signals._rules_of_heads import switched
from kerasinit.signals._traits import has_learned, redraw, starts_at_zero
from kerasinit.signals._verdict import Verdict

SAME = 1e-5  # deviation between samples over the size: 100 times the rounding of float32
UNDERFLOW = 1e-20  # products of smaller numbers may be 0 in float32, with no one to blame
USUAL_BATCH = 32  # samples, as `fit` takes by default


def single_sample(signals: Signals) -> Verdict | None:
    """A batch normalization that sees one value of each channel, and makes 0 of it."""
    if signals.lone_norm is None or signals.loss is None:
        return None
    return Verdict.cured(
        "single_sample",
        signals.lone_norm,
        "it normalizes a batch of one value for each channel: in training its output is the same "
        "for every input, and no gradient passes",
        Remedy("batch_size", USUAL_BATCH),
        "or LayerNormalization instead, which needs no batch",
    )


def constant_input(signals: Signals) -> Verdict | None:
    """Samples that are all the same, though their targets are not."""
    wanted = [head.targets.std for head in signals.heads if head.targets is not None]
    if signals.inputs_differ or signals.samples < 2 or not any(wanted):
        return None
    return Verdict(
        "constant_output",
        "input",
        f"all {signals.samples} samples of the batch have the same input, and their targets differ",
        "# look for a division of whole numbers, `x // 255`, or one sample that was repeated",
    )


def constant_layer(signals: Signals) -> Verdict | None:
    """A softmax over one unit, or a layer that makes nothing of weights and inputs."""
    learning = [row.weight_gradient_norm for row in signals.layers]
    for head in signals.heads:
        if head.is_lone_softmax or (head.is_always_one and not any(learning)):
            return lone_softmax(head.name, switched(head, "sigmoid"))
    for row in signals.layers:
        is_one = row.activation_mean == 1 and row.activation_std == 0
        if row.activation == "softmax" and row.units == 1 and is_one:
            return lone_softmax(row.name, None)
    if not signals.inputs_differ or has_learned(signals):
        return None
    for row in signals.layers:
        expected = row.weight_norm * (row.input_rms or 0.0)
        is_stuck = row.preactivation_mean_square == 0 and not row.weight_gradient_norm
        if expected > UNDERFLOW and is_stuck:
            return Verdict(
                "constant_output",
                row.name,
                "its output is exactly 0 for every input, though its weights and inputs are not",
                "# look for rounding: quantized weights need a finer scale, or larger weights",
            )
    return None


def lone_softmax(where: str, remedy: Remedy | None) -> Verdict:
    """A softmax over one unit, which says nothing."""
    evidence, reason = "a softmax over one unit is 1 for every input", "a softmax needs more units"
    if remedy is None:
        return Verdict("constant_output", where, evidence, f"# use a sigmoid there: {reason}")
    return Verdict.cured("constant_output", where, evidence, remedy, reason)


def constant_output(signals: Signals) -> Verdict | None:
    """An output that is the same for inputs that differ, for no other reason that is known."""
    if not signals.inputs_differ or has_learned(signals) or starts_at_zero(signals.layers):
        return None
    for head in signals.heads:
        wanted = head.targets
        # Targets of 1000 and something ask for outputs that differ as little.
        share = min(1.0, wanted.std / wanted.rms) if wanted is not None and wanted.rms else 1.0
        if head.spread <= SAME * share and not head.is_lone_softmax:
            return Verdict.cured(
                "constant_output",
                head.name,
                f"the output is the same for all {signals.samples} samples (they differ by "
                f"{head.spread:.1e} of its size), though the inputs are not",
                *redraw(signals, "starts from weights whose outputs differ"),
            )
    return None
