"""What the first step of the compiled optimizer would do to the weights, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._sizes import norm

HIGHEST_MOMENTUM = 0.99  # of more, a training of a few hundred steps sees nothing
# Optimizers of Keras whose step of a weight depends on nothing but that weight's own gradient.
ELEMENTWISE = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion")
BLOCK = 2**20  # values whose step is taken at once
SCHEDULE_STEPS = (0, 1, 10, 100, 1_000, 10_000)  # at which a schedule is read: its warm-up, too


@dataclass(frozen=True)
class FirstUpdate:
    """The weights after one step of a fresh copy of the optimizer.

    Args:
        before: Value of each trainable variable, in order.
        after: Their values after the step.
        rate: Learning rate of the step: of a schedule, the highest that it comes to.
        optimizer: Name of the optimizer's class.
        is_scheduled: Whether a schedule sets the rate.
        momentum_gain: How many times as far as the first step later ones go, with momentum.
    """

    before: list[np.ndarray]
    after: list[np.ndarray]
    rate: float
    optimizer: str
    is_scheduled: bool = False
    momentum_gain: float = 1.0

    def ratios(self) -> list[float | None]:
        """RMS of the change of each variable over its RMS; None for one that is 0."""
        ratios: list[float | None] = []
        for old, new in zip(self.before, self.after, strict=True):
            size, change = norm(old), norm(new - old)
            ratios.append(change / size if size > 0 else None)
        return ratios


def first_update(model: Any, gradients: list[np.ndarray]) -> FirstUpdate | None:
    """The step that `fit` would take first; None where it cannot be told.

    Args:
        model: A compiled model, which stays as it is.
        gradients: Gradient of each trainable variable.
    """
    own = getattr(model, "optimizer", None)
    variables = list(model.trainable_variables)
    if own is None or not variables:
        return None
    own = _backend.inner_optimizer(own)
    before = [to_numpy(variable.value) for variable in variables]
    given = [np.asarray(g, old.dtype) for g, old in zip(gradients, before, strict=True)]
    try:
        rate = _highest_rate(own)
        config = {**own.get_config(), "learning_rate": rate, "gradient_accumulation_steps": None}
        if _acts_on_each_value(own) and len({v.dtype for v in variables}) == 1:
            after = []
            for block in _blocks([old.size for old in before]):
                optimizer = type(own).from_config(config)
                after += _joint_step(optimizer, before[block], given[block], variables[0])
        else:
            copies = [np.array(old) for old in before]  # torch shares the memory of an array
            after = _step(type(own).from_config(config), copies, given, variables)
    except _backend.errors():  # an optimizer of the user's own
        return None
    momentum = min(float(getattr(own, "momentum", 0.0) or 0.0), HIGHEST_MOMENTUM)
    return FirstUpdate(
        before=before,
        after=after,
        rate=rate,
        optimizer=type(own).__name__,
        is_scheduled=is_scheduled(own),
        momentum_gain=1.0 / (1.0 - momentum),
    )


def _acts_on_each_value(optimizer: Any) -> bool:
    """Whether one step of a vector of all weights does the same, many times faster."""
    is_known = _backend.is_of_keras(optimizer)
    return is_known and type(optimizer).__name__ in ELEMENTWISE and not optimizer.clipnorm


def _blocks(sizes: list[int]) -> list[slice]:
    """Arrays that are taken together: of few values, so that little lies beside the model."""
    starts, size = [0], 0
    for number, one in enumerate(sizes):
        if size and size + one > BLOCK:
            starts.append(number)
            size = 0
        size += one
    return [slice(*ends) for ends in pairwise([*starts, len(sizes)])]


def _joint_step(
    optimizer: Any, before: list[np.ndarray], gradients: list[np.ndarray], like: Any
) -> list[np.ndarray]:
    """The arrays after a step of the vector of all their values."""
    old, gradient = (
        np.concatenate([array.ravel() for array in arrays]) for arrays in (before, gradients)
    )
    (flat,) = _step(optimizer, [old], [gradient], [like])
    parts = np.split(flat, np.cumsum([one.size for one in before])[:-1])
    return [part.reshape(one.shape) for part, one in zip(parts, before, strict=True)]


def _step(
    optimizer: Any, before: list[np.ndarray], gradients: list[np.ndarray], named: list[Any]
) -> list[np.ndarray]:
    """The arrays after a step of an optimizer that has seen nothing."""
    copies = [
        keras.Variable(old, dtype=variable.dtype, name=variable.name)
        for old, variable in zip(before, named, strict=True)
    ]
    optimizer.build(copies)
    optimizer.apply(
        [ops.convert_to_tensor(g, v.dtype) for g, v in zip(gradients, copies, strict=True)], copies
    )
    return [to_numpy(ops.convert_to_tensor(copy)) for copy in copies]


def is_scheduled(optimizer: Any) -> bool:
    """Whether a schedule sets the learning rate, also one that has no config."""
    optimizer = _backend.inner_optimizer(optimizer)
    try:
        return isinstance(optimizer.get_config().get("learning_rate"), dict)
    except _backend.errors():
        return True


def _highest_rate(optimizer: Any) -> float:
    given = optimizer.get_config().get("learning_rate")
    if isinstance(given, dict):
        schedule = keras.optimizers.schedules.deserialize(given)
        return max(float(ops.convert_to_numpy(schedule(step))) for step in SCHEDULE_STEPS)
    return float(ops.convert_to_numpy(optimizer.learning_rate))
