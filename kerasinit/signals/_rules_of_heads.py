"""Verdicts on what does not fit together: output, loss and targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf

from kerasinit.signals._head_findings import (
    CLASS_LOSSES,
    DISTANCES,
    REGRESSIONS,
    Finding,
    other_loss,
    switched,
)
from kerasinit.signals._heads import HeadSignals
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import STANDARDIZE, Remedy
from kerasinit.signals._target_shapes import both_shapes, refused_shape, stripped, wrong_shape
from kerasinit.signals._targets import TargetSignals
from kerasinit.signals._verdict import Verdict

OUTSIDE = 0.05  # share of targets that the output cannot give: more than a few outliers
EDGE = 1e-3  # by which a probability may miss 0..1, in half precision
# Adam moves the output by about its rate for each unit and step: 1e5 is out of its reach in 1e4
# steps, and a squared error of them has gradients that no usual rate of SGD survives.
HUGE_TARGETS = 1e5
# Standard deviation of outputs over that of targets: nets and linear models that began 150 times as
# wide had learned nothing after 1200 steps of SGD, RMSprop or Adam, a net at 50 most after 2000.
DWARFED = 100.0
USUAL_OUTPUT = 3.0  # standard deviation; of larger ones, inputs or weights are the reason
BYTES = 255  # largest value of an image that was not scaled
AS_SHARES = Remedy("scale_targets", "y / 255.0"), "images as 0 to 1"
# Of several losses and targets a line of code would change all: what is to be changed of one.
OF_ONE_OUTPUT = {
    "loss": "loss {}",
    "regression": "a linear activation and the loss 'mse'",
    "several_labels": "sigmoid and the loss 'binary_crossentropy'",
    "scale_targets": "y = {}",
    "map_targets": "y = {}",
}

SQUASHING = ("softmax", "sigmoid")
SEVERAL_CLASSES = 3  # of two, one may be so rare that a batch has none
ENOUGH_SAMPLES = 32  # of one class: of shuffled data, hardly ever a whole batch is

METRICS = "give your other metrics again"
TWO_CLASSES = "two classes in one unit take the binary cross-entropy"


def bad_targets(signals: Signals) -> Verdict | None:
    """Targets that the loss does not take, or that the output cannot reach."""
    found = _first(signals, "bad_targets", _targets_of_head)
    if found is None and signals.loss_error is not None:
        return _first(signals, "bad_targets", refused_shape)
    return found


def bad_loss(signals: Signals) -> Verdict | None:
    """A loss that takes something else than what the output gives."""
    found = _first(signals, "bad_loss", _loss_of_head)
    if found is not None or signals.loss_error is None or bad_targets(signals) is not None:
        return found
    evidence = f"the loss or its gradient cannot be computed: {signals.loss_error}"
    reason = "if it is the loss, give compile one that takes these targets"
    return Verdict.cured("bad_loss", "loss", evidence, None, reason)


def _first(
    signals: Signals, cause: str, rule: Callable[[HeadSignals], Finding | None]
) -> Verdict | None:
    """The first output that a rule finds wrong."""
    for head in signals.heads:
        found = rule(head)
        if found is not None:
            evidence, remedy, reason = found
            alone = len(signals.heads) == 1
            if not alone and remedy is not None and remedy.kind in OF_ONE_OUTPUT:
                change = OF_ONE_OUTPUT[remedy.kind].format(remedy.value)
                remedy, reason = None, f"of {head.name}: {change}; {reason}"
            where = head.name
            if cause == "bad_targets":
                where = "targets" if alone else f"targets of {head.name}"
            return Verdict.cured(cause, where, evidence, remedy, reason)
    return None


# --- output and loss --------------------------------------------------------------------------


def _loss_of_head(head: HeadSignals) -> Finding | None:
    if head.loss in CLASS_LOSSES:
        found = _squashed_twice(head) or _rectified(head)
        return found or _loss_of_labels(head) or _no_probabilities(head)
    if head.takes_shares:
        evidence = (
            f"the output runs from {head.low:.3g} to {head.high:.3g}, and beyond 0 to 1 the loss "
            "falls below that of outputs that are the targets: it takes probabilities"
        )
        wanted = (
            "softmax"
            if head.units > 1 and head.targets is not None and head.targets.sums_to_one
            else "sigmoid"
        )
        return evidence, switched(head, wanted), f"use {wanted} on the output"
    takes = f"takes the logarithm of the output, which falls to {head.low:.3g}"
    if head.low < 0 and head.loss == "poisson":
        reason = "use an activation that is never negative"
        return f"the Poisson loss {takes}", switched(head, "softplus"), reason
    if head.low < 0 and head.loss == "kldivergence":
        evidence = f"the divergence {takes}: what is below 0 gets no gradient"
        return evidence, switched(head, "softmax"), "makes shares of it"
    return None


def _no_probabilities(head: HeadSignals) -> Finding | None:
    """An output that is not of the kind that a loss of classes takes."""
    if head.loss.startswith("categorical") and head.units == 1:
        evidence = "a categorical cross-entropy divides a single unit by itself, which is always 1"
        return evidence, other_loss("binarycrossentropy", head.from_logits), TWO_CLASSES
    if head.from_logits:
        if not (head.is_twice and head.is_probability):
            return None
        through = head.activation or "a softmax"
        evidence = f"the loss takes logits, and the output went through {through} already"
        remedy = switched(head, "linear") or other_loss(head.loss, False)
        return evidence, remedy, "leaves that to the loss"
    is_linear = head.is_layer and head.activation is None
    beyond = head.activation is not None and head.reach in ((0.0, inf), (-1.0, 1.0))
    if not (is_linear or beyond) and -EDGE <= head.low and head.high <= 1 + EDGE:
        return None
    evidence = (
        f"the loss takes probabilities, and the output runs from {head.low:.3g} to {head.high:.3g}"
    )
    if head.activation is None:
        reason = "takes outputs that have no softmax or sigmoid as they are"
        return evidence, other_loss(head.loss, True), reason
    wanted = "sigmoid" if head.loss.startswith("binary") else "softmax"
    evidence += f", after {head.activation}"
    return evidence, switched(head, wanted), f"use {wanted} on the output"


def _squashed_twice(head: HeadSignals) -> Finding | None:
    """An output that two activations squeeze into 0..1, one right after the other."""
    if head.before not in SQUASHING or head.activation not in SQUASHING:
        return None
    others = head.units - 1 if head.activation == "softmax" else 1
    low = 1 / (1 + others * math.e) if head.activation == "softmax" else 0.5
    evidence = (
        f"the output goes through {head.before} and then through {head.activation}, which leaves "
        f"values between {low:.2g} and {math.e / (math.e + others):.2g} only"
    )
    where = head.before_switch
    remedy = Remedy("output_activation", "linear", where) if where else None
    return evidence, remedy, "one of them is enough"


def _rectified(head: HeadSignals) -> Finding | None:
    """Logits that a ReLU cuts off at 0."""
    is_before = head.before == "relu" and head.activation in SQUASHING
    if not (is_before or (head.activation == "relu" and head.from_logits)):
        return None
    evidence = "the logits go through relu, and those that would be below 0 get no gradient"
    if head.loss.startswith("binary"):
        evidence += "; no probability is below 0.5"
    where = head.before_switch if is_before else head.switch
    remedy = Remedy("output_activation", "linear", where) if where else None
    return evidence, remedy, "logits have either sign"


def _loss_of_labels(head: HeadSignals) -> Finding | None:
    """Several labels of one sample, and units that share a sum of 1."""
    is_categorical = head.loss.startswith("categorical")
    sums_up = head.activation == "softmax" or (head.sums_to_one and head.activation is None)
    ones = 0 if head.targets is None else head.targets.most_ones
    if ones > 1 and head.units > 1 and (is_categorical or sums_up):
        evidence = (
            f"a sample has up to {ones} labels at once, and "
            f"{'this loss' if is_categorical else 'a softmax'} makes the units share a sum of 1, "
            "so that they cannot all be near 1"
        )
        remedy = Remedy("several_labels", where=head.switch) if head.switch else None
        if is_categorical and (head.from_logits or head.activation in (None, "sigmoid")):
            remedy = other_loss("binarycrossentropy", head.from_logits or head.activation is None)
        elif not is_categorical:
            remedy = switched(head, "sigmoid")
        words = (
            "sigmoid and binary cross-entropy: a yes or no for each label; if they are draws of "
            "one distribution, divide each row of targets by its sum instead"
        )
        return evidence, remedy, words
    if head.shares_axis is not None and head.units > 1 and "categorical" in head.loss:
        evidence = (
            f"the output sums to 1 over axis {head.shares_axis}, and the loss takes shares over "
            "the last axis"
        )
        return evidence, None, "give the softmax of the output `axis=-1`"
    return None


# --- targets ----------------------------------------------------------------------------------


def _targets_of_head(head: HeadSignals) -> Finding | None:
    targets = head.targets
    if targets is None:
        return None
    if head.is_crossed:
        evidence = (
            f"{both_shapes(head, targets)}, and the loss compares each target with all outputs"
        )
        column = "y.reshape(-1, 1)" if head.shape else "y.reshape(-1)"
        return evidence, Remedy("map_targets", column), "the shape of the output"
    is_alone = head.units >= SEVERAL_CLASSES and targets.samples >= ENOUGH_SAMPLES
    if is_alone and "categorical" in head.loss and targets.only_class is not None:
        evidence = (
            f"all {targets.samples} targets are class {targets.only_class}, and the output has "
            f"{head.units} units, one for each class"
        )
        reason = (
            "look how labels are read; shuffle data that is sorted by class; of rare classes, give "
            "a batch that has some"
        )
        return evidence, None, reason
    if head.loss.startswith("sparse"):
        return _labels(head, targets)
    if head.loss in CLASS_LOSSES:
        return _shares(head, targets)
    if head.loss in REGRESSIONS:
        return _values(head, targets)
    if head.loss == "poisson" and targets.low < 0:
        evidence = f"the Poisson loss takes counts, and targets fall to {targets.low:.3g}"
        return evidence, None, "use counts, or another loss"
    return None


def _labels(head: HeadSignals, targets: TargetSignals) -> Finding | None:
    """What a sparse cross-entropy takes: numbers of classes."""
    evidence = f"the loss takes numbers of classes from 0 to {head.units - 1}, and the targets"
    if head.units > 1 and targets.shape == head.shape and targets.sums_to_one:
        remedy = other_loss("categoricalcrossentropy", head.from_logits, "class_loss")
        return f"{evidence} are one-hot", remedy, f"takes one-hot targets; {METRICS}"
    if math.prod(targets.shape) < math.prod(head.shape[:-1]):
        return refused_shape(head)
    if not targets.whole:
        found = f", from {targets.low:.4g} to {targets.high:.4g}, are not all whole numbers"
        return evidence + found, *_regression(head, targets)
    if targets.low >= 0 and targets.high < head.units:
        return None
    evidence += f" run from {targets.low:g} to {targets.high:g}"
    if targets.high - targets.low < head.units:
        return evidence, *_from_zero(targets)
    if head.units == 1 and targets.low == 0 and targets.high == 1:
        is_linear = head.activation not in SQUASHING  # a softmax over one unit becomes a sigmoid
        return evidence, other_loss("binarycrossentropy", is_linear), TWO_CLASSES
    needed = targets.high - min(targets.low, 0.0) + 1
    units = f"give {head.name} {needed:g} units, one for each class"
    if targets.low < 0:
        units = f"`ignore_class={targets.low:g}` in the loss leaves those out; or {units}"
    return evidence, None, units


def _shares(head: HeadSignals, targets: TargetSignals) -> Finding | None:
    """What the other cross-entropies take: a share for each unit."""
    numbers = targets.shape in (head.shape[:-1], (*head.shape[:-1], 1)) and head.units > 1
    if numbers and targets.whole and targets.low >= 0:
        evidence = (
            f"the loss takes a share for each of the {head.units} units, and the targets are "
            f"numbers of classes (up to {targets.high:g})"
        )
        remedy = other_loss("sparsecategoricalcrossentropy", head.from_logits, "class_loss")
        return evidence, remedy, f"takes numbers of classes; {METRICS}"
    low, high, whole = targets.low, targets.high, targets.whole
    if low >= -EDGE and high <= 1 + EDGE:
        return None
    evidence = f"the loss takes targets from 0 to 1, and they run from {low:.4g} to {high:.4g}"
    if whole and (low, high) == (-1, 1):
        return evidence, Remedy("map_targets", "(y + 1) / 2"), "0 and 1 instead of -1 and 1"
    if whole and high - low == 1:
        return evidence, *_from_zero(targets)
    if _is_bytes(targets):
        return evidence, *AS_SHARES
    if whole and 0 <= low < high < 100 and head.loss.startswith("binary") and head.units == 1:
        several = (
            f"for {high + 1:g} classes: a unit for each, softmax, and "
            "'sparse_categorical_crossentropy'; for a regression: a linear output and 'mse'"
        )
        return evidence, None, several
    return evidence, *_regression(head, targets)


def _values(head: HeadSignals, targets: TargetSignals) -> Finding | None:
    """What a regression takes: values that the output can reach."""
    linear = switched(head, "linear"), "a regression has a linear output"
    if stripped(targets.shape) != stripped(head.shape):
        return wrong_shape(head, targets)
    if targets.outside_share > OUTSIDE:
        evidence = (
            f"targets run from {targets.low:.4g} to {targets.high:.4g}, and {head.activation} "
            f"gives values from {head.reach[0]:.3g} to {head.reach[1]:.3g}"
        )
        return evidence, *(AS_SHARES if _is_bytes(targets) and head.reach[1] == 1 else linear)
    if head.activation == "softmax" and head.units > 1 and not targets.sums_to_one:
        return "the units of a softmax sum to 1, and the targets do not", *linear
    crosses_zero = targets.zero_share > 0 or targets.low < 0 < targets.high
    if head.loss == "meanabsolutepercentageerror" and crosses_zero:
        which = f"{100 * targets.zero_share:.2g} % of them are 0"
        if not targets.zero_share:
            which = f"they run from {targets.low:.3g} to {targets.high:.3g}: those near 0 rule it"
        evidence = f"the loss divides by the target, and {which}"
        return evidence, Remedy("loss", "'mae'"), "does not divide by the target"
    if head.loss == "meansquaredlogarithmicerror":
        fall = f"the loss takes the logarithm of 1 + target, and targets fall to {targets.low:.3g}"
        return (fall, Remedy("loss", "'mse'"), "takes any value") if targets.low <= -1 else None
    if targets.rms > HUGE_TARGETS:
        return unscaled(head, targets, "steps move it far too little to get there, or far too much")
    if head.loss in DISTANCES and 0 < targets.std < min(head.std, USUAL_OUTPUT) / DWARFED:
        evidence = (
            f"the targets vary by {targets.std:.2g}, and the output by {head.std:.2g}: what is "
            "left of that hides them"
        )
        return evidence, Remedy("scale_targets", STANDARDIZE.format("y")), "undo it on predictions"
    return None


def unscaled(head: HeadSignals, targets: TargetSignals, consequence: str) -> Finding:
    """Targets of another size than any output has at the start."""
    evidence = (
        f"the targets have an RMS of {targets.rms:.3g}; the output starts near "
        f"{max(abs(head.low), abs(head.high)):.2g}, and {consequence}"
    )
    return evidence, Remedy("scale_targets", STANDARDIZE.format("y")), "undo it on predictions"


def _is_bytes(targets: TargetSignals) -> bool:
    return targets.whole and targets.low >= 0 and targets.high == BYTES


def _from_zero(targets: TargetSignals) -> tuple[Remedy, str]:
    sign = "-" if targets.low >= 0 else "+"
    shifted = Remedy("map_targets", f"y {sign} {abs(targets.low):g}")
    return shifted, "counts the classes from 0"


def _regression(head: HeadSignals, targets: TargetSignals) -> tuple[Remedy | None, str]:
    remedy = None
    if head.switch and head.units == 1:
        scaled = STANDARDIZE.format("y") if targets.rms > HUGE_TARGETS else "y"
        remedy = Remedy("regression", scaled, head.switch)
    return remedy, "a regression has a linear output and a squared error"
