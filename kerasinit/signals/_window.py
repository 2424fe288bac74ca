"""Verdicts over a window of training steps, from plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kerasinit.signals._rules_at_once import all_overflow, non_finite, spike
from kerasinit.signals._rules_over_time import (
    dead_units,
    exploding,
    exploding_rule,
    saturated,
    slow,
    updates,
    vanishing,
    zero_gradient,
)
from kerasinit.signals._training_steps import WARM_UP, TrainingStep, Window
from kerasinit.signals._verdict import TRAINING_CAUSES, Verdict

WINDOW = 20  # recorded steps to keep for `judge_window`


def judge_window(
    steps: Sequence[TrainingStep], *, first_loss: float | None = None
) -> tuple[Verdict, ...]:
    """What is wrong with the last training steps, root cause first; empty if healthy.

    A fault must persist over several records and is not raised while the loss falls, except for
    what cannot wait (NaN, a spike). Steps that loss scaling dropped are left out: they are its
    normal work, unless nothing else is left.

    Args:
        steps: The recorded steps, oldest first; keep the last `WINDOW` of them. A verdict's
            `where` is the layer, so (cause, where) tells a new verdict from a repeated one.
        first_loss: Loss at the start of the training; the oldest in `steps` if None.

    Source: thresholds of TheDeepChecker (Ben Braiek & Khomh, 2022,
    https://arxiv.org/abs/2204.00694) and AutoTrainer (Zhang et al., 2021), over a window.

    >>> from kerasinit.signals import LayerStep
    >>> layer = LayerStep("dense", gradient_rms=float("nan"), weight_rms=0.1, non_finite=3)
    >>> [verdict.cause for verdict in judge_window([TrainingStep(7, 0.5, (layer,))])]
    ['non_finite']
    """
    kept = [step for step in steps if not step.overflow]
    if len(steps) >= WARM_UP and not kept:
        return (all_overflow(steps),)
    if not kept or (steps and steps[-1].overflow):
        return ()
    if first_loss is None:
        first_loss = next((step.loss for step in kept if step.loss is not None), None)
    window = Window(kept, first_loss)
    broken = non_finite(window)
    if broken is not None:
        before = exploding(Window(kept[:-1], window.first_loss))
        return (broken,) if before is None else (before, broken)
    found = [verdict for rule in RULES for verdict in rule(window)]
    if any(verdict.cause == "exploding" for verdict in found):
        found = [verdict for verdict in found if verdict.cause != "spike"]  # it says the same
    return tuple(sorted(found, key=lambda verdict: TRAINING_CAUSES.index(verdict.cause)))


RULES: tuple[Callable[[Window], list[Verdict]], ...] = (
    zero_gradient,
    vanishing,
    exploding_rule,
    dead_units,
    saturated,
    spike,
    updates,
    slow,
)
