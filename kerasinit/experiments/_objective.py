"""What every training minimises, counts and sees: loss, accuracy, batches."""

from __future__ import annotations

import numpy as np
from keras import ops

from kerasinit._typing import Tensor


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of logits `(batch, classes)` against one-hot targets."""
    return -ops.mean(ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1))


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of examples whose largest logit is the target.

    Classes that share the largest logit share the point, so a model of zeros scores chance and
    not what its first class happens to occur; a model of NaN scores 0.
    """
    best = ops.cast(ops.equal(logits, ops.max(logits, axis=-1, keepdims=True)), "float32")
    ties = ops.maximum(ops.sum(best, axis=-1), 1.0)
    return ops.mean(ops.sum(best * targets, axis=-1) / ties)


def batch_order(examples: int, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Positions of the examples of every batch of an epoch, `(steps, batch_size)`.

    Examples:
        >>> batch_order(7, 3, seed=0, epoch=0).shape
        (2, 3)
    """
    order = np.random.default_rng((seed, epoch)).permutation(examples)
    steps = examples // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)
