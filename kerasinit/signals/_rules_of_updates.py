"""Verdicts on the first step of the optimizer, before it is taken."""

from __future__ import annotations

import math
from statistics import median

from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import Remedy, RemedyKind
from kerasinit.signals._rules_of_heads import is_far, unscaled_targets
from kerasinit.signals._traits import has_learned
from kerasinit.signals._verdict import Verdict

# RMS of the change over RMS of the weights, in one step. TheDeepChecker keeps it in 1e-4..1e-1
# while training; first steps of Adam at 0.1 come to 0.8, and small nets still learn from there.
LARGE_UPDATE, SMALL_UPDATE = 1.0, 2e-4
# The gradient of plain SGD grows by much once the last layers have moved, Adam's steps do not.
SMALL_GRADIENT_STEP = 1e-6
# Steps that promise less of the loss, and change few of the weights: 1000 of them are no training.
# Plain SGD at Keras' default rate begins an LSTM with 1 to 5 times that.
SMALL_DROP, FEW_CHANGES = 1e-4, 5e-4
FAINT = 0.1  # RMS of what enters the last layer
USUAL_UPDATE = 1e-2  # what the suggested rate aims at
# Share of the drop of the loss that its gradient promises. A step of rate r along a gradient with
# curvature c keeps 1 - r c / 2 of it, and gradient descent diverges where the largest curvature,
# a few times c, is above 2 / r.
KEPT_DROP = 0.25
BEYOND_UPDATE = 0.05  # relative update from which that is told: curvature alone harms no one
WORSE = 0.5  # rise of the loss in a step that changes half of the weights
TRIFLE = 1e-3  # of the loss: a promised drop of less is lost in rounding


def not_trainable(signals: Signals) -> Verdict | None:
    """Nothing that training changes."""
    if not signals.is_frozen or signals.loss is None:
        return None
    return Verdict.cured(
        "not_trainable",
        "model",
        "no weight is trainable, so training changes nothing",
        Remedy("unfreeze"),
        "or only the layers that are to learn",
    )


def large_updates(signals: Signals) -> Verdict | None:
    """The first step goes beyond where the gradient leads.

    Of most optimizers it renews the weights as a whole; of plain gradient descent, it keeps little
    of what it promises.
    """
    loss, after = signals.loss, signals.updated_loss
    ratios = _ratios(signals)
    if loss is None or after is None or not ratios or has_learned(signals):
        return None
    name, largest = max(ratios, key=lambda pair: pair[1])
    ratio = median(ratio for _, ratio in ratios)
    promised = signals.promised_drop or 0.0
    is_plain = signals.optimizer == "SGD" and ratio > BEYOND_UPDATE
    beyond = is_plain and promised > TRIFLE * abs(loss) and not loss - after > KEPT_DROP * promised
    is_worse = ratio > LARGE_UPDATE / 2 and after - loss > WORSE * abs(loss)
    if not (ratio > LARGE_UPDATE or is_worse or beyond):
        return None
    far = [head for head in signals.heads if is_far(head)]
    if far and signals.optimizer == "SGD" and len(signals.heads) == 1:
        return unscaled_targets(far[0], "squares and steps as large come of it")
    return Verdict.cured(
        "large_updates",
        name,
        f"the first step of {signals.optimizer} at {signals.learning_rate:.3g} changes its weights "
        f"by {_percent(largest)}, and the loss of this batch goes from {loss:.3g} to {after:.3g}",
        _rate(signals, max(ratio, 10 * USUAL_UPDATE)),
        "changes the weights by about 1 % in a step",
    )


def small_updates(signals: Signals) -> Verdict | None:
    """The first step changes nothing to speak of."""
    ratios = _ratios(signals)
    if not ratios or has_learned(signals) or not signals.loss:
        return None
    name, ratio = max(ratios, key=lambda pair: pair[1])
    limit = SMALL_GRADIENT_STEP if signals.optimizer == "SGD" else SMALL_UPDATE
    drop = (signals.promised_drop or 0.0) * signals.momentum_gain
    if (
        drop < SMALL_DROP * abs(signals.loss)
        and len(signals.heads) == 1
        and is_far(signals.heads[0])
    ):
        steps = f"{signals.optimizer} at {signals.learning_rate:.3g} would take thousands of steps"
        return unscaled_targets(signals.heads[0], f"{steps} to get there")
    promises_little = ratio < FEW_CHANGES and drop < SMALL_DROP * abs(signals.loss)
    if signals.optimizer == "SGD":
        promises_little = promises_little and not _is_faint(signals)
    if not (0 < ratio < limit or (ratio > 0 and promises_little)):
        return None
    return Verdict.cured(
        "small_updates",
        name,
        f"the first step of {signals.optimizer} at {signals.learning_rate:.3g} changes no layer by "
        f"more than {ratio:.1e} of its weights, and promises {_percent(drop / abs(signals.loss))} "
        "of the loss",
        _rate(signals, ratio),
        "changes the weights by about 1 % in a step",
    )


def _is_faint(signals: Signals) -> bool:
    """Whether the signal fades on its way up: then gradients grow once the last layers move."""
    size = signals.layers[-1].input_rms
    return size is not None and size < FAINT


def _ratios(signals: Signals) -> list[tuple[str, float]]:
    """The same for all layers but embeddings, whose rows are read one by one."""
    return [
        (row.name, row.update_ratio)
        for row in signals.layers
        if row.update_ratio is not None and row.kind not in ("Embedding", "ReversibleEmbedding")
    ]


def _rate(signals: Signals, ratio: float) -> Remedy:
    """A round rate whose first step would be of the usual size."""
    wanted = (signals.learning_rate or 0.0) * USUAL_UPDATE / ratio
    kind: RemedyKind = "constant_rate" if signals.is_scheduled else "learning_rate"
    return Remedy(kind, 10.0 ** round(math.log10(max(wanted, 1e-8))))


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.2g} %" if ratio < 1 else f"{100 * ratio:.3g} %"
