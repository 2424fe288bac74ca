"""A training in the Keras variables themselves, as one part."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from kerasinit._backend._arrays import numpy_of
from kerasinit._backend._protocol import Arrays, Step, Values


@final
class InPlace:
    """A `Training` of one part, whose update writes into the variables.

    Args:
        step: As `Backend.training` takes it.
        weights: Trainable Keras variables.
        states: Non-trainable Keras variables.
        optimizer: A Keras optimizer, built for `weights`.
        epoch: Turns `update(x, y) -> row` into `run(xs, ys) -> sum of the rows`.
        randomness: Scope of an epoch, by its number: draws that depend on nothing else.
    """

    def __init__(
        self,
        step: Step,
        weights: Sequence[Any],
        states: Sequence[Any],
        optimizer: Any,
        *,
        epoch: Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]],
        randomness: Callable[[int], contextlib.AbstractContextManager[Any]],
    ) -> None:
        self._step, self._weights, self._states = step, weights, states
        self._optimizer, self._reset = optimizer, resetting(optimizer)
        self._run, self._randomness = epoch(self._update), randomness
        self._epochs = 0

    def load(self, parts: Sequence[tuple[Arrays, Arrays]], learning_rate: float) -> None:
        ((weights, states),) = parts
        assign(self._weights, weights)
        assign(self._states, states)
        self._reset(learning_rate)
        self._epochs = 0

    def epoch(self, xs: Any, ys: Any) -> list[Any]:
        self._epochs += 1
        with self._randomness(self._epochs):
            return [self._run(xs, ys)]

    def values(self) -> list[Values]:
        return [([v.value for v in self._weights], [v.value for v in self._states])]

    def _update(self, x: Any, y: Any) -> Any:
        (values,) = self.values()
        gradients, new, row = self._step(values, x, y)
        self._optimizer.apply(gradients, self._weights)
        assign(self._states, new)
        return row


def resetting(optimizer: Any) -> Callable[[float], None]:
    """Brings `optimizer` back to what it is now, with a learning rate."""
    fresh = [np.array(numpy_of(v)) for v in optimizer.variables]

    def reset(learning_rate: float) -> None:
        assign(optimizer.variables, fresh)
        optimizer.learning_rate = learning_rate

    return reset


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Gives each variable its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
