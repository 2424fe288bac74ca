"""What the first step of the compiled optimizer would do to the weights, without doing it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.layers import have_learned_biases
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._sizes import norm

HIGHEST_MOMENTUM = 0.99  # of more, a training of a few hundred steps sees nothing
# Optimizers of Keras whose step of a weight depends on nothing but that weight's own gradient.
ELEMENTWISE = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion")
CLIPS = "clipnorm", "global_clipnorm", "clipvalue"
BLOCK = 2**20  # values whose step is taken at once
SCHEDULE_STEPS = (0, 1, 10, 100, 1_000, 10_000)  # at which a schedule is read: its warm-up, too


class FirstUpdate(NamedTuple):
    """One step of a fresh copy of the optimizer.

    Args:
        after: Value of each trainable variable after the step, in order.
        ratios: RMS of the change of each over its RMS; None for one that is 0.
        told: What else is known of it, as fields of `Signals`.
    """

    after: list[np.ndarray]
    ratios: list[float | None]
    told: dict[str, Any]


def first_update(model: Any, gradients: list[np.ndarray]) -> FirstUpdate | None:
    """The step that a fresh copy of the optimizer takes first; None where it cannot be told.

    Args:
        model: A compiled model, which stays as it is.
        gradients: Gradient of each trainable variable. The list is emptied on the way, so that
            weights and gradients do not lie beside the new weights.
    """
    own = getattr(model, "optimizer", None)
    variables = list(model.trainable_variables)
    if own is None or not variables or not all(np.isfinite(one).all() for one in gradients):
        return None
    own = _backend.inner_optimizer(own)
    after: list[np.ndarray] = []
    ratios: list[float | None] = []
    promised = 0.0
    try:
        clip, clipped_share = _clipping(model.optimizer, gradients)
        rate = _highest_rate(own)
        config = {
            **_backend.config_of(own),
            "learning_rate": rate,
            "gradient_accumulation_steps": None,
        }
        spared = {id(v) for v in variables if not _backend.decays(own, v)}
        is_alike = not spared and len({v.dtype for v in variables}) == 1
        is_joint = is_alike and _acts_on_each_value(own)
        for size in _blocks(variables) if is_joint else [len(variables)]:
            named, variables = variables[:size], variables[size:]
            old = [to_numpy(variable) for variable in named]
            steps = [np.asarray(g, o.dtype) for g, o in zip(gradients[:size], old, strict=True)]
            del gradients[:size]
            fresh = type(own).from_config(config)
            if is_joint:
                new = _joint_step(fresh, old, steps, named)
            else:
                new = _step(fresh, old, steps, named, spared)
            with np.errstate(over="ignore", invalid="ignore"):
                for before, now, gradient in zip(old, new, steps, strict=True):
                    change, length = before - now, norm(before)
                    ratios.append(norm(change) / length if length > 0 else None)
                    promised += float(np.vdot(change, gradient))
            after += new
    except _backend.errors():  # an optimizer of the user's own
        return None
    momentum = min(float(getattr(own, "momentum", 0.0) or 0.0), HIGHEST_MOMENTUM)
    told = {
        "promised_drop": promised,
        "learning_rate": rate,
        "optimizer": type(own).__name__,
        "is_scheduled": is_scheduled(own),
        "momentum_gain": 1.0 / (1.0 - momentum),
        "decay": decay_of(own, model.trainable_variables),
        "clip": clip,
        "clipped_share": clipped_share,
    }
    return FirstUpdate(after, ratios, told)


def _clipping(optimizer: Any, gradients: list[np.ndarray]) -> tuple[str | None, float]:
    """What clips the gradients, and what it leaves of their norm."""
    clip = clip_of(optimizer)
    if clip is None:
        return None, 1.0
    path, limit = clip
    name = path.rpartition(".")[2]
    norms = [norm(one) for one in gradients]
    whole = math.hypot(*norms)
    if name == "clipnorm":
        left = math.hypot(*(min(one, limit) for one in norms))
    elif name == "global_clipnorm":
        left = min(whole, limit)
    else:
        left = math.hypot(*(norm(np.clip(one, -limit, limit)) for one in gradients))
    return path, left / whole if whole else 1.0


def _acts_on_each_value(optimizer: Any) -> bool:
    """Whether one step of a vector of all weights does the same, many times faster."""
    if not _backend.is_of_keras(optimizer) or type(optimizer).__name__ not in ELEMENTWISE:
        return False
    return not (optimizer.clipnorm or optimizer.global_clipnorm)


def _blocks(variables: list[Any]) -> list[int]:
    """How many variables are taken together: few values, so that little lies beside the model."""
    counts, values = [0], 0
    for size in (math.prod(variable.shape) for variable in variables):
        if counts[-1] and values + size > BLOCK:
            counts.append(0)
            values = 0
        counts[-1] += 1
        values += size
    return counts


def _joint_step(
    optimizer: Any, before: list[np.ndarray], gradients: list[np.ndarray], named: list[Any]
) -> list[np.ndarray]:
    """The arrays after a step of the vector of all their values."""
    old, given = (np.concatenate([a.ravel() for a in arrays]) for arrays in (before, gradients))
    (flat,) = _step(optimizer, [old], [given], named[:1])
    parts = np.split(flat, np.cumsum([one.size for one in before])[:-1])
    return [part.reshape(one.shape) for part, one in zip(parts, before, strict=True)]


def _step(
    optimizer: Any,
    before: list[np.ndarray],
    gradients: list[np.ndarray],
    named: list[Any],
    spared: Collection[int] = (),
) -> list[np.ndarray]:
    """The arrays after a step of an optimizer that has seen nothing; `spared`: by decay, by id."""
    copies = [  # torch shares the memory of an array
        keras.Variable(np.array(old), dtype=variable.dtype, name=variable.name)
        for old, variable in zip(before, named, strict=True)
    ]
    if spared:
        optimizer.exclude_from_weight_decay(
            [copy for copy, one in zip(copies, named, strict=True) if id(one) in spared]
        )
    optimizer.build(copies)
    optimizer.apply(
        [ops.convert_to_tensor(g, v.dtype) for g, v in zip(gradients, copies, strict=True)], copies
    )
    return [to_numpy(copy) for copy in copies]


def clip_of(optimizer: Any) -> tuple[str, float] | None:
    """The attribute of an optimizer that clips gradients, and its limit; None if none does.

    >>> clip_of(keras.optimizers.SGD(clipnorm=1.0))
    ('clipnorm', 1.0)
    """
    inner = _backend.inner_optimizer(optimizer)
    where = "" if inner is optimizer else "inner_optimizer."
    limits = ((name, getattr(inner, name, None)) for name in CLIPS)
    return next(((where + name, float(limit)) for name, limit in limits if limit), None)


def decay_of(optimizer: Any, variables: Sequence[Any]) -> float:
    """Share of the weights that weight decay takes away in a step, unless it spares all of them."""
    optimizer = _backend.inner_optimizer(optimizer)
    try:
        decay = float(getattr(optimizer, "weight_decay", None) or 0.0)
        if not decay or not any(_backend.decays(optimizer, one) for one in variables):
            return 0.0
        return decay * _highest_rate(optimizer)
    except _backend.errors():  # an optimizer of the user's own
        return 0.0


def divides_in_half(model: Any) -> bool:
    """Whether steps are divided by the root of a mean of squares, of weights of float16."""
    optimizer = _backend.inner_optimizer(getattr(model, "optimizer", None))
    is_half = any(variable.dtype == "float16" for variable in model.trainable_variables)
    return is_half and hasattr(optimizer, "epsilon")


def was_trained(model: Any) -> bool:
    """Whether a model was trained before, with an optimizer that has seen nothing of it."""
    optimizer = getattr(model, "optimizer", None)
    try:
        is_new = optimizer is not None and not _backend.steps_taken(optimizer)
        return is_new and have_learned_biases(_backend.flat_layers(model))
    except _backend.errors():  # custom layers and optimizers; it only spares a verdict
        return False


def is_scheduled(optimizer: Any) -> bool:
    """Whether a schedule sets the learning rate, also one that has no config."""
    optimizer = _backend.inner_optimizer(optimizer)
    try:
        return isinstance(_backend.config_of(optimizer).get("learning_rate"), dict)
    except _backend.errors():
        return True


def _highest_rate(optimizer: Any) -> float:
    given = _backend.config_of(optimizer).get("learning_rate")
    if isinstance(given, dict):
        schedule = keras.optimizers.schedules.deserialize(given)
        return max(float(_backend.numpy_of(schedule(step))) for step in SCHEDULE_STEPS)
    return float(_backend.numpy_of(optimizer.learning_rate))
