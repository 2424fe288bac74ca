"""How sharply the loss bends, which limits the rate of gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import Item, tensors
from kerasinit.preparation._task import Task
from kerasinit.preparation._training_loss import training_loss
from kerasinit.preparation._untouched import same_attributes
from kerasinit.signals._first_update import CLIPS

PRODUCTS = 8  # with the second derivative; each takes two gradients
GRADIENTS = 2 * PRODUCTS + 1
SHIFT = 1e-3  # from the weights to where a gradient is taken, as a share of their length
CHANCE = 0.1  # of the direction of the gradient, added to it
ROUNDING = 1e-5  # of a direction, below which what is left of it is rounding
HALF = ("float16", "bfloat16")  # differences of gradients are lost in them

Arrays = list[np.ndarray]


def limits_rate(task: Task) -> bool:
    """Whether a limit of the learning rate follows from the sharpness.

    It does for gradient descent, plain or with heavy-ball momentum, without clipping, by the
    `train_step` of Keras.
    """
    optimizer = task.optimizer
    is_own = _backend.is_of_keras(type(optimizer))  # on torch, Keras makes it of a subclass
    if not is_own or not isinstance(optimizer, keras.optimizers.SGD) or optimizer.nesterov:
        return False
    return all(getattr(optimizer, name) is None for name in CLIPS) and (
        _backend.has_keras_train_step(task.model)
    )


def sharpness_of(task: Task, weights: Weights, item: Item, y_pred: Any) -> float | None:
    """The largest eigenvalue of the second derivative of a batch's loss.

    It changes no advice: it lets the user check a rate against what limits gradient descent.
    By the Lanczos method, with all directions kept orthogonal; a product with the second derivative
    is the difference of the gradients on both sides. None where it is not positive, or layers
    compute in half precision. Costs two gradients for each of `PRODUCTS`, and one.

    Args:
        task: The model and its loss.
        weights: Where.
        item: The batch.
        y_pred: Outputs of the model for it, or their shapes.
    """
    if any(layer.compute_dtype in HALF for layer in _backend.flat_layers(task.model)):
        return None
    here = weights.trainable
    place = _flat(here)
    far = SHIFT * (float(np.linalg.norm(place)) or 1.0)
    lent = _backend.lent_loss(task.model, task.loss, *map(tensors, (item[1], y_pred)))
    with same_attributes(task.model), lent:
        gradients_at = _gradients(task.model, weights.states, item)

        def gradient(moved: np.ndarray) -> np.ndarray:
            return _flat(gradients_at(_apart(moved, here)))

        def product(unit: np.ndarray) -> np.ndarray:
            ahead, behind = gradient(place + far * unit), gradient(place - far * unit)
            return (ahead - behind) / (2 * far)

        found = _largest_eigenvalue(product, gradient(place))
    return found if found > 0 else None


def _largest_eigenvalue(
    product: Callable[[np.ndarray], np.ndarray], direction: np.ndarray
) -> float:
    """The largest eigenvalue of a symmetric matrix, from its products with orthogonal directions.

    Args:
        product: The matrix times a vector.
        direction: Where to begin. Some chance is added: from what is zero, or orthogonal to the
            wanted direction, that one would never be found.

    Returns:
        The eigenvalue; 0 where a product is not finite.
    """
    chance = np.random.default_rng(0).standard_normal(len(direction)).astype(direction.dtype)
    chance *= CHANCE / np.linalg.norm(chance)
    size = np.linalg.norm(direction)
    direction = chance + direction / size if 0 < size < np.inf else chance
    basis: list[np.ndarray] = []
    projected = np.zeros((PRODUCTS, PRODUCTS))
    for column in range(PRODUCTS):
        before = np.linalg.norm(direction)
        for unit in basis * 2:  # the second time takes what rounding left
            direction = direction - np.vdot(unit, direction) * unit
        size = np.linalg.norm(direction)
        if size <= ROUNDING * before:  # no other direction is left
            break
        basis.append(direction / size)
        direction = product(basis[-1])
        if not np.isfinite(direction).all():
            return 0.0
        projected[: len(basis), column] = [np.vdot(unit, direction) for unit in basis]
    count = len(basis)
    return float(np.linalg.eigvalsh(projected[:count, :count], UPLO="U")[-1])


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
        return [_backend.numpy_of(part) for part in found]

    return gradient_at


def _flat(arrays: Arrays) -> np.ndarray:
    """Arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def _apart(vector: np.ndarray, like: Arrays) -> Arrays:
    """A vector as arrays of the shapes and types of others."""
    ends = np.cumsum([array.size for array in like])[:-1]
    parts = zip(np.split(vector, ends), like, strict=True)
    return [part.reshape(array.shape).astype(array.dtype) for part, array in parts]
