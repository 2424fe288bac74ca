"""The loss of a training step as a function of the weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.preparation._batches import Item


def training_loss(
    model: Any, weights: list[Tensor], states: list[Tensor], item: Item
) -> tuple[Tensor, list[Tensor]]:
    """The loss of one batch, penalties included, and the states after it; nothing is assigned.

    Args:
        model: A model that is compiled, or to which a loss is lent.
        weights: In the place of its trainable variables.
        states: In the place of the others: moving statistics, seeds.
        item: Inputs, targets and sample weights.
    """
    x, y, sample_weight = item
    others = model.non_trainable_variables
    pairs = zip([*model.trainable_variables, *others], [*weights, *states], strict=True)
    with keras.StatelessScope(list(pairs), collect_losses=True) as scope:
        outputs = model(x, **_backend.training_argument(model, True))
        loss = _backend.loss_of_step(model, x, y, outputs, sample_weight, training=True)
    found = [scope.get_current_value(variable) for variable in others]
    new = [old if value is None else value for old, value in zip(states, found, strict=True)]
    return ops.cast(loss, "float32"), new
