"""The records of a training that rules look at together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median

from kerasinit.signals._training_steps import TrainingStep

WINDOW = 20  # recorded steps to keep for `judge_window`
WARM_UP = 10  # first training steps, in which the size of updates means nothing
HUGE = 1e300  # of what is larger, sums are infinite
IMPROVES = 0.01  # relative drop of the loss from the first to the second half of the window
STARTED = 0.3  # fall of the loss, of its size at the start: below it, training has hardly begun
PERSISTS = 5  # recorded steps that a fault must last (TheDeepChecker's window)
RECENT = 5  # records whose mean is the loss now: that of a single batch is mostly noise


@dataclass(frozen=True)
class Setup:
    """What is known of a training before its first step.

    Args:
        is_scheduled: Whether a schedule sets the learning rate, so that no line of code changes it.
        is_constrained: Whether a constraint makes 0 of usual weights, so that new ones do not stay.
        is_steered: Whether a callback sets the learning rate at each epoch, whatever it was.
        divides_in_half: Whether weights of float16 take steps that are divided by a mean.
        has_regularizers: Whether penalties come from regularizers, and not all from `add_loss`.
        decay: Share of the weights that weight decay takes away in a step.
        clip: Argument of the optimizer that clips gradients so that steps become smaller, and its
            limit; None if none does.
        chance: Loss of a model that knows nothing; None if it is not known.
        has_floor: Whether the best loss may lie near that, as where targets are shares (grey
            images, smoothed labels) and have an entropy of their own.
        forgets: Whether the optimizer takes weights to next to 0 in its first step, and its rate is
            too low to bring them back, as that of Ftrl may be.
        compiled: What `compile` got beside optimizer and loss, as code of further arguments; None
            if no code says what it is.

    >>> Setup(decay=0.1).is_scheduled
    False
    """

    is_scheduled: bool = False
    is_constrained: bool = False
    is_steered: bool = False
    divides_in_half: bool = False
    has_regularizers: bool = True
    decay: float = 0.0
    clip: tuple[str, float] | None = None
    chance: float | None = None
    has_floor: bool = False
    forgets: bool = False
    compiled: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Window:
    """The records that rules look at, and what is known of the training before them.

    Args:
        steps: The last records, oldest first; not empty.
        opening: The first records of the training, oldest first.
        best_loss: Lowest mean loss of as many records as a window holds; infinite if unknown.
        first_loss: Loss of the very first record; NaN if unknown, which no limit is compared to.
        setup: What is known from before the first step.
    """

    steps: Sequence[TrainingStep]
    opening: Sequence[TrainingStep] = ()
    best_loss: float = math.inf
    first_loss: float = math.nan
    setup: Setup = Setup()

    @property
    def step(self) -> int:
        """Number of the last step."""
        return self.steps[-1].step

    @property
    def now(self) -> str:
        """The same, for a sentence."""
        return f"at step {self.step}"

    @cached_property
    def fall(self) -> tuple[float, float]:
        """Mean loss of the first half of the window, and by how much that of the second is less."""
        losses = losses_of(self.steps)
        half = len(losses) // 2
        if half == 0:
            return 0.0, 0.0
        before, after = fmean(losses[:half]), fmean(losses[-half:])
        return before, before - after

    @property
    def improves(self) -> bool:
        """Whether the loss falls from the first to the second half of the window."""
        before, fall = self.fall
        return fall > IMPROVES * abs(before)

    @cached_property
    def loss(self) -> float:
        """Mean loss of the last records; NaN if unknown."""
        losses = losses_of(self.steps)[-RECENT:]
        return fmean(losses) if losses else math.nan

    @property
    def first(self) -> TrainingStep:
        """The first record that is known."""
        return (self.opening or self.steps)[0]

    @property
    def has_started(self) -> bool:
        """Whether the loss is well below that of the start, or was and is below it still."""
        start, now = self.first_loss, self.loss
        return now < start and start - min(now, self.best_loss) > STARTED * abs(start)

    @property
    def beginning(self) -> Window:
        """The first records alone, as many as a fault must last."""
        return replace(self, steps=self.opening[:PERSISTS])

    @property
    def earlier(self) -> Window:
        """The first half of the records alone."""
        return replace(self, steps=self.steps[: len(self.steps) // 2])

    def series(self, name: str, field: str, count: int = PERSISTS) -> list[float]:
        """Values of a field of one layer in the last `count` records that have it; or none."""
        values: list[float] = []
        for step in reversed(self.steps):
            layer = step.by_name.get(name)
            value = None if layer is None else getattr(layer, field)
            if value is not None:
                values.append(float(value))
                if len(values) == count:
                    return values[::-1]
        return []

    def median(self, name: str, field: str) -> float | None:
        """Median of a field of one layer in the last `PERSISTS` records that have it; or None."""
        values = self.series(name, field)
        return median(values) if values else None

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.steps[-1].layers]


def losses_of(steps: Sequence[TrainingStep]) -> list[float]:
    """Losses of the steps that have one, whose sum is a number, too."""
    return [step.loss for step in steps if step.loss is not None and abs(step.loss) < HUGE]
