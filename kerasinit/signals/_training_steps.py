"""What recorded training steps hold, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


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
        idle_share: Share of units whose bias got a gradient of exactly 0; None without a bias, or
            where all biases got none and the kernel did.

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
        only_class: Class of all samples of the batch; None where they differ, or are no classes.

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
    only_class: int | None = None

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
