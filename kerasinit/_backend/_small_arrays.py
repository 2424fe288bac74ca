"""Small arrays, and how they are got out of large tensors."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasinit._backend._name import name

LARGE = 2**16  # entries, from which one more operation costs less than a slow loop


def compiles_steps() -> bool:
    """Whether what runs or is traced now is compiled as a whole, so that small operations are free.

    Elsewhere a call of each costs several times what it does, in the middle of the training step:
    on torch, and on TensorFlow without XLA, which is the default without an accelerator.
    """
    if name() == "tensorflow":
        import tensorflow as tf
        from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

        return bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
    return name() == "jax"


def small_array(tensor: Any) -> np.ndarray:
    """A numpy array of `tensor`, waiting for the device."""
    array: np.ndarray = tensor.detach().cpu().numpy() if name() == "torch" else np.asarray(tensor)
    return array


def joined(tensors: Sequence[Any]) -> Any:
    """All entries of `tensors`, at least one, as one vector, float32."""
    if name() == "torch":
        import torch

        with torch.no_grad():
            return torch.cat([_flat(tensor) for tensor in tensors]).float()
    ops = keras.ops
    return ops.concatenate([_float32(ops.reshape(tensor, (-1,))) for tensor in tensors])


def functions_of(array: Any) -> Any:
    """The module whose functions take `array`: numpy, or `keras.ops` for a tensor."""
    return np if isinstance(array, np.ndarray) else keras.ops


def sums_of_squares(tensors: Sequence[Any]) -> Any:
    """Sum of squares of each tensor, in float32, `(len(tensors),)`."""
    if name() == "torch":
        import torch

        with torch.no_grad():
            flat = [_flat(tensor).float() for tensor in tensors]
            return torch.stack([values.dot(values) for values in flat])
    if not compiles_steps():
        import tensorflow as tf

        return 2.0 * tf.stack([tf.nn.l2_loss(_float32(tensor)) for tensor in tensors])
    return keras.ops.stack([_sum_of_squares(_float32(tensor)) for tensor in tensors])


def sums_of_squared_parts(values: Any, lengths: Sequence[int]) -> Any:
    """Sum of squares of each part of a vector, `(len(lengths),)`, where steps are not compiled.

    Args:
        values: The parts, one after another.
        lengths: Entries of each.
    """
    if name() == "torch":
        import torch

        if values.device.type not in ("cpu", "cuda"):  # others may lack `segment_reduce`
            return sums_of_squares(values.split(list(lengths)))
        with torch.no_grad():
            sizes = _constant(tuple(lengths), values.device)
            return torch.segment_reduce(values * values, "sum", lengths=sizes, unsafe=True)
    import tensorflow as tf

    filled = np.trim_zeros(lengths, "b")  # the sum has nothing for empty parts at the end
    if not len(filled):
        return tf.zeros(len(lengths))
    parts = np.repeat(np.arange(len(filled), dtype="int32"), filled)
    sums = tf.math.segment_sum(tf.square(values), parts)  # a quarter of the unsorted one's time
    sums.set_shape(len(filled))  # for a graph, which does not look at the parts
    missing = len(lengths) - len(filled)
    return tf.pad(sums, [(0, missing)]) if missing else sums


def sums_by_group(vectors: Sequence[Any], groups: Sequence[int], count: int) -> Any:
    """Sums of the entries of each group, `(count,)`, where steps are not compiled.

    Args:
        vectors: The entries, float32.
        groups: Number of the group of each entry.
        count: Number of groups.
    """
    if name() == "torch":
        import torch

        with torch.no_grad():
            entries = torch.cat(list(vectors))
            places = _constant(tuple(groups), entries.device)
            return entries.new_zeros(count).index_add_(0, places, entries)
    import tensorflow as tf

    return tf.math.unsorted_segment_sum(tf.concat(vectors, 0), groups, count)


@functools.lru_cache(maxsize=64)
def _constant(values: tuple[int, ...], device: Any) -> Any:
    """Whole numbers as a torch tensor, which takes long to make in the middle of a step."""
    import torch

    return torch.tensor(values, device=device)


def _float32(tensor: Any) -> Any:
    return keras.ops.cast(tensor, "float32")


def _sum_of_squares(values: Any) -> Any:
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


def strided_runs(
    tensors: Sequence[Any], steps: Sequence[int], lengths: Sequence[int], *, run: int
) -> list[Any]:
    """Runs of entries of each tensor, for `read_runs`; on torch views, which cost little to read.

    Args:
        tensors: What to read, of any shape; None has no entries.
        steps: Distance between the starts of the runs of each; 1 for all entries. Either all are
            1 or none is.
        lengths: Entries to take of each, a multiple of `run` where not all are taken.
        run: Entries of a run.
    """
    parts = zip(tensors, steps, lengths, strict=True)
    if name() == "torch":
        import torch

        with torch.no_grad():
            return [
                _flat(tensor) if step == 1 else _runs_of(tensor, (length // run, run), (step, 1))
                for tensor, step, length in parts
                if length
            ]
    ops = keras.ops
    compiled = compiles_steps()
    taken = []
    for tensor, step, length in parts:
        if length == 0:
            taken.append(ops.zeros((0,)))
            continue
        flat = tensor if len(tensor.shape) == 1 else ops.reshape(tensor, (-1,))
        if step > 1:
            count = length // run
            # Where nothing is compiled, such a slice of a large tensor copies all of it first.
            if compiled or (step % run and flat.shape[0] < LARGE):
                flat = ops.reshape(flat[: count * step], (count, step))[:, :run]
                flat = ops.reshape(flat, (length,))
            else:
                flat = _gathered(flat, count, step, run)
        taken.append(_float32(flat))
    return taken


def read_runs(runs: list[Any]) -> Any:
    """The entries of `strided_runs`, float32, as they are now.

    A list of tensors, one for each, for `rows_of`; where steps are not compiled
    (`compiles_steps`), one tensor of all, to be read once.
    """
    if name() == "torch":
        import torch

        with torch.no_grad():
            return torch.cat(runs).reshape(-1).float() if runs else torch.zeros(0)
    return runs if compiles_steps() else keras.ops.concatenate(runs)


def addresses(tensors: Sequence[Any]) -> tuple[int, ...] | None:
    """Where in memory the tensors lie, if a step writes into them and each lies in one piece.

    As long as it is the same, so are their `strided_runs`. None otherwise, and where a step makes
    new tensors.
    """
    if name() != "torch":
        return None
    import torch

    if not all(map(torch.Tensor.is_contiguous, tensors)):
        return None
    return tuple(map(torch.Tensor.data_ptr, tensors))


def _gathered(flat: Any, count: int, step: int, run: int) -> Any:
    import tensorflow as tf

    size = flat.shape[0]
    starts = step * np.arange(count, dtype="int32")
    if step % run:
        return tf.gather(flat, (starts[:, None] + np.arange(run, dtype="int32")).ravel())
    # A run is copied whole, in a fifth of the time.
    whole = flat[: size // run * run] if size % run else flat
    return tf.reshape(tf.gather(tf.reshape(whole, (-1, run)), starts // run), (count * run,))


def _flat(tensor: Any) -> Any:
    return tensor if tensor.dim() == 1 else tensor.reshape(-1)


def _runs_of(tensor: Any, shape: tuple[int, int], steps: tuple[int, int]) -> Any:
    flat = tensor if tensor.is_contiguous() else tensor.reshape(-1)
    return flat.as_strided(shape, steps)


def rows_of(entries: Sequence[Any], lengths: Sequence[int]) -> Any:
    """Entries of several tensors as rows, padded with 0, `(tensors, width)`.

    Args:
        entries: From `read_runs`, where steps are compiled.
        lengths: Entries of each tensor.
    """
    width = max(*lengths, 1)
    ops = keras.ops
    parts = []
    for row, length in zip(entries, lengths, strict=True):
        parts += [row, ops.zeros((width - length,))] if length < width else [row]
    return ops.reshape(ops.concatenate(parts), (len(lengths), width))
