"""Which training steps are recorded."""

from __future__ import annotations

import copy
import math
from collections import deque

import numpy as np

LONGEST = 10_000  # steps between two records, at most
PAIRS = 15  # recorded and plain steps that the measured cost is taken from
TIMED = 10  # records from one that is timed to the next, once that many are known
FIRST_EVERY = 4  # steps between records under a budget, before the cost is known


class Schedule:
    """Says which steps are recorded: every n-th, or as often as a budget allows.

    Args:
        every: Steps between two records.
        budget: Largest share of the training time that recording may take, in 0..1; `every` is
            then only where it starts from, and the cost is measured while training.
        accumulation: Steps whose gradients the optimizer adds up before an update: only steps
            that update are recorded.

    >>> schedule = Schedule(every=3)
    >>> schedule.record(4)
    >>> [step for step in range(9) if schedule.due(step)]
    [7, 8]
    """

    def __init__(self, every: int = 1, *, budget: float | None = None, accumulation: int = 1):
        self.every = max(every, FIRST_EVERY) if budget is not None else every
        self._budget = budget
        self._accumulation = accumulation
        self._next = 0
        self._recorded: deque[float] = deque(maxlen=PAIRS)
        self._plain: deque[float] = deque(maxlen=PAIRS)
        self._calls = 0
        self._records = 0
        self._between = 0.0

    def measures(self, step: int) -> bool:
        """Whether `observe` is to be told how long `step` takes.

        To know, one waits for the device, which could otherwise be busy with one step while the
        next is prepared: so, once the cost is known, only around the steps that are recorded, and
        once it is known well, around few of them.
        """
        if self._budget is None:
            return False
        if not self._is_known:
            return True
        is_turn = len(self._recorded) < PAIRS or self._records % TIMED == 0
        return is_turn and step >= self._next - 1

    def due(self, step: int, skipped: int = 0) -> bool:
        """Whether `step` is to be recorded.

        Args:
            step: Number of the step.
            skipped: How many steps overflowed, and put off the updates of accumulated gradients.
        """
        return step >= self._next and (step - skipped + 1) % self._accumulation == 0

    def record(self, step: int) -> None:
        """Notes that `step`, which was due, was recorded."""
        self._next = step + self.every
        self._records += 1

    def observe(self, recorded: bool, seconds: float) -> None:
        """Takes in how long a step took, and adapts `every` to the budget."""
        self._calls += 1
        if self._calls <= 4:  # the first calls of either kind compile
            return
        (self._recorded if recorded else self._plain).append(seconds)
        if self._budget is None or not self._is_known:
            return
        plain = float(np.median(self._plain))
        cost = max(float(np.median(self._recorded)) - plain, 0.0)
        cost += self._between / max(self._records, 1)
        self.every = min(max(math.ceil(cost / (self._budget * plain)), 1), LONGEST)

    def observe_between(self, seconds: float) -> None:
        """Takes in time that recording took between two steps."""
        self._between += seconds

    def again(self) -> Schedule:
        """The schedule of another training of the same model: what a step costs is known."""
        other = copy.copy(self)  # shares the times
        other._next = other._calls = 0
        return other

    @property
    def _is_known(self) -> bool:
        """Whether there are steps of both kinds to compare."""
        return min(len(self._recorded), len(self._plain)) >= 3
