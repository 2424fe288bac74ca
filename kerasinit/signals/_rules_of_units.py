"""Verdicts on units that do no work of their own: copies, dead, saturated."""

from __future__ import annotations

import math
from itertools import zip_longest

from kerasinit.signals._head_findings import DISTANCES, SQUARED
from kerasinit.signals._heads import HeadSignals
from kerasinit.signals._layer_signals import LayerSignals, Signals, redraw
from kerasinit.signals._remedy import INITIALIZE, Remedy, layer_line
from kerasinit.signals._rules_of_scale import LARGE_INPUT
from kerasinit.signals._verdict import Verdict, and_more

HALF_OF_UNITS = 0.5  # dead or saturated units (SageMaker Debugger, TheDeepChecker)
FLAT_FROM = 1.5  # RMS of the pre-activation; tanh is flat from 3 on
# A ReLU unit of a deep layer is off for all inputs half of the time: 0.5 + 2/sqrt(n).
DEAD_SIGMAS = 2.0
USUAL_DROPOUT = 0.2
SPREAD_TARGETS = 0.2  # standard deviation: of 0 and 1, 4 % are 1
JUMP = 30.0  # times what layers and inputs make: of sums and products, few are as large
AS_LARGE = 2.0  # times the rows of an embedding: what enters a layer after it, at most
WORSE = 1.5  # times the loss of the best constant: outputs of 0 and 1 by luck have 2 (mse) or more
ALIKE = 0.1  # of that: the range of all outputs


def symmetric(signals: Signals) -> Verdict | None:
    """The first layer most of whose units are copies: they get equal updates for ever."""
    copies = [row for row in signals.hidden if row.units > 1 and row.is_symmetric]
    if not copies:
        return None
    row = copies[0]
    kind = "zero" if row.weight_norm == 0 else "the same"
    if row.is_embedding:
        evidence = f"{row.units} units of its embeddings are {kind} and stay one unit for ever"
        line = (
            f"e = {layer_line(row.path)}; e.set_weights("
            "[keras.initializers.RandomUniform()(w.shape) for w in e.get_weights()])"
        )
        cure = Remedy("code", line), "draws them as Keras does"
        return Verdict.cured("symmetric", row.name, evidence, *cure)
    evidence = (
        f"{round((row.duplicate_share or 0.0) * row.units)} of {row.units} units have equal "
        f"weights and equal gradients{and_more(copies)}; the weights are {kind}, so these units "
        "stay one unit for ever"
    )
    if row.constraint is not None:
        evidence += f"; their constraint {row.constraint} makes 0 of usual weights, too"
        reason = "leave that constraint out, or let it keep small weights"
        return Verdict.cured("symmetric", row.name, evidence, None, reason)
    return Verdict.cured("symmetric", row.name, evidence, INITIALIZE, "draws random weights")


def dead_units(signals: Signals) -> Verdict | None:
    """The first layer with more units off for all samples than depth explains."""
    for row, following in zip_longest(signals.layers, signals.layers[1:]):
        if following is not None and following.is_gate:
            continue  # a gate that its own bias opens half
        limit = min(HALF_OF_UNITS + DEAD_SIGMAS / math.sqrt(row.units), 0.99)
        if row.dead_share is not None and row.dead_share > limit and signals.samples > 1:
            evidence = (
                f"{round(row.dead_share * row.units)} of {row.units} units are off for all "
                f"{row.samples} samples and pass no gradient"
            )
            cure = _drawn_anew(row), "draws it anew; lower the learning rate if training led here"
            return Verdict.cured("dead_units", row.name, evidence, *cure)
    return None


def dropped_units(signals: Signals) -> Verdict | None:
    """A dropout that leaves next to nothing of a layer."""
    dropouts = signals.sparse_dropouts
    if not dropouts or signals.loss is None:
        return None
    name, rate, units = dropouts[0]
    evidence = (
        f"it leaves out {100 * rate:.3g} % of {units} units in each step of training"
        f"{and_more(dropouts)}: about {(1 - rate) * units:.2g} are left"
    )
    line = "; ".join(f"{layer_line(one)}.rate = {USUAL_DROPOUT}" for one, _, _ in dropouts)
    reason = "`rate` is the share that is left out; 0.1 to 0.5 is usual"
    return Verdict.cured("dead_units", name, evidence, Remedy("code", line), reason)


def saturated(signals: Signals) -> Verdict | None:
    """The first layer most of whose units sit in the flat part of the activation.

    Outputs may, but for those that are all alike, though their targets are not, and for those that
    are sure of what is wrong.
    """
    spoilt = {head.name for head in signals.heads if _are_alike(head)}
    spoilt |= {head.name for head in signals.heads if _is_wrong(head, signals)}
    for row in signals.layers:
        share = row.saturated_share
        if share is None or share <= HALF_OF_UNITS or row.is_gate:
            continue
        if row.is_output and row.name not in spoilt:
            continue
        if row.activation is None:  # of a recurrent layer
            evidence = (
                f"{100 * share:.0f} % of the values of its gates and states lie where they pass no "
                "gradient"
            )
        elif row.preactivation_rms < FLAT_FROM or (row.units == 1 and not row.is_output):
            continue  # a step function is flat everywhere
        else:
            evidence = (
                f"{round(share * row.units)} of {row.units} units of {row.activation} sit in its "
                f"flat part for almost all inputs (pre-activation RMS {row.preactivation_rms:.3g})"
            )
        table = _large_table(signals, row)
        if table is not None:
            evidence += f"; the rows of {table.name} have an RMS of {table.activation_rms:.3g}"
            return Verdict.cured("saturated", row.name, evidence, *_smaller_rows(table))
        grown = _grown_between(signals, row)
        if grown is not None:
            evidence += (
                f"; what enters {grown.name} has an RMS of {grown.input_rms:.3g}, and no layer "
                "before it makes anything as large"
            )
            reason = "look at what is added or multiplied there, as positions from 0 to the length"
            return Verdict.cured("saturated", row.name, evidence, None, reason)
        remedy, reason = redraw(signals, "gives smaller weights and biases")
        cure = _drawn_anew(row) if row.is_output else remedy, reason
        return Verdict.cured("saturated", row.name, evidence, *cure)
    return None


def _large_table(signals: Signals, row: LayerSignals) -> LayerSignals | None:
    """The embedding whose rows are too large for a layer: `initialize` keeps their scale."""
    if row.input_rms is None or row.input_rms <= LARGE_INPUT:
        return None
    for before in reversed(signals.layers[: signals.layers.index(row)]):
        if before.normalized:
            return None
        if before.is_embedding:
            size = before.activation_rms
            return before if size > max(LARGE_INPUT, row.input_rms / AS_LARGE) else None
    return None


def _grown_between(signals: Signals, row: LayerSignals) -> LayerSignals | None:
    """The first layer up to `row` that gets something far larger than layers and inputs make."""
    largest = max(signals.each_rms, default=0.0)
    for one in signals.layers[: signals.layers.index(row) + 1]:
        entering = one.input_rms or 0.0
        if largest > 0 and entering > max(LARGE_INPUT, JUMP * largest):
            return one
        largest = max(largest, one.activation_rms)
    return None


def _smaller_rows(table: LayerSignals) -> tuple[Remedy, str]:
    factor = 10 ** math.ceil(math.log10(table.activation_rms))
    line = f"e = {layer_line(table.path)}; e.set_weights([w / {factor} for w in e.get_weights()])"
    return Remedy("code", line), "and give it a smaller `embeddings_initializer`"


def _drawn_anew(row: LayerSignals) -> Remedy:
    """New weights, and no bias of an output, which `initialize` takes for its author's."""
    if not (row.is_output and row.has_kernel):
        return INITIALIZE
    line = f"b = {layer_line(row.path)}.bias; b is None or b.assign(0 * b)"
    return Remedy("code", f"{INITIALIZE.line}; {line}")


def _are_alike(head: HeadSignals) -> bool:
    """Whether the outputs hardly differ, and the targets of a regression do."""
    targets = head.targets if head.loss in DISTANCES else None
    if targets is None or targets.std < SPREAD_TARGETS:
        return False
    return head.high - head.low < ALIKE * targets.std


def _is_wrong(head: HeadSignals, signals: Signals) -> bool:
    """Whether the one output is worse than any that is the same for all samples."""
    if len(signals.heads) > 1 or signals.data_loss is None:
        return False
    constant = signals.chance_loss
    if head.targets is not None and head.loss == SQUARED:
        constant = head.targets.std**2
    return bool(constant) and signals.data_loss > WORSE * (constant or 0.0)
