"""What is known of a model before its training."""

from __future__ import annotations

from typing import Any

from kerasinit import _backend
from kerasinit.callbacks._beside import FAILURES
from kerasinit.callbacks._measuring import optimizers_of
from kerasinit.layers import have_learned_biases, zeroing_constraint


def steps_before(model: Any) -> int:
    """Steps by the model's optimizer; by its others where a train step does not use that one."""
    used = _backend.steps_taken(model.optimizer)
    if used or _backend.has_keras_train_step(model):
        return used
    return min(filter(None, map(_backend.steps_taken, optimizers_of(model))), default=0)


def was_trained(model: Any) -> bool:
    """Whether a model was trained before, with an optimizer that has seen nothing of it."""
    try:
        return not _backend.steps_taken(model.optimizer) and have_learned_biases(
            _backend.flat_layers(model)
        )
    except FAILURES:  # custom layers and optimizers; it only spares a verdict
        return False


def decay_of(optimizer: Any) -> float:
    """Share of the weights that weight decay takes away in the first step."""
    inner = _backend.inner_optimizer(optimizer)
    try:
        decay = float(getattr(inner, "weight_decay", None) or 0.0)
        return decay * float(_backend.numpy_of(inner.learning_rate)) if decay else 0.0
    except FAILURES:  # somebody's optimizer
        return 0.0


def is_constrained(model: Any) -> bool:
    """Whether a constraint of the model makes 0 of usual weights."""
    try:
        return any(map(zeroing_constraint, model.trainable_variables))
    except FAILURES:  # somebody's constraint
        return False
