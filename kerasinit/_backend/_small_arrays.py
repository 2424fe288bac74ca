"""Small arrays, and how they are got out of large tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasinit._backend._name import name

LARGE = 2**16  # entries, from which one more operation costs less than a slow loop


def small_array(tensor: Any) -> Any:
    """`tensor`, or on torch a numpy array of it.

    For arrays of a few thousand entries each call of `keras.ops` on torch costs several times
    what it does, in the middle of the training step.
    """
    return tensor.detach().cpu().numpy() if name() == "torch" else tensor


def small_array_functions() -> Any:
    """The module whose functions take small arrays: `keras.ops`, or numpy on torch."""
    return np if name() == "torch" else keras.ops


def sum_of_squares(values: Any) -> Any:
    """Sum of squares of a tensor, in float32, as a small array of shape `()`."""
    if name() == "torch":
        flat = values.detach().reshape(-1).float()
        return small_array(flat.dot(flat))
    values = keras.ops.cast(values, "float32")
    if name() == "tensorflow":
        import tensorflow as tf

        if len(values.shape) < 2 or math.prod(values.shape) < LARGE:
            return 2.0 * tf.nn.l2_loss(values)
        # On a processor XLA turns `l2_loss` into one slow loop; a product with ones runs on all
        # cores, ten times as fast.
        rows = tf.square(tf.reshape(values, (-1, values.shape[-1])))
        return tf.reduce_sum(tf.linalg.matvec(rows, tf.ones((values.shape[-1],))))
    import jax

    flat = keras.ops.reshape(values, (-1,))
    # XLA's own sum over all entries is one slow loop on a processor, its dot product is not.
    return jax.numpy.dot(flat, flat, precision=jax.lax.Precision.HIGHEST)


def strided_rows(
    tensors: Sequence[Any], steps: Sequence[int], lengths: Sequence[int], *, run: int, width: int
) -> Any:
    """Runs of entries of each tensor in a row, float32, padded with 0: `(len(tensors), width)`.

    Args:
        tensors: What to read, of any shape.
        steps: Distance between the starts of the runs of each; 1 for all entries.
        lengths: Entries to take of each, a multiple of `run` where not all are taken.
        run: Entries of a run.
        width: Columns of the result, a small array.
    """
    parts = zip(tensors, steps, lengths, strict=True)
    if name() == "torch":
        import torch

        rows = np.zeros((len(tensors), width), "float32")
        for row, (tensor, step, length) in zip(rows, parts, strict=True):
            if not length:
                continue
            flat = tensor.detach().reshape(-1)
            if tensor.dtype is torch.float32 and tensor.is_cpu:
                taken = _runs(flat.numpy(), step, length, run, np.reshape)
            else:  # taken where it lies; numpy has no bfloat16
                taken = small_array(_runs(flat, step, length, run, torch.reshape).float())
            row[:length].reshape(taken.shape)[:] = taken
        return rows
    ops = keras.ops
    filled = []
    for tensor, step, length in parts:
        if length == 0:
            filled.append(ops.zeros((width,)))
            continue
        taken = _runs(ops.reshape(tensor, (-1,)), step, length, run, ops.reshape)
        row = ops.cast(ops.reshape(taken, (length,)), "float32")
        filled.append(row if length == width else ops.pad(row, [[0, width - length]]))
    return ops.stack(filled)


def _runs(flat: Any, step: int, length: int, run: int, reshape: Callable[..., Any]) -> Any:
    """`length` entries of a flat tensor: `(length // run, run)`, or all of them if `step` is 1."""
    if step == 1:
        return flat
    count = length // run
    return reshape(flat[: count * step], (count, step))[:, :run]
