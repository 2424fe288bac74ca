"""The batches that copies of a model are trained on, from whatever `fit` takes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.experiments._objective import batch_order
from kerasinit.models._first_batch import is_batch

MOST_LABELS = 512  # batches of a stream, beside those of the trial, whose labels are counted
SHOWN = 4  # shapes in a message

Item = tuple[Any, Any, Any]  # inputs, targets, sample weights; None where there are none


@dataclass(frozen=True)
class Batches:
    """Batches of one shape, and the labels that are known.

    Args:
        items: For each step, inputs, targets and sample weights: structures of arrays.
        targets: All targets that were seen, or None.
        weights: Their sample weights, or None.
    """

    items: tuple[Item, ...]
    targets: Any
    weights: Any

    @property
    def size(self) -> int:
        """Samples of a batch."""
        return len(keras.tree.flatten(self.items[0][0])[0])

    def __len__(self) -> int:
        return len(self.items)


def batches_of(
    x: Any, y: Any, sample_weight: Any, *, batch_size: int, steps: int, seed: int = 0
) -> Batches:
    """`steps` batches, from arrays in random order, from a stream as they come.

    A stream that holds fewer begins anew. Of a generator, which cannot, what was read is gone:
    its batches are used several times.

    Args:
        x: Inputs, or what yields batches (see `first_batch`).
        y: Targets; None for a stream.
        sample_weight: Weights of the samples; None for a stream.
        batch_size: Samples per step, of arrays.
        steps: How many.
        seed: Decides the order of arrays.

    Raises:
        ValueError: If there is nothing, the arrays do not fit each other, or a number is not
            finite.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    if is_batch(x):
        return _of_arrays(_arrays(x), _arrays(y), _arrays(sample_weight), batch_size, steps, seed)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"`x` yields batches, which hold their targets. Received: x={type(x).__name__}, and "
            "`y` or `sample_weight` too."
        )
    with _backend.same_random_state():  # from which a stream may draw its order
        return _of_stream(x, steps)


def tensors(values: Any) -> Any:
    """Structures of arrays as tensors; None stays None, and what stands for a shape stays."""

    def tensor(leaf: Any) -> Any:
        return ops.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf

    return keras.tree.map_structure(tensor, values)


def _of_arrays(x: Any, y: Any, weight: Any, size: int, steps: int, seed: int) -> Batches:
    lengths = {len(array) if array.ndim else 0 for array in _leaves((x, y, weight))}
    if len(lengths) != 1 or lengths == {0}:
        shapes = [array.shape for array in _leaves((x, y, weight))]
        more = f" and {len(shapes) - SHOWN} more" if len(shapes) > SHOWN else ""
        raise ValueError(
            "`x`, `y` and `sample_weight` must hold the same number of samples, at least one. "
            f"Received: arrays of shapes {shapes[:SHOWN]}{more}."
        )
    for name, values in (("x", x), ("y", y), ("sample_weight", weight)):
        _check_numbers(name, values)
    (count,) = lengths
    size = min(size, count)
    orders = (row for epoch in itertools.count() for row in batch_order(count, size, seed, epoch))

    def taken(rows: np.ndarray) -> Item:
        return _rows(x, rows), _rows(y, rows), _rows(weight, rows)

    return Batches(tuple(taken(rows) for rows in itertools.islice(orders, steps)), y, weight)


def _rows(values: Any, rows: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda leaf: None if leaf is None else leaf[rows], values)


def _of_stream(stream: Any, steps: int) -> Batches:
    found: list[Item] = []
    labels: list[tuple[Any, Any]] = []
    again = not hasattr(stream, "__next__")  # a generator, which could be endless and costly
    for batch in itertools.islice(_batches_in(stream), steps + (MOST_LABELS if again else 0)):
        inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(batch)
        item = _arrays(inputs), _arrays(targets), _arrays(weights)
        labels.append(item[1:])
        if len(found) < steps and (not found or _shapes(item) == _shapes(found[0])):
            for name, values in zip(("x", "y", "sample_weight"), item, strict=True):
                _check_numbers(name, values)
            found.append(item)
    if not found:
        raise ValueError(f"`x` has no batch. Received: {stream!r}.")
    items = tuple(itertools.islice(itertools.cycle(found), steps))
    return Batches(items, *(_joined(parts) for parts in zip(*labels, strict=True)))


def _batches_in(stream: Any) -> Iterator[Any]:
    if isinstance(stream, keras.utils.PyDataset):
        return (stream[index] for index in range(stream.num_batches or 2**31))
    return iter(stream)


def _joined(parts: tuple[Any, ...]) -> Any:
    """Structures of arrays as one: None where there is none, or where shapes differ."""
    if any(part is None for part in parts):
        return None
    try:
        return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
    except ValueError:  # sequences of different lengths
        return None


def _arrays(values: Any) -> Any:
    """Structures of numpy arrays; numbers in 64 bits become Keras' floats, as in `fit`."""
    return None if values is None else keras.tree.map_structure(_array, values)


def _array(leaf: Any) -> Any:
    if leaf is None:
        return None
    array = _backend.array_of(leaf)
    return array.astype(keras.config.floatx()) if array.dtype == np.float64 else array


def _check_numbers(name: str, values: Any) -> None:
    _backend.check_held(name, values, words=name == "x")
    for array in _leaves(values):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
            raise ValueError(
                f"`{name}` has {int((~np.isfinite(array)).sum())} values that are not finite, the "
                f"first in sample {rows[0]}. Received: an array of shape {array.shape}. Remove or "
                "replace them: one is enough to end a training."
            )


def _leaves(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if leaf is not None]


def _shapes(values: Any) -> list[Any]:
    return [(array.shape, array.dtype) for array in _leaves(values)]
