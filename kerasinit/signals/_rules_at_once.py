"""Verdicts on a training that cannot wait for a second record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from kerasinit.signals._training_steps import WARM_UP, TrainingStep, Window
from kerasinit.signals._verdict import Verdict

SPIKE = 100.0  # times the median of the window


def all_overflow(steps: Sequence[TrainingStep]) -> Verdict:
    """Loss scaling has dropped every recorded step."""
    return Verdict(
        "non_finite",
        "model",
        f"at step {steps[-1].step}, loss scaling has skipped all of the last {len(steps)} "
        "recorded steps",
        "use `mixed_bfloat16`, or look for an overflow in the forward pass",
    )


def non_finite(window: Window) -> Verdict | None:
    """NaN or infinity in the last step: in a layer, or in the loss."""
    step = window.steps[-1]
    for layer in step.layers:
        if layer.non_finite or not math.isfinite(layer.gradient_rms + layer.weight_rms):
            return Verdict(
                "non_finite",
                layer.name,
                f"{window.now}, {layer.non_finite or 'some'} entries of its gradient or weights "
                "are NaN or infinite",
                "go back to weights from before, and lower the learning rate or set `clipnorm`",
            )
    if step.loss is not None and not math.isfinite(step.loss):
        return Verdict(
            "non_finite",
            "loss",
            f"{window.now}, the loss is {step.loss}",
            "look for NaN in the data, or a logarithm of 0 in the loss (`from_logits=True`)",
        )
    return None


def spike(window: Window) -> list[Verdict]:
    """The last gradient is far above the median of those before."""
    *before, now = window.steps
    if len(before) < WARM_UP or window.has_started:
        return []  # near the floor of the loss, one hard sample is many times the rest
    usual = median(step.gradient_size for step in before)
    if not 0 < usual * SPIKE < now.gradient_size:
        return []
    worst = max(now.layers, key=lambda layer: layer.gradient_rms)
    return [
        Verdict(
            "spike",
            worst.name,
            f"{window.now}, the gradient is {now.gradient_size / usual:.3g} times its usual size",
            "set `clipnorm` on the optimizer, and look at this batch",
        )
    ]
