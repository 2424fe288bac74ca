"""Copies of one model, trained in its place, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import Item, tensors
from kerasinit.preparation._task import Task
from kerasinit.preparation._untouched import hidden_variables, untouched


@dataclass(frozen=True)
class Copy:
    """What a training carries from step to step.

    Args:
        weights: Trainable weights, and all that is not trained (moving statistics, seeds).
        slots: The optimizer's variables, its learning rate among them, and those that layers hide.
    """

    weights: Weights
    slots: list[np.ndarray]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.weights.nbytes + sum(slot.nbytes for slot in self.slots)

    @property
    def groups(self) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Weights, states and slots."""
        return self.weights.trainable, self.weights.states, self.slots


class Copies:
    """Copies of a model that train by its own `train_step`; it is lent, and given back as it was.

    Args:
        task: The model, its loss and its optimizer.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._optimizer = task.new_optimizer(1.0)
        self._optimizer.build(task.model.trainable_variables)
        self._slots = [*self._optimizer.variables, *hidden_variables(task.model)]
        self._fresh = _values_of(self._slots)
        rate = self._optimizer.learning_rate
        (self._rate,) = (i for i, v in enumerate(self._optimizer.variables) if v is rate)
        self._compiled_loss = _backend.fresh_compiled_loss(task.model)
        self._train_function: Any = None  # compiled once, for all copies

    def start(self, weights: Weights, rate: float) -> Copy:
        """A copy whose optimizer has seen nothing."""
        slots = list(self._fresh)
        slots[self._rate] = np.array(rate, slots[self._rate].dtype)
        return Copy(weights, slots)

    def advance(
        self, copies: Sequence[Copy], items: Sequence[Item]
    ) -> tuple[list[Copy], np.ndarray]:
        """The copies after a step with each batch, and their losses, `(copies, steps)`."""
        model = self._task.model
        groups = model.trainable_variables, model.non_trainable_variables, self._slots
        trained, rows = [], []
        own = self._optimizer, self._task.inner
        with untouched(model, own[1], *self._task.losses), _backend.sole_optimizer(*own):
            self._lend()
            for copy in copies:
                for variables, values in zip(groups, copy.groups, strict=True):
                    for variable, value in zip(variables, values, strict=True):
                        variable.assign(value)
                with _backend.same_random_state():  # all copies drop the same units
                    rows.append([self._loss(item) for item in items])
                weights, states, slots = map(_values_of, groups)
                trained.append(Copy(Weights(weights, states), slots))
            self._train_function = model.train_function
        return trained, np.array(rows)

    def _lend(self) -> None:
        """Gives the model our optimizer and loss, and no metrics; `untouched` puts its own back.

        Its own optimizer becomes as ours: a `train_step` may know it by another name.
        """
        model, optimizer = self._task.model, self._optimizer
        vars(self._task.inner).update(vars(optimizer))
        if self._task.loss is not None:
            model.compile(optimizer, self._task.loss)
        elif self._compiled_loss is not None:
            vars(model)["_compile_loss"] = self._compiled_loss
        own_step = model.train_step

        def train_step(*arguments: Any) -> Any:
            """Its own, on what `fit` hands over: tensors, and no None for what is missing."""
            *state, data = arguments
            return own_step(*state, keras.utils.pack_x_y_sample_weight(*map(tensors, data)))

        lent = {"optimizer": optimizer, "_compile_metrics": None, "train_step": train_step}
        vars(model).update(lent, train_function=self._train_function)

    def _loss(self, item: Item) -> float:
        model = self._task.model
        model.reset_metrics()  # a running mean of one batch is its loss
        logs = model.train_on_batch(*item, return_dict=True)
        named = [name for name in logs if "loss" in name]
        if "loss" not in logs and len(named) != 1:
            raise ValueError(
                f"The `train_step` of {model.name!r} reports no loss: whether it trains cannot be "
                f"seen. Received: logs {sorted(logs)}. Let it return a dict with the key 'loss'."
            )
        return float(_backend.numpy_of(logs["loss" if "loss" in logs else named[0]]))


def _values_of(variables: Sequence[Any]) -> list[np.ndarray]:
    """Copies of what Keras variables hold."""
    return [np.array(_backend.numpy_of(variable)) for variable in variables]
