"""Verdicts on the first step of the optimizer, before it is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from statistics import median

from kerasinit.signals._head_findings import DISTANCES, SQUARED
from kerasinit.signals._layer_signals import Signals
from kerasinit.signals._remedy import HALF_EPSILON, OTHER_OPTIMIZER, STANDARDIZE, Remedy, RemedyKind
from kerasinit.signals._rules_of_heads import unscaled
from kerasinit.signals._verdict import Verdict

# RMS of the change over RMS of the weights, in one step. TheDeepChecker keeps it in 1e-4..1e-1
# while training; first steps of Adam at 0.1 come to 0.8, and small nets still learn from there.
LARGE_UPDATE, SMALL_UPDATE = 1.0, 2e-4
# The gradient of plain SGD grows by much once the last layers have moved, Adam's steps do not.
SMALL_GRADIENT_STEP = 1e-6
# Steps that promise less of the loss, and change few of the weights: 1000 of them are no training.
# Plain SGD at Keras' default rate begins an LSTM with 1 to 5 times that.
SMALL_DROP, FEW_CHANGES = 1e-4, 5e-4
# Its steps grow with the gradients, up to the rate: at 10, a ranking whose gradients began small
# went from a loss of 1.6 to millions, at 0.1 (and 1) it was learned.
MOST_OF_ADAGRAD = 0.1
# Weights begin anew with Ftrl, at 0: two hidden layers of 64 learned nothing at 1e-3 and 1e-2, and
# all at 0.1; a linear model nothing at 1e-3 (its weights change by 0.85), and all at 1e-2.
FORGOTTEN, LEAST_OF_FTRL, FTRL_RATE = 0.8, 5e-2, 0.1
FAINT = 0.1  # RMS of what enters the last layer
FAR_TARGETS = 10.0  # times the output: of a step that is too large, they are the reason
# Of one that is too small: returns of a policy, often 20 to 60, are reached, and not to be scaled.
REMOTE_TARGETS = 100.0
# Rate times curvature once the output is as large as the targets, in units of the last layer's
# first step: of nets of 1, 2 and 4 hidden layers, those up to 0.36 learned (but for two of 4, at
# 0.2 and 0.3), those from 0.7 on diverged. A residual net learned at 0.6.
OUTGROWN = 0.7
USUAL_UPDATE = 1e-2  # what the suggested rate aims at
USUAL = "changes the weights by about 1 % in a step"
# The mean of squares starts at 1 - rho of the first one (0.1 by default): later steps are smaller.
FIRST_OF_RMSPROP = 10**0.5
# Share of the drop of the loss that its gradient promises. A step of rate r along a gradient with
# curvature c keeps 1 - r c / 2 of it, and gradient descent diverges where the largest curvature,
# a few times c, is above 2 / r.
KEPT_DROP = 0.25
BEYOND_UPDATE = 0.05  # relative update from which that is told: curvature alone harms no one
WORSE = 0.5  # rise of the loss in a step that changes half of the weights
# Half of the weights in 140 steps. Published rates take 1e-3 in a step at most: 0.3 * 3e-3 (ViT).
STRONG_DECAY = 5e-3
USUAL_DECAY = 0.004  # Keras' default
UNSEEN_RATE = 1e-7  # below it, float32 keeps nothing of a usual step
LOW_RATE = 1e-4  # a tenth of the default of most optimizers
PLAIN_RATE, OTHER_RATE = 1e-2, 1e-3  # Keras' defaults
CLIPPED = 0.1  # of the gradient is left: less tells why a step of plain descent is small
TRIFLE = 1e-3  # of the loss: a promised drop of less is lost in rounding


def not_trainable(signals: Signals) -> Verdict | None:
    """Nothing that training changes."""
    if not signals.is_frozen or signals.loss is None:
        return None
    evidence = "no weight is trainable, so training changes nothing"
    reason = "or only the layers that are to learn"
    return Verdict.cured("not_trainable", "model", evidence, Remedy("unfreeze"), reason)


def broken_update(signals: Signals) -> Verdict | None:
    """A first step that makes NaN of weights, though the gradients are finite."""
    rate = signals.learning_rate
    if rate is not None and not math.isfinite(rate):
        evidence = f"the learning rate is {rate:.3g}"
        return Verdict.cured("non_finite", "model", evidence, _rate(signals, 0.0), USUAL)
    broken = [name for ratio, name in _ratios(signals) if math.isnan(ratio)]
    if not broken:
        return None
    evidence = f"{_step(signals)} makes NaN of its weights, of finite gradients"
    cure = HALF_EPSILON if signals.divides_in_half else OTHER_OPTIMIZER
    return Verdict.cured("non_finite", broken[0], evidence, *cure)


def large_updates(signals: Signals) -> Verdict | None:
    """The first step goes beyond where the gradient leads.

    Of most optimizers it renews the weights as a whole; of plain gradient descent, it keeps little
    of what it promises.
    """
    rate, loss, after = signals.learning_rate or 0.0, signals.loss, signals.updated_loss
    if not math.isfinite(rate):
        return None  # that is for `broken_update`
    if rate < 0:
        evidence = f"the learning rate is {rate:.3g}: steps lead uphill"
        upright = Remedy("learning_rate", -rate)
        return Verdict.cured("large_updates", "model", evidence, upright, "a rate is above 0")
    if loss is not None and signals.decay > STRONG_DECAY:
        return decayed(signals.decay)
    ratios = _ratios(signals)
    if loss is None or after is None or not ratios or signals.has_learned:
        return None
    ratio = median(ratio for ratio, _ in ratios)
    is_plain = signals.optimizer == "SGD"
    if not _goes_too_far(signals, ratio, loss, after):
        return _outgrown(signals) if is_plain else None
    if is_plain:
        why, squared = "squares and steps as large come of it", (SQUARED,)
        far = _far_targets(signals, why, factor=FAR_TARGETS, losses=squared)
        if far is not None:
            return far
    largest, name = max(ratios, key=itemgetter(0))
    evidence = (
        f"{_step(signals)} changes its weights by {_percent(largest)}, and the loss of this batch "
        f"goes from {loss:.3g} to {after:.3g}"
    )
    if signals.divides_in_half:
        return Verdict.cured("large_updates", name, evidence, *HALF_EPSILON)
    # Plain descent diverges at the layer that changes most; but that may have next to no weights.
    wanted = math.sqrt(ratio * largest) if is_plain else ratio
    cure = _rate(signals, max(wanted, 10 * USUAL_UPDATE))
    return Verdict.cured("large_updates", name, evidence, cure, USUAL)


def _goes_too_far(signals: Signals, ratio: float, loss: float, after: float) -> bool:
    """Whether a step that changes a usual layer by `ratio` takes the loss to where it must not."""
    if ratio > LARGE_UPDATE / 2 and after - loss > WORSE * abs(loss):
        return True
    # One layer alone, but for a recurrent one, finds its way from any weights downhill.
    rows = [row for row in signals.layers if row.update_ratio is not None and not row.is_embedding]
    is_alone = len(rows) == 1 and rows[0].has_gain
    renews = ratio > LARGE_UPDATE and signals.optimizer != "Ftrl"  # whose first step always does
    if renews and not (is_alone and after < loss):
        return True
    promised = signals.promised_drop or 0.0
    # No loss of classes falls by more than itself, whatever its gradient promises.
    possible = min(promised, loss) if loss > 0 else promised
    keeps_little = promised > TRIFLE * abs(loss) and not loss - after > KEPT_DROP * possible
    return keeps_little and signals.optimizer == "SGD" and ratio > BEYOND_UPDATE


def _outgrown(signals: Signals) -> Verdict | None:
    """Targets so far from the outputs that plain descent on squares will diverge on its way there.

    An output that is to become f times larger lets each of n + 1 layers (n of them hidden) grow by
    f ** (1 / (n + 1)), and the curvature by f ** (2 n / (n + 1)). The last layer's first relative
    step is the rate times f times the curvature at the start; so rate times curvature come to that
    step times f ** ((n - 1) / (n + 1)). The mean of the targets is left to the last bias, momentum
    is not counted, and layers of a bounded activation do not grow: 1, 2 and 4 of tanh and 2 of
    sigmoid learned targets of 30 to 300 at a rate of 0.01.
    """
    last, head = signals.layers[-1], signals.heads[0] if len(signals.heads) == 1 else None
    if head is None or head.targets is None or head.loss != SQUARED or signals.is_normalized:
        return None
    if not (last.is_output and last.update_ratio and last.activation_std and signals.data_loss):
        return None
    spread, reached = head.targets.std, last.activation_std
    if spread <= FAR_TARGETS * max(reached, 1.0):
        return None
    usual = max(reached, last.input_rms or 0.0)  # of an output that was made small, too
    n, f = sum(not row.is_bounded for row in signals.hidden), spread / usual
    step = last.update_ratio * reached / usual * min(spread / math.sqrt(signals.data_loss), 1.0)
    if step * f ** ((n - 1) / (n + 1)) <= OUTGROWN:
        return None
    evidence = (
        f"the targets spread by {spread:.3g} about their mean, and the output by {reached:.2g}: on "
        f"the way from one to the other, steps of SGD at {signals.learning_rate:.3g} grow until "
        "they diverge"
    )
    remedy = Remedy("scale_targets", STANDARDIZE.format("y"))
    return Verdict.cured("bad_targets", "targets", evidence, remedy, "undo it on predictions")


def decayed(decay: float, said: str = "") -> Verdict:
    """The verdict on weight decay that takes a share of the weights in each step."""
    halved = math.ceil(math.log(0.5) / math.log1p(-decay)) if decay < 1 else 1
    evidence = (
        f"{said}weight decay takes {_percent(decay)} of the weights away in each step: without "
        f"new gradients they would halve in {halved} step{'s' * (halved > 1)}"
    )
    line = f"model.optimizer.weight_decay = {USUAL_DECAY}"
    reason = "Keras' default; it is multiplied by the learning rate"
    return Verdict.cured("large_updates", "model", evidence, Remedy("code", line), reason)


def small_updates(signals: Signals) -> Verdict | None:
    """The first step changes nothing to speak of."""
    ratios = _ratios(signals)
    if not ratios or signals.has_learned or signals.goes_on or not signals.loss:
        return None  # fine-tuning takes small steps, on purpose
    ratio, name = max(ratios, key=itemgetter(0))
    if signals.optimizer == "Ftrl":
        return _forgotten(signals, median(ratio for ratio, _ in ratios), name)
    # Adagrad's first step is as small as the gradient, too, unless its accumulator starts at 0.
    is_plain = signals.optimizer in ("SGD", "Adagrad")
    share = (signals.promised_drop or 0.0) * signals.momentum_gain / abs(signals.loss)
    if share < SMALL_DROP:
        steps = f"{signals.optimizer} at {signals.learning_rate:.3g} would take thousands of steps"
        why = f"{steps} to get there"
        far = _far_targets(signals, why, factor=REMOTE_TARGETS, losses=DISTANCES)
        if far is not None:
            return far
    promises_little = ratio < FEW_CHANGES and share < SMALL_DROP
    # Where the signal fades on its way up, gradients grow once the last layers move.
    entering = signals.layers[-1].input_rms
    is_faint = entering is not None and entering < FAINT
    promises_little = promises_little and not (is_plain and is_faint)
    limit = SMALL_GRADIENT_STEP if is_plain else SMALL_UPDATE
    rate, is_clipped = signals.learning_rate or 0.0, signals.clipped_share < CLIPPED
    if ratio == 0 and (rate > UNSEEN_RATE and not is_clipped):
        return None  # no gradient, or steps that are put off
    if not (ratio < limit or promises_little):
        return None
    evidence = (
        f"{_step(signals)} changes no layer by more than {ratio:.1e} of its weights, and should "
        f"lower the loss by {_percent(share)} only"
    )
    # Steps of a plain descent grow with the gradient; others are as small only by their epsilon.
    is_usual = ratio >= limit * signals.clipped_share if is_plain else rate >= LOW_RATE
    if is_clipped and (is_usual or ratio == 0):
        left = _percent(signals.clipped_share)
        evidence += f", because `{signals.clip}` leaves {left} of the gradient"
        line = f"model.optimizer.{signals.clip} = 1.0"
        return Verdict.cured("small_updates", name, evidence, Remedy("code", line), "is usual")
    if signals.optimizer == "Adagrad" and rate >= MOST_OF_ADAGRAD:
        return None  # no rate is known to help
    return Verdict.cured("small_updates", name, evidence, _rate(signals, ratio), USUAL)


def _forgotten(signals: Signals, ratio: float, name: str) -> Verdict | None:
    """Weights that Ftrl takes to next to 0, and does not bring back."""
    rate = signals.learning_rate or 0.0
    if not (ratio > FORGOTTEN and rate < LEAST_OF_FTRL):
        return None
    evidence = (
        f"{_step(signals)} takes the weights to next to 0, whatever they were, and later ones lead "
        "no further than the rate"
    )
    cure = Remedy("constant_rate" if signals.is_scheduled else "learning_rate", FTRL_RATE)
    return Verdict.cured("small_updates", name, evidence, cure, "or another optimizer")


def are_far(
    signals: Signals, limit: float = FAR_TARGETS, losses: Sequence[str] = (SQUARED,)
) -> bool:
    """Whether the one output has targets, of one of these losses, whose RMS is above a limit."""
    if len(signals.heads) != 1 or signals.heads[0].loss not in losses:
        return False
    targets = signals.heads[0].targets
    return targets is not None and targets.rms > limit


def _far_targets(
    signals: Signals, consequence: str, *, factor: float, losses: Sequence[str]
) -> Verdict | None:
    """Targets of one of these losses, so many times larger than the one output there is."""
    for head in signals.heads:
        limit = factor * max(1.0, abs(head.low), abs(head.high))
        if head.targets is not None and are_far(signals, limit, losses):
            found = unscaled(head, head.targets, consequence)
            return Verdict.cured("bad_targets", "targets", *found)
    return None


def _step(signals: Signals) -> str:
    return f"the first step of {signals.optimizer} at {signals.learning_rate:.3g}"


def _ratios(signals: Signals) -> list[tuple[float, str]]:
    """Relative updates of all layers but embeddings, whose rows are read one by one."""
    return [
        (row.update_ratio, row.name)
        for row in signals.layers
        if row.update_ratio is not None and not row.is_embedding
    ]


def _rate(signals: Signals, ratio: float) -> Remedy:
    """A round rate whose first step would be of the usual size; Keras' own where none is seen."""
    if ratio == 0 or not math.isfinite(signals.learning_rate or 0.0):
        own = PLAIN_RATE if signals.optimizer == "SGD" else OTHER_RATE
        return Remedy("constant_rate" if signals.is_scheduled else "learning_rate", own)
    if signals.optimizer == "RMSprop":
        ratio /= FIRST_OF_RMSPROP
    wanted = (signals.learning_rate or 0.0) * USUAL_UPDATE / ratio
    if signals.optimizer == "Adagrad":
        wanted = min(wanted, MOST_OF_ADAGRAD)
    kind: RemedyKind = "constant_rate" if signals.is_scheduled else "learning_rate"
    return Remedy(kind, 10.0 ** round(math.log10(max(wanted, 1e-8))))


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.{2 if ratio < 1 else 3}g} %"
