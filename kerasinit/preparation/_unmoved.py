"""What a training step of the user's own leaves as it is: a teacher, a frozen critic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerasinit.experiments._stacking import Weights
from kerasinit.models._learned import has_learned
from kerasinit.models._slots import Slot
from kerasinit.preparation._task import Task

REASON = "learned, and no training step moves it"


def unmoved(task: Task, slots: Sequence[Slot], own: Weights, trained: Weights) -> list[Slot]:
    """Trainable variables of the parts that have learned and that training did not move.

    None where Keras' own step trains all: what does not move there is dead.

    Args:
        task: The model and how it is trained.
        slots: Its variables.
        own: What they held.
        trained: What they hold after a short training.
    """
    if task.trains_all:
        return []
    pairs = zip(own.trainable, trained.trainable, strict=True)
    same = [np.array_equal(before, after) for before, after in pairs]
    still = dict(zip(map(id, task.model.trainable_variables), same, strict=True))
    parts: dict[int, list[Slot]] = {}
    for slot in slots:
        if id(slot.variable) in still:
            part, *_ = *slot.owners[1:], slot.layer  # owners[0] is the model
            parts.setdefault(id(part), []).append(slot)
    return [
        slot
        for part in parts.values()
        if all(still[id(one.variable)] for one in part) and any(map(has_learned, part))
        for slot in part
    ]


@contextlib.contextmanager
def not_trained(slots: Sequence[Slot]) -> Iterator[None]:
    """Lets variables count as not trained, so that no rule draws them."""
    variables: list[Any] = [slot.variable for slot in slots]
    try:
        for variable in variables:
            variable.trainable = False
        yield
    finally:
        for variable in variables:
            variable.trainable = True
