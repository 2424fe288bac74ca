"""What the loss of a training step holds beside the loss of the data."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._probe_loss import sums_losses


def has_penalties(model: Any) -> bool:
    """Whether penalties can be told from the loss: they are added to a loss that was compiled."""
    return model.loss is not None and sums_losses(model) and _backend.has_keras_train_step(model)


def penalties_of_weights(model: Any, state: Sequence[tuple[Any, Any]]) -> list[Tensor]:
    """Of regularizers, at the weights before the step.

    Args:
        model: The model.
        state: Variables and their values, where the backend keeps the values outside.
    """
    values = {id(variable): value for variable, value in state}
    return [
        variable.regularizer(values.get(id(variable), variable)) for variable in _penalized(model)
    ]


def penalties_of_step(model: Any, state: Sequence[tuple[Any, Any]]) -> list[Tensor]:
    """Of activities and of `add_loss`, in the step that was just taken.

    Args:
        model: The model.
        state: See `penalties_of_weights`.
            There (JAX) the step keeps these penalties to itself, and none are found.
    """
    with keras.StatelessScope(list(state)) if state else contextlib.nullcontext():
        found = model.losses  # those of weights come last
    return list(found[: len(found) - len(_penalized(model))])


def total(penalties: Sequence[Tensor]) -> Tensor:
    """Their sum, without its gradient."""
    return ops.stop_gradient(sum(ops.sum(ops.cast(one, "float32")) for one in penalties))


def _penalized(model: Any) -> list[Any]:
    return [v for v in model.trainable_weights if getattr(v, "regularizer", None) is not None]
