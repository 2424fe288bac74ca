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
    last = last_quarter(first)
    _, still = trial.advance([trial.start(weights, 0.0)], last.start, last.stop)
    return curves, still[0]


def curves_at(trial: Trial, starts: Sequence[tuple[Weights, float]]) -> list[RateCurve]:
    """What a model does from each start at its rate, in as many steps.

    Args:
        trial: Trains the copies.
        starts: Weights and learning rates.
    """
    _, losses = trial.advance([trial.start(*start) for start in starts], 0, MOST_STEPS)
    rows = zip(starts, losses.tolist(), strict=True)
    return [RateCurve(rate, tuple(row)) for (_, rate), row in rows]
