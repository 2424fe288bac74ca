"""The loss of recent steps, from the running mean that Keras reports."""

from __future__ import annotations

import math


class RecentLoss:
    """Turns the running mean of an epoch into the mean since it was last asked for.

    >>> loss = RecentLoss()
    >>> loss.since(4.0, epoch=0, steps=1), loss.since(3.0, epoch=0, steps=2)
    (4.0, 2.0)
    """

    def __init__(self) -> None:
        self._epoch, self._steps, self._mean = -1, 0, 0.0

    def since(self, mean: float | None, *, epoch: int, steps: int) -> float | None:
        """Mean loss of the steps since the last call.

        Args:
            mean: Reported loss after `steps` steps of the epoch.
            epoch: Number of the epoch: in each, the running mean begins anew.
            steps: Steps of the epoch so far. Batches count alike, even a shorter last one.
        """
        if epoch != self._epoch:
            self._epoch, self._steps, self._mean = epoch, 0, 0.0
        if mean is None or steps <= self._steps:
            return mean
        recent = (mean * steps - self._mean * self._steps) / (steps - self._steps)
        if math.isfinite(mean):
            self._mean, self._steps = mean, steps
        return recent
