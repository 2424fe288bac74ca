"""What every training minimises, counts and sees: loss, score, batches."""

from __future__ import annotations

import numpy as np
from keras import ops

from kerasinit._typing import Tensor


def loss_and_accuracy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of logits, and the share of examples whose largest logit is the target.

    Classes that share the largest logit share the point, so a model of zeros scores chance and
    not what its first class happens to occur; a model of NaN scores 0.

    Args:
        logits: `(batch, classes)`.
        targets: One-hot, of the same shape.
    """
    # One pass for both: each further reduction is one more for JAX to compile.
    logits = ops.cast(logits, "float32")
    largest = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    shifted = logits - largest
    target = ops.sum(targets * shifted, axis=-1)
    loss = ops.mean(ops.log(ops.sum(ops.exp(shifted), axis=-1)) - target)
    ties = ops.sum(ops.cast(ops.equal(shifted, 0.0), "float32"), axis=-1)
    hits = ops.cast(ops.equal(target, 0.0), "float32")
    return loss, ops.mean(hits / ops.maximum(ties, 1.0))


def loss_and_error(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of a regression, as its loss and as what `explained` makes a score of.

    Args:
        outputs: `(batch, 1)`.
        targets: Of the same shape.
    """
    error = ops.mean(ops.square(ops.cast(outputs, "float32") - targets))
    return error, error


def explained(errors: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R2, the share of the variance of `y` that a model explains; less than nothing is 0.

    Args:
        errors: Mean squared errors.
        y: The targets.

    Examples:
        >>> explained(np.array([0.0, 0.5, 3.0]), np.array([-1.0, 1.0]))
        array([1. , 0.5, 0. ])
    """
    return np.clip(1 - errors / (float(np.var(y, dtype="float64")) or 1.0), 0, 1)


def batch_order(examples: int, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Positions of the examples of every batch of an epoch, `(steps, batch_size)`.

    Examples:
        >>> batch_order(7, 3, seed=0, epoch=0).shape
        (2, 3)
    """
    order = np.random.default_rng((seed, epoch)).permutation(examples)
    steps = examples // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)
