"""A copy of a model in training: its weights, its states, and its optimizer's variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kerasinit import _backend
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import Item


@dataclass(frozen=True)
class Copy:
    """What a training carries from step to step.

    Args:
        weights: Trainable weights, and all that is not trained (moving statistics, seeds).
        slots: The optimizer's variables, its learning rate among them.
    """

    weights: Weights
    slots: list[np.ndarray]

    @property
    def groups(self) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Weights, states and slots."""
        return self.weights.trainable, self.weights.states, self.slots


class Copies(Protocol):
    """A way to train copies of one model."""

    def start(self, weights: Weights, rate: float) -> Copy:
        """A copy whose optimizer has seen nothing."""

    def advance(
        self, copies: Sequence[Copy], items: Sequence[Item]
    ) -> tuple[list[Copy], np.ndarray]:
        """The copies after a step with each batch, and their losses, `(copies, steps)`."""


class SpareOptimizer:
    """An optimizer that no model has, and copies of its fresh state.

    Args:
        optimizer: A Keras optimizer with a number as its learning rate.
        variables: What it will update.
    """

    def __init__(self, optimizer: Any, variables: Sequence[Any]) -> None:
        optimizer.build(variables)
        self.optimizer = optimizer
        self._fresh = values_of(optimizer.variables)
        rate = optimizer.learning_rate
        (self._rate,) = (i for i, v in enumerate(optimizer.variables) if v is rate)

    def start(self, weights: Weights, rate: float) -> Copy:
        """See `Copies.start`."""
        slots = list(self._fresh)
        slots[self._rate] = np.array(rate, slots[self._rate].dtype)
        return Copy(weights, slots)


def values_of(variables: Sequence[Any]) -> list[np.ndarray]:
    """Copies of what Keras variables hold."""
    return [np.array(_backend.numpy_of(variable)) for variable in variables]
