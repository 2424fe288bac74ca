"""Copies of a model at several learning rates, of which fewer and fewer train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._rate_rule import STAGES, RateCurve, going_on
from kerasinit.preparation._trial import Trial

STEPS = sum(steps for _, steps in STAGES)


def rate_curves(trial: Trial, weights: Weights, rates: Sequence[float]) -> tuple[RateCurve, ...]:
    """What a model does at each rate, in the order of `rates`.

    Args:
        trial: Trains the copies.
        weights: Where all of them start.
        rates: Their learning rates.
    """
    copies = [trial.start(weights, rate) for rate in rates]
    losses: list[list[float]] = [[] for _ in rates]
    left, first = list(range(len(rates))), 0
    for count, steps in STAGES:
        if first and len(left) > count:
            so_far = np.array([losses[i] for i in left])
            kept = going_on(so_far, count)
            left, copies = [left[i] for i in kept], [copies[i] for i in kept]
        copies, found = trial.advance(copies, first, first + steps)
        for i, row in zip(left, found, strict=True):
            losses[i] += row.tolist()
        first += steps
    return tuple(RateCurve(rate, tuple(row)) for rate, row in zip(rates, losses, strict=True))
