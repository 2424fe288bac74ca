"""How sharply the loss bends, which limits the rate of gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import Item, tensors
from kerasinit.preparation._task import Task
from kerasinit.preparation._training_loss import training_loss

ROUNDS = 8  # of power iteration
GRADIENTS = 2 * ROUNDS + 1  # that are taken
NEAR = 1e-3  # from the weights to where a gradient is taken, as a share of their length

Arrays = list[np.ndarray]


def sharpness_of(task: Task, weights: Weights, item: Item, y_pred: Any) -> float:
    """The largest eigenvalue of the second derivative of a batch's loss.

    By power iteration, from the gradient on; a product with the second derivative is the difference
    of the gradients on both sides.

    Args:
        task: The model and its loss.
        weights: Where.
        item: The batch.
        y_pred: Outputs of the model for it, or their shapes.
    """
    here = weights.trainable
    far = NEAR * _length(here)
    with _backend.lent_loss(task.model, task.loss, *map(tensors, (item[1], y_pred))):
        gradient_at = _gradients(task.model, weights.states, item)
        direction, bend = gradient_at(here), 0.0
        for _ in range(ROUNDS):
            size = _length(direction)
            if not size > 0:
                break
            unit = [part / size for part in direction]
            ahead, behind = (gradient_at(_moved(here, unit, way)) for way in (far, -far))
            direction = [
                (one - other) / (2 * far) for one, other in zip(ahead, behind, strict=True)
            ]
            bend = sum(float(np.vdot(a, b)) for a, b in zip(unit, direction, strict=True))
    return bend


def _gradients(model: Any, states: Arrays, item: Item) -> Callable[[Arrays], Arrays]:
    """The gradient of the batch's loss as a function of the weights."""
    fixed, batch = [ops.convert_to_tensor(array) for array in states], [*map(tensors, item)]

    def gradients(values: list[Tensor], x: Any, y: Any, sample_weight: Any) -> list[Tensor]:
        def objective(own: list[Tensor]) -> tuple[Tensor, Any]:
            return training_loss(model, own, fixed, (x, y, sample_weight))

        found, _ = _backend.gradients_of(objective)(values)
        return [ops.convert_to_tensor(gradient) for gradient in found]

    run = _backend.jitted(gradients)

    def gradient_at(place: Arrays) -> Arrays:
        (found,) = run([[ops.convert_to_tensor(array) for array in place]], *batch)
        return [ops.convert_to_numpy(part) for part in found]

    return gradient_at


def _moved(place: Arrays, unit: Arrays, far: float) -> Arrays:
    return [(a + far * b).astype(a.dtype) for a, b in zip(place, unit, strict=True)]


def _length(parts: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(sum(float(np.vdot(part, part)) for part in parts)))
