"""What the loss of a training step holds beside the loss of the data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._probe_loss import sums_losses


def penalty_of_step(
    model: Any, state: Sequence[tuple[Any, Any]]
) -> Callable[[], Tensor | None] | None:
    """Reads the penalties of a step that comes; call the result after it for their sum.

    Those of regularizers at the weights before the step; those of activities and of `add_loss` in
    it, except on JAX, where a step keeps them to itself. None if there are none, or none that can
    be told from the loss: they are added to a loss that was compiled.

    Args:
        model: The model.
        state: Variables and their values, where the backend keeps the values outside.
    """
    if model.loss is None or not sums_losses(model) or not _backend.has_keras_train_step(model):
        return None
    values = {id(variable): value for variable, value in state}
    penalized = [v for v in model.trainable_weights if getattr(v, "regularizer", None) is not None]
    of_weights = [
        variable.regularizer(values.get(id(variable), variable)) for variable in penalized
    ]

    def finish() -> Tensor | None:
        with keras.StatelessScope(list(state)) if state else contextlib.nullcontext():
            found = model.losses  # those of weights come last
        penalties = [*of_weights, *found[: len(found) - len(penalized)]]
        if not penalties or not all(map(_backend.is_reachable, penalties)):
            return None
        return ops.stop_gradient(sum(ops.sum(ops.cast(one, "float32")) for one in penalties))

    return finish
