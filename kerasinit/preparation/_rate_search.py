"""Copies of a model at several learning rates, of which fewer and fewer train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._rate_rule import STAGES, RateCurve, going_on, last_quarter
from kerasinit.preparation._trial import Trial

MOST_STEPS = sum(steps for _, steps in STAGES)
MOST_BYTES = 2**32  # of all copies with their optimizers' variables, in main memory


def rate_curves(
    trial: Trial, weights: Weights, rates: Sequence[float]
) -> tuple[tuple[RateCurve, ...], np.ndarray]:
    """What a model does at each rate, and on the last batches if it does not move.

    Copies wait in main memory for the steps that come; those of a large model begin anew instead,
    which takes 202 steps for 147.

    Args:
        trial: Trains the copies.
        weights: Where all of them start.
        rates: Their learning rates.
    """
    copies = [trial.start(weights, rate) for rate in rates]
    are_kept = sum(copy.nbytes for copy in copies) <= MOST_BYTES
    losses: list[list[float]] = [[] for _ in rates]
    left, first = list(range(len(rates))), 0
    for count, steps in STAGES:
        if first:
            kept = going_on(np.array([losses[i] for i in left]), count)
            left, copies = [left[i] for i in kept], [copies[i] for i in kept]
        if are_kept:
            copies, found = trial.advance(copies, first, first + steps)
        else:
            found = np.array(
                [trial.advance([copy], 0, first + steps)[1][0, first:] for copy in copies]
            )
        for i, row in zip(left, found, strict=True):
            losses[i] += row.tolist()
        first += steps
    curves = tuple(RateCurve(rate, tuple(row)) for rate, row in zip(rates, losses, strict=True))
    return curves, _losses_at_rest(trial, weights, last_quarter(first))


def _losses_at_rest(trial: Trial, weights: Weights, steps: slice) -> np.ndarray:
    """Losses of a copy that does not move."""
    copy = trial.start(weights, 0.0)
    _, (losses,) = trial.advance([copy], steps.start, steps.stop)
    if np.isfinite(losses).all():
        return losses
    found = []  # FTRL divides by its rate: after each step, the weights are put back
    for step in range(steps.start, steps.stop):
        (after,), (losses,) = trial.advance([copy], step, step + 1)
        copy = trial.start(Weights(weights.trainable, after.weights.states), 0.0)
        found += losses.tolist()
    return np.array(found)


def trained_from(trial: Trial, weights: Weights, rate: float) -> tuple[RateCurve, Weights]:
    """What a model does from a start at one rate, in as many steps, and where it ends.

    Args:
        trial: Trains the copy.
        weights: Where it starts.
        rate: Its learning rate.
    """
    (copy,), (losses,) = trial.advance([trial.start(weights, rate)], 0, MOST_STEPS)
    return RateCurve(rate, tuple(losses.tolist())), copy.weights
