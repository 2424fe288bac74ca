"""What a training step tells beside its gradients: a few numbers that judging it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import kind_of
from kerasinit.signals._heads import loss_name
from kerasinit.signals._probe_loss import sums_losses

FEWEST = 8  # samples of a batch that are of one class not by chance

# What a full disk, a closed file, a backend or a row that nobody expected may raise.
FAILURES: tuple[type[Exception], ...] = (OSError, *_backend.errors())


def read_beside(model: Any, state: Sequence[tuple[Any, Any]], batch: Any) -> dict[str, Tensor]:
    """Numbers of a step that comes; they are explained in `Reading`.

    Args:
        model: The model.
        state: Variables and their values, where the backend keeps the values outside.
        batch: What the step gets.
    """
    found = _count(model, state) | _norm_samples(model, batch)
    return found | _only_class(model, batch)


def weight_penalties(model: Any, state: Sequence[tuple[Any, Any]]) -> list[Tensor] | None:
    """What regularizers add to the loss for the weights before a step.

    None if penalties cannot be told from the loss: they are added to a loss that was compiled.
    """
    if model.loss is None or not sums_losses(model) or not _backend.has_keras_train_step(model):
        return None
    values = {id(variable): value for variable, value in state}
    return [v.regularizer(values.get(id(v), v)) for v in _penalized(model)]


def all_penalties(
    model: Any, state: Sequence[tuple[Any, Any]], of_weights: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The sum of the penalties in the loss of a step, after it; empty if there are none.

    With those of activities and of `add_loss`, except on JAX, where a step keeps them to itself.
    """
    with keras.StatelessScope(list(state)) if state else contextlib.nullcontext():
        found = model.losses  # those of weights come last
    penalties = [*of_weights, *found[: len(found) - len(of_weights)]]
    if not penalties or not all(map(_backend.is_reachable, penalties)):
        return {}
    total = sum(ops.sum(ops.cast(one, "float32")) for one in penalties)
    return {"penalty": ops.stop_gradient(total)}


def _penalized(model: Any) -> list[Any]:
    return [v for v in model.trainable_weights if getattr(v, "regularizer", None) is not None]


def _count(model: Any, state: Sequence[tuple[Any, Any]]) -> dict[str, Tensor]:
    """What the optimizer counts, where counting calls does not tell.

    Overflows put off the steps at which accumulated gradients update; of several steps in one call,
    the last ones may be missing.
    """
    optimizer = model.optimizer
    several = (model.steps_per_execution or 1) > 1 and _backend.has_keras_train_step(model)
    accumulated = _backend.accumulation_steps(optimizer) > 1
    if not (accumulated if _backend.loss_scaling(optimizer) else several):
        return {}
    count = _backend.count_of_steps(optimizer, state)
    return {"count": ops.cast(count, "int32") + 0}  # not the optimizer's own, which torch moves


def _norm_samples(model: Any, batch: Any) -> dict[str, Tensor]:
    """How many samples a normalization sees that has nothing but the batch, if there is one."""
    if any(map(_needs_batch, _backend.flat_layers(model))):
        with contextlib.suppress(*FAILURES):  # nothing else needs it
            x = keras.tree.flatten(keras.utils.unpack_x_y_sample_weight(batch)[0])
            return {"norm_samples": ops.convert_to_tensor(ops.shape(x[0])[0], "int32")}
    return {}


def _only_class(model: Any, batch: Any) -> dict[str, Tensor]:
    """The class of all samples of a batch, -1 where they differ, if one output tells classes."""
    name = loss_name(model.loss) if isinstance(model.loss, (str, keras.losses.Loss)) else ""
    y = keras.utils.unpack_x_y_sample_weight(batch)[1]
    if isinstance(y, np.ndarray):  # torch is given what `train_on_batch` is
        y = ops.convert_to_tensor(y)
    if "crossentropy" not in name or not ops.is_tensor(y) or len(y.shape) > 2:
        return {}
    if name.startswith("categorical"):
        classes = ops.argmax(y, axis=-1)
    elif len(y.shape) == 1 or y.shape[1] == 1:
        classes = ops.cast(ops.reshape(y, (-1,)), "int32")
    else:
        return {}
    lowest, highest = (ops.cast(of(classes), "int32") for of in (ops.min, ops.max))
    is_one = ops.logical_and(lowest == highest, ops.shape(y)[0] >= FEWEST)
    return {"only_class": ops.where(is_one, lowest, -1)}


def _needs_batch(layer: Any) -> bool:
    """Whether a layer normalizes over samples alone, not over the pixels or steps of each, too."""
    is_norm = kind_of(layer).name == "BatchNormalization" and layer.trainable
    return is_norm and getattr(layer.input_spec, "ndim", None) == 2
