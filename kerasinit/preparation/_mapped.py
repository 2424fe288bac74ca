"""Copies of one model, trained side by side in compiled calls."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Batch, Tensor
from kerasinit.experiments._convolution import as_matrix_products
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import Item, tensors
from kerasinit.preparation._copies import Copy, SpareOptimizer
from kerasinit.preparation._task import Task
from kerasinit.preparation._training_loss import training_loss

Stack = tuple[list[Tensor], list[Tensor], list[Tensor]]  # of the groups of several copies


class MappedCopies:
    """Copies of a model that take a step in one compiled call; the model stays as it is.

    A step is a pure function of weights, states and the optimizer's variables, the learning rate
    among them, mapped over the copies. So what acts on whole tensors (clipping by norm, LAMB, Muon)
    acts on those of one copy.

    Args:
        task: The model, its loss and its optimizer.
        y: Targets of a batch, for their shapes.
        y_pred: Outputs of the model for it, or their shapes.
        size: Copies per call. All calls take as many, so that one compilation serves all.
    """

    def __init__(self, task: Task, y: Batch, y_pred: Batch, size: int) -> None:
        self._task, self._size = task, size
        self._model = task.model
        self._shapes = y, y_pred
        pure = _backend.pure_optimizer(task.new_optimizer(1.0))
        self._spare = SpareOptimizer(pure, self._model.trainable_variables)
        self.start = self._spare.start
        self._step = _backend.jitted(_backend.over_replicas(self._step_of_one))

    def advance(
        self, copies: Sequence[Copy], items: Sequence[Item]
    ) -> tuple[list[Copy], np.ndarray]:
        """See `Copies.advance`."""
        starts = range(0, len(copies), self._size)
        stacks = [self._stacked(copies[first : first + self._size]) for first in starts]
        columns = []
        lent = _backend.lent_loss(self._model, self._task.loss, *map(tensors, self._shapes))
        with lent:
            for item in items:
                stepped = self._step(stacks, *map(tensors, item))
                stacks = [stack for stack, _ in stepped]
                columns.append([_backend.numpy_of(loss) for _, loss in stepped])
        losses = np.stack([np.concatenate(column) for column in columns], axis=1)
        trained = [copy for stack in stacks for copy in self._apart(stack)]
        return trained[: len(copies)], losses[: len(copies)]

    def _stacked(self, copies: Sequence[Copy]) -> Stack:
        rows = [*copies, *[copies[-1]] * (self._size - len(copies))]  # the last one is filled up
        groups = zip(*(copy.groups for copy in rows), strict=True)
        weights, states, slots = (
            [ops.convert_to_tensor(np.stack(arrays)) for arrays in zip(*group, strict=True)]
            for group in groups
        )
        return weights, states, slots

    def _apart(self, stack: Stack) -> list[Copy]:
        groups = [[_backend.numpy_of(tensor) for tensor in group] for group in stack]
        rows = [[[array[i] for array in group] for group in groups] for i in range(self._size)]
        return [Copy(Weights(weights, states), slots) for weights, states, slots in rows]

    def _step_of_one(self, copy: Stack, x: Any, y: Any, sample_weight: Any) -> tuple[Stack, Tensor]:
        weights, states, slots = copy
        optimizer = self._spare.optimizer

        def objective(own: list[Tensor]) -> tuple[Tensor, Any]:
            loss, new = training_loss(self._model, own, states, (x, y, sample_weight))
            return optimizer.scale_loss(loss), (new, loss)

        with _convolving(self._model):
            gradients, (new, loss) = _backend.gradients_of(objective)(weights)
        gradients = [ops.convert_to_tensor(gradient) for gradient in gradients]
        weights, slots = optimizer.stateless_apply(slots, gradients, weights)
        return (list(weights), new, list(slots)), loss


def _convolving(model: Any) -> contextlib.AbstractContextManager[None]:
    if _backend.maps_convolutions_well():
        return contextlib.nullcontext()
    return as_matrix_products(model)
