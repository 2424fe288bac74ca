"""What recorded training steps hold, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import NamedTuple

WARM_UP = 10  # first training steps, in which the size of updates means nothing
HUGE = 1e300  # of what is larger, sums are infinite
IMPROVES = 0.01  # relative drop of the loss from the first to the second half of the window
STARTED = 0.3  # fall of the loss, of its size at the start: below it, training has hardly begun
PERSISTS = 5  # recorded steps that a fault must last (TheDeepChecker's window)
RECENT = 5  # records whose mean is the loss now: that of a single batch is mostly noise


class LayerStep(NamedTuple):  # many are made in each step: a dataclass takes five times as long
    """What one weighted layer did in one recorded training step.

    Args:
        name: Path of the layer.
        gradient_rms: RMS of the gradient of the layer's kernel, unscaled, before clipping.
        weight_rms: RMS of the layer's kernel.
        update_ratio: RMS of the kernel's change in this step over `weight_rms`, dimensionless;
            None if it was not measured.
        signal_gradient_rms: RMS of the pre-activation gradient, or of the bias gradient that
            stands for it; None if there is neither.
        non_finite: Number of NaN or infinite entries in gradient and weights.
        dead_share: Share of units that were active for no sample, in 0..1; None if not probed.
        saturated_share: Share of units with a vanished derivative, in 0..1; None if not probed.
        idle_share: Share of units whose bias got a gradient of exactly 0; None without a bias.

    Example:
        >>> LayerStep("dense", gradient_rms=0.01, weight_rms=0.1).non_finite
        0
    """

    name: str
    gradient_rms: float
    weight_rms: float
    update_ratio: float | None = None
    signal_gradient_rms: float | None = None
    non_finite: int = 0
    dead_share: float | None = None
    saturated_share: float | None = None
    idle_share: float | None = None


@dataclass(frozen=True)
class TrainingStep:
    """One recorded training step of the whole model.

    Args:
        step: Number of the step since training began.
        loss: Training loss of the step (or Keras' running mean of it), without its penalties; None
            if unknown.
        layers: Trainable weighted layers, in execution order where it is known, else in the
            order of `model.layers`.
        overflow: True if loss scaling dropped this step because half precision overflowed.
        penalty: Part of the training loss that the targets have no part in.
        norm_samples: Samples that a normalization over the batch saw; None if there is none.
        goes_on: Whether the weights were trained before this training.

    Example:
        >>> layer = LayerStep("dense", gradient_rms=0.01, weight_rms=0.1)
        >>> TrainingStep(step=7, loss=0.5, layers=(layer,)).overflow
        False
    """

    step: int
    loss: float | None
    layers: tuple[LayerStep, ...]
    overflow: bool = False
    penalty: float = 0.0
    norm_samples: int | None = None
    goes_on: bool = False

    @cached_property
    def gradient_size(self) -> float:
        """RMS of the gradient over layers: what spikes in one layer shows."""
        return math.hypot(*[layer.gradient_rms for layer in self.layers])

    @cached_property
    def largest_gradient(self) -> float:
        """Largest RMS of the gradient of a layer."""
        return max((layer.gradient_rms for layer in self.layers), default=0.0)

    @cached_property
    def by_name(self) -> dict[str, LayerStep]:
        """Name of a layer -> what it did."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def is_probed(self) -> bool:
        """Whether the activations of a layer were probed in this step."""
        probed = ((layer.dead_share, layer.saturated_share) for layer in self.layers)
        return any(shares != (None, None) for shares in probed)


@dataclass(frozen=True)
class Window:
    """The records that rules look at, and what is known of the training before them.

    Args:
        steps: The last records, oldest first; not empty.
        opening: The first records of the training, oldest first.
        best_loss: Lowest mean loss of as many records as a window holds; infinite if unknown.
        first_loss: Loss of the very first record; NaN if unknown, which no limit is compared to.
        is_scheduled: Whether a schedule sets the learning rate.
        is_constrained: Whether a constraint of the model makes 0 of usual weights.
    """

    steps: Sequence[TrainingStep]
    opening: Sequence[TrainingStep] = ()
    best_loss: float = math.inf
    first_loss: float = math.nan
    is_scheduled: bool = False
    is_constrained: bool = False

    @property
    def now(self) -> str:
        return f"at step {self.steps[-1].step}"

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
    def goes_on(self) -> bool:
        """Whether the weights were trained before this training."""
        return next(iter(self.opening or self.steps)).goes_on

    @property
    def has_started(self) -> bool:
        """Whether the loss is well below that of the start, or was and is below it still."""
        start, now = self.first_loss, self.loss
        return now < start and start - min(now, self.best_loss) > STARTED * abs(start)

    def series(self, name: str, field: str, count: int = PERSISTS) -> list[float]:
        """Values of a field of one layer in the last `count` records that have it."""
        return series(self.steps, name, field, count)

    def median(self, name: str, field: str) -> float | None:
        """Median of a field of one layer in the last `PERSISTS` records that have it."""
        return median_of(self.steps, name, field)

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.steps[-1].layers]


def series(
    steps: Sequence[TrainingStep], name: str, field: str, count: int = PERSISTS
) -> list[float]:
    """Values of a field of one layer in the last `count` of `steps` that have it; or none."""
    values: list[float] = []
    for step in reversed(steps):
        layer = step.by_name.get(name)
        value = None if layer is None else getattr(layer, field)
        if value is not None:
            values.append(float(value))
            if len(values) == count:
                return values[::-1]
    return []


def median_of(steps: Sequence[TrainingStep], name: str, field: str) -> float | None:
    """Median of a field of one layer in the last `PERSISTS` of `steps` that have it; or None."""
    values = series(steps, name, field)
    return median(values) if values else None


def losses_of(steps: Sequence[TrainingStep]) -> list[float]:
    """Losses of the steps that have one, whose sum is a number, too."""
    return [step.loss for step in steps if step.loss is not None and abs(step.loss) < HUGE]
