"""Verdicts on what does not fit together: output, loss and targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from kerasinit.signals._heads import HeadSignals, TargetSignals
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import STANDARDIZE, Remedy
from kerasinit.signals._verdict import Verdict

OUTSIDE = 0.05  # share of targets that the output cannot give: more than a few outliers
EDGE = 1e-3  # by which a probability may miss 0..1, in half precision
# Adam moves the output by about its rate for each unit and step: 1e5 is out of its reach in 1e4
# steps, and a squared error of them has gradients that no usual rate of SGD survives.
HUGE_TARGETS = 1e5
FAR_TARGETS = 10.0  # times the output: of a step that is too large, they are the reason
BYTES = 255  # largest value of an image that was not scaled
KERAS_LOSSES = {
    "sparsecategoricalcrossentropy": "keras.losses.SparseCategoricalCrossentropy({})",
    "categoricalcrossentropy": "keras.losses.CategoricalCrossentropy({})",
    "categoricalfocalcrossentropy": "keras.losses.CategoricalFocalCrossentropy({})",
    "binarycrossentropy": "keras.losses.BinaryCrossentropy({})",
    "binaryfocalcrossentropy": "keras.losses.BinaryFocalCrossentropy({})",
}
REGRESSIONS = (
    "meansquarederror",
    "meanabsoluteerror",
    "huber",
    "logcosh",
    "meanabsolutepercentageerror",
    "meansquaredlogarithmicerror",
)


def bad_targets(signals: Signals) -> Verdict | None:
    """Targets that the loss does not take, or that the output cannot reach."""
    return _first(signals, _targets_of_head)


def bad_loss(signals: Signals) -> Verdict | None:
    """A loss that takes something else than what the output gives."""
    found = _first(signals, _loss_of_head)
    if found is not None or signals.loss_error is None or bad_targets(signals) is not None:
        return found
    return Verdict(
        "bad_loss",
        "loss",
        f"the loss cannot be computed: {signals.loss_error}",
        "# give compile a loss that takes these targets",
    )


def _first(signals: Signals, rule: Callable[[HeadSignals, bool], Verdict | None]) -> Verdict | None:
    alone = len(signals.heads) == 1
    return next((found for head in signals.heads if (found := rule(head, alone))), None)


# --- output and loss --------------------------------------------------------------------------


def _loss_of_head(head: HeadSignals, alone: bool) -> Verdict | None:
    say = partial(_verdict, "bad_loss", head.name)
    if head.loss in KERAS_LOSSES:
        return _loss_of_classes(head, alone, say)
    if head.loss == "poisson" and head.low < 0:
        return say(
            f"the Poisson loss takes the logarithm of the output, which falls to {head.low:.3g}",
            switched(head, "softplus"),
            "use an activation that is never negative",
        )
    if head.loss == "kldivergence" and head.low < 0:
        return say(
            "the divergence takes the logarithm of the output, which falls to "
            f"{head.low:.3g}: what is below 0 gets no gradient",
            switched(head, "softmax"),
            "makes shares of it",
        )
    return None


def _loss_of_classes(head: HeadSignals, alone: bool, say: Callable[..., Verdict]) -> Verdict | None:
    if head.loss.startswith("categorical") and head.units == 1:
        return say(
            "a categorical cross-entropy divides a single unit by itself, which is always 1",
            _loss("binarycrossentropy", head.from_logits, alone),
            "two classes in one unit take the binary cross-entropy",
        )
    if head.from_logits and head.is_twice and head.is_probability:
        through = head.activation or "a softmax"
        return say(
            f"the loss takes logits, and the output went through {through} already",
            switched(head, "linear") or _loss(head.loss, False, alone),
            "leaves that to the loss",
        )
    if head.from_logits:
        return None
    is_linear = head.is_layer and head.activation is None
    beyond = head.activation is not None and head.reach in ((0.0, inf), (-1.0, 1.0))
    if not (is_linear or beyond) and -EDGE <= head.low and head.high <= 1 + EDGE:
        return None
    evidence = (
        f"the loss takes probabilities, and the output runs from {head.low:.3g} to {head.high:.3g}"
    )
    if is_linear or head.activation is None:
        remedy = _loss(head.loss, True, alone)
        return say(evidence, remedy, "takes outputs that have no softmax or sigmoid as they are")
    wanted = "sigmoid" if head.loss.startswith("binary") else "softmax"
    return say(
        f"{evidence}, after {head.activation}",
        switched(head, wanted),
        f"use {wanted} on the output",
    )


# --- targets ----------------------------------------------------------------------------------


def _targets_of_head(head: HeadSignals, alone: bool) -> Verdict | None:
    targets = head.targets
    if targets is None:
        return None
    say = partial(_verdict, "bad_targets", "targets")
    if head.loss.startswith("sparse"):
        return _labels(head, targets, alone, say)
    if head.loss in KERAS_LOSSES:
        return _shares(head, targets, alone, say)
    if head.loss in REGRESSIONS:
        return _values(head, targets, alone, say)
    if head.loss == "poisson" and targets.low < 0:
        return say(f"the Poisson loss takes counts, and targets fall to {targets.low:.3g}", None,
                   "use counts, or another loss")  # fmt: skip
    return None


def _labels(
    head: HeadSignals, targets: TargetSignals, alone: bool, say: Callable[..., Verdict]
) -> Verdict | None:
    """What a sparse cross-entropy takes: numbers of classes."""
    labels = f"the loss takes numbers of classes from 0 to {head.units - 1}"
    if _is_one_hot(head, targets):
        remedy = _loss("categoricalcrossentropy", head.from_logits, alone)
        return say(f"{labels}, and the targets are one-hot", remedy, "takes one-hot targets")
    if not targets.whole:
        return say(
            f"{labels}, and the targets, from {targets.low:.4g} to {targets.high:.4g}, are not all "
            "whole numbers",
            _regression(head, targets, alone),
            "a regression has a linear output and a squared error",
        )
    if targets.low >= 0 and targets.high < head.units:
        return None
    evidence = f"{labels}, and the targets run from {targets.low:g} to {targets.high:g}"
    if targets.high - targets.low < head.units:
        shift = f"y - {targets.low:g}" if targets.low >= 0 else f"y + {-targets.low:g}"
        return say(evidence, Remedy("map_targets", shift), "counts the classes from 0")
    if head.units == 1 and targets.low == 0 and targets.high == 1:
        remedy = _loss("binarycrossentropy", head.activation != "sigmoid", alone)
        return say(evidence, remedy, "two classes in one unit take the binary cross-entropy")
    needed = targets.high - min(targets.low, 0.0) + 1
    units = f"give {head.name} {needed:g} units, one for each class"
    if targets.low < 0:
        units = f"`ignore_class={targets.low:g}` in the loss leaves those out; or {units}"
    return say(evidence, None, units)


def _shares(
    head: HeadSignals, targets: TargetSignals, alone: bool, say: Callable[..., Verdict]
) -> Verdict | None:
    """What the other cross-entropies take: a share for each unit."""
    is_binary = head.loss.startswith("binary")
    numbers = targets.shape in (head.shape[:-1], (*head.shape[:-1], 1)) and head.units > 1
    if numbers and targets.whole and targets.low >= 0:
        return say(
            f"the loss takes a share for each of the {head.units} units, and the targets are "
            f"numbers of classes (up to {targets.high:g})",
            _loss("sparsecategoricalcrossentropy", head.from_logits, alone),
            "takes numbers of classes",
        )
    if targets.low >= -EDGE and targets.high <= 1 + EDGE:
        return None
    evidence = (
        f"the loss takes targets from 0 to 1, and they run from {targets.low:.4g} to "
        f"{targets.high:.4g}"
    )
    if targets.whole and (targets.low, targets.high) == (-1, 1):
        return say(evidence, Remedy("map_targets", "(y + 1) / 2"), "0 and 1 instead of -1 and 1")
    if targets.whole and targets.high - targets.low == 1:
        shift = f"y - {targets.low:g}" if targets.low >= 0 else f"y + {-targets.low:g}"
        return say(evidence, Remedy("map_targets", shift), "counts the classes from 0")
    if targets.whole and targets.low >= 0 and targets.high == BYTES:
        return say(evidence, Remedy("scale_targets", "y / 255.0"), "images as 0 to 1")
    if is_binary and head.units == 1 and targets.whole and 0 <= targets.low < targets.high < 100:
        return say(
            evidence,
            None,
            f"for {targets.high + 1:g} classes: a unit for each, softmax, and "
            "'sparse_categorical_crossentropy'; for a regression: a linear output and 'mse'",
        )
    return say(
        evidence,
        _regression(head, targets, alone),
        "a regression has a linear output and a squared error",
    )


def _values(
    head: HeadSignals, targets: TargetSignals, alone: bool, say: Callable[..., Verdict]
) -> Verdict | None:
    """What a regression takes: values that the output can reach."""
    if _stripped(targets.shape) != _stripped(head.shape):
        if head.activation == "softmax" and targets.whole and len(targets.shape) < 2:
            return say(
                f"the targets are numbers of classes, and the output has {head.units} units",
                _loss("sparsecategoricalcrossentropy", False, alone),
                "compares the units with the number of the class",
            )
        return say(
            f"targets of shape {targets.shape} meet an output of shape {head.shape}, and each is "
            "compared with all",
            None,
            "give targets and output one shape",
        )
    if targets.outside_share > OUTSIDE:
        evidence = (
            f"targets run from {targets.low:.4g} to {targets.high:.4g}, and {head.activation} "
            f"gives values from {head.reach[0]:.3g} to {head.reach[1]:.3g}"
        )
        if targets.whole and 0 <= targets.low and targets.high == BYTES and head.reach[1] == 1:
            return say(evidence, Remedy("scale_targets", "y / 255.0"), "images as 0 to 1")
        return say(evidence, switched(head, "linear"), "a regression has a linear output")
    if head.activation == "softmax" and head.units > 1 and not targets.sums_to_one:
        return say(
            "the units of a softmax sum to 1, and the targets do not",
            switched(head, "linear"),
            "a regression has a linear output",
        )
    if head.loss == "meanabsolutepercentageerror" and targets.zero_share > 0:
        return say(
            f"the loss divides by the target, and {100 * targets.zero_share:.2g} % of them are 0",
            Remedy("loss", "'mae'") if alone else None,
            "does not divide by the target",
        )
    if head.loss == "meansquaredlogarithmicerror" and targets.low <= -1:
        return say(
            f"the loss takes the logarithm of 1 + target, and targets fall to {targets.low:.3g}",
            Remedy("loss", "'mse'") if alone else None,
            "takes any value",
        )
    if targets.rms > HUGE_TARGETS and head.loss != "meansquaredlogarithmicerror":
        return unscaled_targets(head, "a step moves it by little or too much", alone=alone)
    return None


def is_far(head: HeadSignals) -> bool:
    """Whether the targets of a squared error are far larger than the output."""
    if head.loss != "meansquarederror" or head.targets is None:
        return False
    return head.targets.rms > FAR_TARGETS * max(1.0, abs(head.low), abs(head.high))


def unscaled_targets(head: HeadSignals, consequence: str, *, alone: bool = True) -> Verdict:
    """Targets of another size than any output has at the start."""
    rms = 0.0 if head.targets is None else head.targets.rms
    return _verdict(
        "bad_targets",
        "targets",
        f"the targets have an RMS of {rms:.3g}; the output starts near "
        f"{max(abs(head.low), abs(head.high)):.2g}, and {consequence}",
        Remedy("scale_targets", STANDARDIZE.format("y")) if alone else None,
        "undo it on predictions",
    )


def _verdict(cause: str, where: str, evidence: str, remedy: Remedy | None, reason: str) -> Verdict:
    if remedy is None:
        return Verdict(cause, where, evidence, f"# {reason}")
    return Verdict.cured(cause, where, evidence, remedy, reason)


def _is_one_hot(head: HeadSignals, targets: TargetSignals) -> bool:
    return head.units > 1 and targets.shape == head.shape and targets.sums_to_one


def _stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if shape[-1:] == (1,) else shape


def _loss(name: str, from_logits: bool, alone: bool) -> Remedy | None:
    """Another loss, where there is only one."""
    options = "from_logits=True" if from_logits else ""
    return Remedy("loss", KERAS_LOSSES[name].format(options)) if alone else None


def switched(head: HeadSignals, activation: str) -> Remedy | None:
    """Another activation, where it is an attribute of the layer."""
    return Remedy("output_activation", activation, head.switch) if head.switch else None


def _regression(head: HeadSignals, targets: TargetSignals, alone: bool) -> Remedy | None:
    if not (alone and head.switch and head.units == 1):
        return None
    scaled = STANDARDIZE.format("y") if targets.rms > HUGE_TARGETS else "y"
    return Remedy("regression", scaled, head.switch)
