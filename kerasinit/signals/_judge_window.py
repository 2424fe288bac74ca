"""Verdicts over a window of training steps, from plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from kerasinit.signals import _rules_at_once as at_once
from kerasinit.signals import _rules_of_batches as batches
from kerasinit.signals import _rules_of_loss as loss
from kerasinit.signals import _rules_of_progress as progress
from kerasinit.signals import _rules_over_time as over_time
from kerasinit.signals._remedy import Remedy, of_schedule
from kerasinit.signals._rules_of_updates import FTRL_RATE
from kerasinit.signals._training_steps import TrainingStep
from kerasinit.signals._verdict import Verdict, table, without_restatements
from kerasinit.signals._window import WARM_UP, Setup, Window


def judge_window(
    steps: Sequence[TrainingStep],
    *,
    opening: Sequence[TrainingStep] = (),
    best_loss: float | None = None,
    first_loss: float | None = None,
    setup: Setup | None = None,
) -> tuple[Verdict, ...]:
    """What is wrong with the last training steps, root cause first; empty if healthy.

    A fault must persist over several records and is not raised while the loss falls, except for
    what cannot wait (NaN, a spike). Steps that loss scaling dropped are left out: they are its
    normal work, unless nothing else is left.

    Args:
        steps: The recorded steps, oldest first; keep the last `WINDOW` of them. A verdict's
            `where` is the layer, so (cause, where) tells a new verdict from a repeated one.
        opening: The first `WINDOW` recorded steps of the training.
        best_loss: Lowest mean loss so far of `WINDOW` records in a row.
        first_loss: Loss at the start of the training; the first of `opening` and `steps` that is
            not 0, if None.
        setup: What is known from before the first step; usual things if None.

    Source: thresholds of TheDeepChecker (Ben Braiek & Khomh, 2022,
    https://arxiv.org/abs/2204.00694) and AutoTrainer (Zhang et al., 2021), over a window.

    >>> from kerasinit.signals import LayerStep
    >>> layer = LayerStep("dense", gradient_rms=float("nan"), weight_rms=0.1, non_finite=3)
    >>> [verdict.cause for verdict in judge_window([TrainingStep(7, 0.5, (layer,))])]
    ['non_finite']
    """
    kept = [step for step in steps if not step.overflow]
    if len(steps) >= WARM_UP and not kept:
        return (at_once.all_overflow(steps),)
    if not kept or (steps and steps[-1].overflow):
        return ()
    opening = [step for step in opening if not step.overflow]
    if first_loss is None:
        losses = (step.loss for step in [*opening, *kept] if step.loss)  # one sample may have none
        first_loss = next(losses, math.nan)
    best_loss = math.inf if best_loss is None else best_loss
    window = Window(kept, opening, best_loss, first_loss, setup or Setup())
    broken = at_once.non_finite(window)
    if broken is not None:
        before = replace(window, steps=kept[:-1])
        root = progress.runaway(before) or over_time.exploding(before)
        if root is None:
            return (broken,)
        root = _for_the_model(root, window)
        return root, replace(broken, fix=root.fix)
    found = [verdict for rule in RULES if (verdict := rule(window)) is not None]
    verdicts = (_for_the_model(one, window) for one in without_restatements(found, RESTATES))
    return tuple(verdict.keeping(window.setup.compiled) for verdict in verdicts)


RULES: tuple[Callable[[Window], Verdict | None], ...] = (
    batches.sorted_targets, over_time.symmetric, over_time.single_sample, progress.large_updates,
    loss.penalized, over_time.exploding_loss, over_time.zero_gradient, over_time.unscaled_input,
    over_time.vanishing, over_time.dead_units, over_time.saturated, at_once.spike,
    progress.small_updates, loss.slow, loss.boundless,
)  # fmt: skip
"""Roots before what follows from them."""

# What says no more than any one of these others, or follows from it.
RESTATES = table(
    large_updates="bad_targets",
    exploding="large_updates bad_targets",
    zero_gradient="symmetric large_updates unexpected_loss single_sample dead_units",
    vanishing="symmetric large_updates unexpected_loss unscaled_input zero_gradient "
    "single_sample dead_units",
    dead_units="symmetric unexpected_loss unscaled_input single_sample",
    saturated="unexpected_loss",
    spike="large_updates exploding bad_targets",
    small_updates="symmetric large_updates unexpected_loss unscaled_input zero_gradient "
    "single_sample vanishing dead_units bad_targets",
    slow="symmetric large_updates unexpected_loss unscaled_input zero_gradient "
    "single_sample vanishing dead_units saturated small_updates bad_targets",
)


def _for_the_model(verdict: Verdict, window: Window) -> Verdict:
    """The same, with a fix that a schedule or a constraint does not undo."""
    setup = window.setup
    if setup.forgets and verdict.cause in ("symmetric", "vanishing", "small_updates"):
        reason = "Ftrl takes weights to next to 0 at once; or another optimizer"
        cure = Remedy("learning_rate", FTRL_RATE)
        return Verdict.cured(verdict.cause, verdict.where, verdict.evidence, cure, reason)
    if setup.is_constrained and verdict.cause == "symmetric":  # one batch tells which
        return replace(
            verdict, fix=f"{at_once.DIAGNOSE}  # says which constraint does that", remedy=None
        )
    if setup.is_steered and verdict.remedy is not None and verdict.remedy.kind == "scale_rate":
        fix = f"# let LearningRateScheduler give the rate {verdict.remedy.value}; it sets it anew"
        return replace(verdict, fix=fix, remedy=None)
    if not setup.is_scheduled or verdict.remedy is None:
        return verdict
    remedy = of_schedule(verdict.remedy)
    return replace(
        verdict, fix=verdict.fix.replace(verdict.remedy.line, remedy.line), remedy=remedy
    )
