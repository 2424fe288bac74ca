"""What is known of a model before its training."""

from __future__ import annotations

from typing import Any

import keras

from kerasinit import _backend
from kerasinit.callbacks._beside import FAILURES
from kerasinit.layers import zeroing_constraint
from kerasinit.signals import Setup
from kerasinit.signals._first_update import clip_of, decay_of, divides_in_half, is_scheduled
from kerasinit.signals._heads import loss_name
from kerasinit.signals._probe_loss import chance_loss, has_regularizers, sums_losses
from kerasinit.signals._rules_of_updates import LEAST_OF_FTRL

# A hundredth of what Adam divides by at least: 1e-7 over the root of 1 - beta_2.
NEXT_TO_EPSILON = 3e-8


def setup_of(model: Any, *, is_steered: bool) -> Setup:
    """What is known of a training before its first step.

    Args:
        model: The compiled model.
        is_steered: Whether a callback sets the learning rate at each epoch.
    """
    return Setup(
        is_scheduled=is_scheduled(model.optimizer),
        is_constrained=_is_constrained(model),
        is_steered=is_steered,
        divides_in_half=divides_in_half(model),
        has_regularizers=has_regularizers(model),
        decay=decay_of(model.optimizer, model.trainable_variables),
        clip=_clip_of(model.optimizer),
        chance=_chance_of(model),
        has_floor=not loss_name(model.loss).startswith("sparse"),
        compiled=_backend.compiled_in_code(model),
        forgets=_forgets(_backend.inner_optimizer(model.optimizer)),
    )


def _clip_of(optimizer: Any) -> tuple[str, float] | None:
    """What clips the gradients, where that makes steps smaller."""
    clip = clip_of(optimizer)
    is_plain = isinstance(_backend.inner_optimizer(optimizer), keras.optimizers.SGD)
    return clip if clip is not None and (is_plain or clip[1] < NEXT_TO_EPSILON) else None


def _forgets(optimizer: Any) -> bool:
    """Whether it is an Ftrl that does not bring back the weights that its first step takes away."""
    if not isinstance(optimizer, keras.optimizers.Ftrl) or is_scheduled(optimizer):
        return False
    return float(_backend.numpy_of(optimizer.learning_rate)) < LEAST_OF_FTRL


def _is_constrained(model: Any) -> bool:
    """Whether a constraint makes 0 of usual weights."""
    try:
        return any(map(zeroing_constraint, model.trainable_variables))
    except FAILURES:  # somebody's constraint
        return False


def _chance_of(model: Any) -> float | None:
    """Loss of equal probabilities, where it is Keras' own training loss of one output."""
    if not (_backend.has_keras_train_step(model) and sums_losses(model)):
        return None
    outputs = getattr(model, "outputs", None) or []
    return chance_loss(model.loss, outputs[0]) if len(outputs) == 1 else None
