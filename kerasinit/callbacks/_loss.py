"""The loss of recent steps, from the running mean that Keras reports."""

from __future__ import annotations

import math


class RecentLoss:
    """Turns the running mean of an epoch into the mean since it was last asked for.

    Args:
        running: False if the reported loss is that of one batch already (custom train steps).

    >>> loss = RecentLoss()
    >>> loss.restart()
    >>> loss.since(4.0, steps=1), loss.since(3.0, steps=2)
    (4.0, 2.0)
    """

    def __init__(self, running: bool = True) -> None:
        self._running = running
        self._mean, self._steps = 0.0, 0

    def restart(self) -> None:
        """Begins an epoch."""
        self._mean, self._steps = 0.0, 0

    def since(self, mean: float | None, *, steps: int) -> float | None:
        """Mean loss of the steps since the last call.

        Args:
            mean: Reported loss after `steps` steps of the epoch.
            steps: Steps of the epoch so far. Batches count alike, even a shorter last one.
        """
        if mean is None or not self._running or steps <= self._steps:
            return mean
        total = mean * steps - self._mean * self._steps
        recent = total / (steps - self._steps)
        if math.isfinite(mean):
            self._mean, self._steps = mean, steps
        return recent
