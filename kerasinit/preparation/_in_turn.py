"""Copies of one model, trained in its place, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import Item, tensors
from kerasinit.preparation._copies import Copy, SpareOptimizer, values_of
from kerasinit.preparation._task import Task
from kerasinit.preparation._untouched import untouched


class CopiesInTurn:
    """Copies of a model that train by its own `train_step`; it is lent, and given back as it was.

    For what cannot be mapped: a `train_step` of the user's, code that the backend does not map,
    models of which only one fits into memory.

    Args:
        task: The model, its loss and its optimizer.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._spare = SpareOptimizer(task.new_optimizer(1.0), task.model.trainable_variables)
        self.start = self._spare.start
        self._train_function: Any = None  # compiled once, for all copies

    def advance(
        self, copies: Sequence[Copy], items: Sequence[Item]
    ) -> tuple[list[Copy], np.ndarray]:
        """See `Copies.advance`."""
        model, optimizer = self._task.model, self._spare.optimizer
        groups = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        trained, rows = [], []
        with untouched(model):
            self._lend()
            for copy in copies:
                for variables, values in zip(groups, copy.groups, strict=True):
                    for variable, value in zip(variables, values, strict=True):
                        variable.assign(value)
                rows.append([self._loss(item) for item in items])
                weights, states, slots = map(values_of, groups)
                trained.append(Copy(Weights(weights, states), slots))
            self._train_function = model.train_function
        return trained, np.array(rows)

    def _lend(self) -> None:
        """Gives the model our optimizer, and takes away its metrics; `untouched` puts them back."""
        model, optimizer = self._task.model, self._spare.optimizer
        if self._task.loss is not None:
            model.compile(optimizer, self._task.loss)
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
