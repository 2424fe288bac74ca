"""What the first step of the compiled optimizer would do to the weights, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._batch import to_numpy

SCHEDULE_STEPS = (0, 1, 10, 100, 1_000, 10_000)  # at which a schedule is read: its warm-up, too


@dataclass(frozen=True)
class FirstUpdate:
    """The weights after one step of a fresh copy of the optimizer.

    Args:
        values: New value of each trainable variable, in order.
        rate: Learning rate of the step: of a schedule, the highest that it comes to.
        optimizer: Name of the optimizer's class.
    """

    values: list[Tensor]
    rate: float
    optimizer: str


def first_update(model: Any, gradients: list[Tensor]) -> FirstUpdate | None:
    """The step that `fit` would take first; None where it cannot be told.

    Args:
        model: A compiled model, which stays as it is.
        gradients: Gradient of each trainable variable.
    """
    own = getattr(model, "optimizer", None)
    variables = list(model.trainable_variables)
    if own is None or not variables:
        return None
    own = getattr(own, "inner_optimizer", own)
    try:
        rate = _highest_rate(own)
        config = {**own.get_config(), "learning_rate": rate, "gradient_accumulation_steps": None}
        optimizer = type(own).from_config(config)
        # Of arrays: a variable of torch would share the memory of a tensor.
        copies = [
            keras.Variable(np.array(to_numpy(v.value)), dtype=v.dtype, name=v.name)
            for v in variables
        ]
        optimizer.build(copies)
        optimizer.apply(
            [ops.cast(g, v.dtype) for g, v in zip(gradients, copies, strict=True)], copies
        )
    except _backend.errors():  # an optimizer of the user's own
        return None
    values = [ops.convert_to_tensor(copy) for copy in copies]
    return FirstUpdate(values, rate, type(own).__name__)


def update_ratios(before: list[Any], after: list[np.ndarray]) -> list[float | None]:
    """RMS of the change of each variable over its RMS; None for one that is 0."""
    ratios: list[float | None] = []
    for old, new in zip(before, after, strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            size = float(np.sqrt(np.mean(np.square(old, dtype="float64"))))
            change = float(np.sqrt(np.mean(np.square(new - old, dtype="float64"))))
        ratios.append(change / size if size > 0 else None)
    return ratios


def _highest_rate(optimizer: Any) -> float:
    given = optimizer.get_config().get("learning_rate")
    if isinstance(given, dict):
        schedule = keras.optimizers.schedules.deserialize(given)
        return max(float(ops.convert_to_numpy(schedule(step))) for step in SCHEDULE_STEPS)
    return float(ops.convert_to_numpy(optimizer.learning_rate))
