"""Verdicts on the loss of a training."""

from __future__ import annotations

import math
from statistics import fmean, pstdev

from kerasinit.signals._remedy import NO_PENALTY, SMALLER_ADDED, Remedy
from kerasinit.signals._rules_at_once import DIAGNOSE
from kerasinit.signals._rules_of_scale import far_above
from kerasinit.signals._verdict import Verdict
from kerasinit.signals._window import Window, losses_of

SLOW_STEPS = 500  # training steps after which something should have happened
SLOW_DROP = 0.05  # of the first loss
NOISES = 2.0  # standard errors of a difference of mean losses that are no fall
LEARNED = 4.0  # of them below chance show learning: the lowest of many means is 2 or 3 by luck
DIVERGED = 2.0  # times the first loss
UNEVEN = 2.0  # times chance: a loss that begins above is a sum, or has weights
BOUNDLESS = 1e6  # times the first loss, below 0: no return of a policy is as large
PENALTY_STEPS = 50  # training steps after which the data should have had a say
ROUNDING = 2.0**-24  # of the sum over an epoch from which Keras reports the mean loss: float32


def slow(window: Window) -> Verdict | None:
    """The loss has hardly moved since the training began, or is that of knowing nothing."""
    losses = losses_of(window.steps)
    if window.step < SLOW_STEPS or window.improves or window.first.goes_on or not losses:
        return None
    now = fmean(losses)
    lowest = min(now, window.best_loss)
    return _hardly_moved(window, now, lowest) or _knows_nothing(window, now, lowest)


def _hardly_moved(window: Window, now: float, lowest: float) -> Verdict | None:
    losses = losses_of(window.steps)
    opening = losses_of(window.opening) or losses
    start = fmean(opening)
    # What the noise of small batches may hide is not called slow.
    noise = math.hypot(pstdev(opening), pstdev(losses)) / math.sqrt(len(losses))
    if not 0 <= start - lowest + NOISES * noise < SLOW_DROP * start or now > DIVERGED * start:
        return None
    if window.first_loss > start * (1 + SLOW_DROP) + 3 * pstdev(opening[1:] or opening):
        return None  # at its floor after the first steps
    chance = window.setup.chance
    if window.setup.has_floor and chance is not None:
        # The first records may have fallen already; chance has no noise.
        began = chance if window.first_loss > (1 - SLOW_DROP) * chance else start
        if began - lowest > LEARNED * noise:
            return None  # it has learned something: how much there is to learn is not known
    evidence = (
        f"{window.now}, the mean loss is {now:.4g}; it began at {start:.4g} and was never "
        f"below {lowest:.4g}"
    )
    cure = Remedy("scale_rate", "* 10"), "and see what `kerasinit.diagnose(model, x, y)` says"
    return Verdict.cured("slow", "loss", evidence, *cure)


def _knows_nothing(window: Window, now: float, lowest: float) -> Verdict | None:
    chance = window.setup.chance
    if chance is None or window.setup.has_floor or window.first_loss > UNEVEN * chance:
        return None
    if max(chance - lowest, now - chance) > SLOW_DROP * chance:
        return None
    evidence = (
        f"{window.now}, the mean loss is {now:.4g} and was never below {lowest:.4g}; a model that "
        f"knows nothing has {chance:.4g}"
    )
    fix = f"{DIAGNOSE}  # and see whether `x` and `y` belong together: neither shuffled alone"
    return Verdict("slow", "loss", evidence, fix)


def boundless(window: Window) -> Verdict | None:
    """A loss that falls for ever: to make it small is not what was meant."""
    start, now = window.first_loss, window.loss
    # After a loss of 1e30, the means that Keras reports tell later ones to within 1e24 only.
    largest = max([abs(start), *losses_of([*window.opening, *window.steps])])
    if not now < -BOUNDLESS * max(largest, 1.0):
        return None
    evidence = f"{window.now}, the loss has fallen from {start:.4g} to {now:.4g}, and has no end"
    fix = "# look at its sign: `fit` makes the loss as small as it can"
    return Verdict("bad_loss", "loss", evidence, fix)


def penalized(window: Window) -> Verdict | None:
    """Penalties so large that the model obeys them and not the data."""
    if window.step < PENALTY_STEPS or not penalty_rules(window):
        return None
    # What is left of the loss without the penalties is as exact as the sum of all steps with them.
    is_known = window.fall[1] > ROUNDING * window.step * window.first.penalty
    if is_known and (window.improves or window.has_started):
        return None
    evidence = (
        f"{window.now}, penalties of weights or activations, {window.first.penalty:.3g} of the "
        "loss at the start, rule the training: the loss of the data went from "
        f"{window.first_loss:.4g} to {window.loss:.4g}"
    )
    cure = NO_PENALTY if window.setup.has_regularizers else SMALLER_ADDED
    return Verdict.cured("unexpected_loss", "loss", evidence, *cure)


def penalty_rules(window: Window) -> bool:
    """Whether penalties are so large at the start that what happens to the weights is theirs."""
    return window.first.penalty > far_above(abs(window.first_loss))
