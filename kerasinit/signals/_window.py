"""Verdicts over a window of training steps, from plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kerasinit.signals._verdict import Verdict


@dataclass(frozen=True)
class LayerStep:
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
    """

    name: str
    gradient_rms: float
    weight_rms: float
    update_ratio: float | None = None
    signal_gradient_rms: float | None = None
    non_finite: int = 0
    dead_share: float | None = None
    saturated_share: float | None = None


@dataclass(frozen=True)
class TrainingStep:
    """One recorded training step of the whole model.

    Args:
        step: Number of the step since training began.
        loss: Training loss of the step (or Keras' running mean of it); None if unknown.
        layers: Trainable weighted layers, in execution order where it is known, else in the
            order of `model.layers`.
        overflow: True if loss scaling dropped this step because half precision overflowed.
    """

    step: int
    loss: float | None
    layers: tuple[LayerStep, ...]
    overflow: bool = False


def judge_window(steps: Sequence[TrainingStep]) -> tuple[Verdict, ...]:
    """What is wrong with the last training steps, root cause first; empty if healthy.

    `steps` are the recorded steps, oldest first: keep about 20 (`WINDOW`) of them. Faults are
    looked for in the newest steps and must persist. A verdict's `where` is the layer, so that
    (cause, where) tells a new verdict from one that was given already.
    """
    return ()
