"""Verdicts over a window of training steps, from plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kerasinit.signals._rules_at_once import all_overflow, non_finite, spike
from kerasinit.signals._rules_of_progress import (
    large_updates,
    penalized,
    runaway,
    slow,
    small_updates,
)
from kerasinit.signals._rules_over_time import (
    dead_units,
    exploding,
    exploding_loss,
    saturated,
    single_sample,
    symmetric,
    vanishing,
    zero_gradient,
)
from kerasinit.signals._training_steps import WARM_UP, TrainingStep, Window
from kerasinit.signals._verdict import Verdict

WINDOW = 20  # recorded steps to keep for `judge_window`


def judge_window(
    steps: Sequence[TrainingStep],
    *,
    opening: Sequence[TrainingStep] = (),
    best_loss: float | None = None,
    first_loss: float | None = None,
    is_scheduled: bool = False,
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
        first_loss: Loss at the start of the training; that of the oldest of `opening`, or of
            `steps`, if None.
        is_scheduled: Whether a schedule sets the learning rate.

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
    opening = [step for step in opening if not step.overflow]
    if first_loss is None:
        losses = (step.loss for step in [*opening, *kept] if step.loss is not None)
        first_loss = next(losses, None)
    window = Window(kept, opening, best_loss, first_loss, is_scheduled)
    broken = non_finite(window)
    if broken is not None:
        before = Window(kept[:-1], opening, best_loss, first_loss)
        root = runaway(before) or exploding(before)
        return (broken,) if root is None else (root, replace(broken, fix=root.fix))
    found = (rule(window) for rule in RULES)
    return roots_first([verdict for verdict in found if verdict is not None])


RULES: tuple[Callable[[Window], Verdict | None], ...] = (
    symmetric, single_sample, large_updates, penalized, exploding_loss, zero_gradient, vanishing,
    dead_units, saturated, spike, small_updates, slow,
)  # fmt: skip
"""Roots before what follows from them."""

# Which other causes say the same again, or follow.
EXPLAINS = {
    "symmetric": "zero_gradient vanishing dead_units small_updates slow",
    "large_updates": "exploding zero_gradient vanishing spike slow small_updates",
    "unexpected_loss": "zero_gradient vanishing dead_units saturated small_updates slow",
    "unscaled_input": "vanishing dead_units small_updates slow",
    "exploding": "spike",
    "zero_gradient": "vanishing small_updates slow",
    "single_sample": "zero_gradient vanishing dead_units small_updates slow",
    "vanishing": "small_updates slow",
    "dead_units": "zero_gradient vanishing small_updates slow",
    "saturated": "slow",
    "small_updates": "slow",
}


def roots_first(found: list[Verdict]) -> tuple[Verdict, ...]:
    """Those that no other one explains, in the order of `RULES`."""
    explained = {cause for root in found for cause in EXPLAINS.get(root.cause, "").split()}
    return tuple(verdict for verdict in found if verdict.cause not in explained)
