"""The rule: from losses of short trainings at several learning rates to the rate to train with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FACTOR = 2.4  # from one rate to the next
ABOVE, BELOW = 5, 6  # rates above and below the optimizer's usual one
STAGES = ((12, 4), (8, 5), (4, 15))  # copies that go on, and the steps that they take
WINDOW = 8  # last steps, whose mean loss counts


@dataclass(frozen=True)
class RateCurve:
    """One learning rate and the loss of each step of its copy.

    Args:
        rate: The learning rate.
        losses: Loss of each step; fewer where the copy was given up.
    """

    rate: float
    losses: tuple[float, ...]

    @property
    def end(self) -> float:
        """Mean loss of the last steps; infinite where one of them is not finite."""
        last = np.array(self.losses[-WINDOW:])
        return float(last.mean()) if np.isfinite(last).all() else float("inf")


def rates_around(usual: float) -> list[float]:
    """The rates that are tried, highest first."""
    return [usual * FACTOR**power for power in range(ABOVE, -BELOW - 1, -1)]


def going_on(losses: np.ndarray, count: int) -> list[int]:
    """Which copies train on: the `count` with the lowest losses now.

    Args:
        losses: `(copies, steps)`.
        count: How many.
    """
    last = losses[:, -WINDOW:]
    ends = np.where(np.isfinite(last).all(axis=1), last.mean(axis=1), np.inf)
    return sorted(np.argsort(ends, kind="stable")[:count].tolist())


def chosen(curves: Sequence[RateCurve]) -> tuple[float, tuple[float, float], str]:
    """The rate, the range of rates that do about as well, and why.

    Args:
        curves: Of the copies that were not given up, highest rate first.
    """
    best = min(range(len(curves)), key=lambda i: curves[i].end)
    lower = min(best + 1, len(curves) - 1)
    return (
        curves[lower].rate,
        (curves[lower].rate, curves[best].rate),
        f"one rate below {curves[best].rate:.2g}, whose loss is the lowest",
    )
