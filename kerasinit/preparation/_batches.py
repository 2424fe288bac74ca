"""The batches that copies of a model are trained on, from whatever `fit` takes."""

from __future__ import annotations

import itertools
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._numbers import is_finite
from kerasinit._safe_text import kind_in_words
from kerasinit.experiments._objective import batch_order
from kerasinit.models._first_batch import is_batch
from kerasinit.signals._batch import declared_inputs, flat_arrays

MOST_LABELS = 512  # batches of a stream, beside those of the trial, whose labels are counted
ENOUGH = 4  # batches of one shape, from which no other is added: each is compiled for (TF, JAX)
SHOWN = 4  # shapes in a message

Item = tuple[Any, Any, Any]  # inputs, targets, sample weights; None where there are none


@dataclass(frozen=True)
class Batches:
    """Batches of equally many samples, and the labels that are known.

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
    x: Any,
    y: Any,
    sample_weight: Any,
    *,
    batch_size: int,
    steps: int,
    class_weight: Mapping[int, float] | None = None,
    seed: int = 0,
) -> Batches:
    """`steps` batches of equally many samples, in random order: data may be sorted by class.

    From all of arrays and of a `PyDataset` of known length. Of another stream, from its first
    `steps + MOST_LABELS` batches; of a generator, which cannot begin anew, from the first `steps`.
    Batches may have several shapes: those of the shape with the most samples in all are taken (a
    last batch may be short), and where they are fewer than `ENOUGH`, others of as many samples, too
    (sequences of another length). Where these are fewer than `steps`, each is used several times.

    Args:
        x: Inputs, or what yields batches (see `first_batch`).
        y: Targets; None for a stream.
        sample_weight: Weights of the samples; None for a stream.
        batch_size: Samples per step, of arrays.
        steps: How many.
        class_weight: As for `fit`: a weight for each class; others count 1.
        seed: Decides which batches, and their order.

    Raises:
        TypeError: If `class_weight` is no mapping.
        ValueError: If there is nothing, the arrays do not fit each other, or a number is not
            finite.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    check_class_weight(class_weight)
    if is_batch(x):
        return _of_arrays(_item(x, y, sample_weight, class_weight), batch_size, steps, seed)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"`x` yields batches, which hold their targets. Received: x={type(x).__name__}, and "
            "`y` or `sample_weight` too."
        )
    with _backend.seeded(seed):  # a stream may draw its order
        return _of_stream(x, steps, class_weight, np.random.default_rng(seed))


def check_batched(model: Any, x: Any, *, of_stream: bool) -> None:
    """Refuses inputs that lack the axis of the samples.

    Args:
        model: A built model.
        x: Inputs of a batch.
        of_stream: Whether a dataset gave it.

    Raises:
        ValueError: If what the model takes has one axis more than what it is given.
    """
    declared, given = declared_inputs(model), flat_arrays(x)
    if len(declared) != 1 or len(given) != 1 or given[0].shape == (1,):  # a batch of one number
        return
    wanted, shape = declared[0].shape[1:], given[0].shape
    if len(wanted) == len(shape) and all(
        size in (None, own) for size, own in zip(wanted, shape, strict=True)
    ):
        way = (
            "A dataset must yield batches, as for `fit`: `dataset.batch(32)` makes them."
            if of_stream
            else "The first axis of `x` must be that of the samples: `x[None]` is a batch of one."
        )
        raise ValueError(f"{way} Received: one sample of shape {shape}.")


def tensors(values: Any) -> Any:
    """Structures of arrays as tensors; None stays None, and what stands for a shape stays."""

    def tensor(leaf: Any) -> Any:
        return ops.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf

    return keras.tree.map_structure(tensor, values)


def _item(x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None) -> Item:
    """Arrays of finite numbers; the weights of classes become those of samples."""
    x, y, sample_weight = map(_arrays, (x, y, sample_weight))
    for name, values in (("x", x), ("y", y)):
        _check_numbers(name, values)
    weight = weighted(y, sample_weight, class_weight)
    _check_numbers("sample_weight", weight)
    return x, y, weight


def _of_arrays(item: Item, size: int, steps: int, seed: int) -> Batches:
    x, y, weight = item
    lengths = {len(array) if array.ndim else 0 for array in _leaves(item)}
    if len(lengths) != 1 or lengths == {0}:
        shapes = [array.shape for array in _leaves(item)]
        more = f" and {len(shapes) - SHOWN} more" if len(shapes) > SHOWN else ""
        raise ValueError(
            "`x`, `y` and `sample_weight` must hold the same number of samples, at least one. "
            f"Received: arrays of shapes {shapes[:SHOWN]}{more}."
        )
    (count,) = lengths
    size = min(size, count)
    orders = (row for epoch in itertools.count() for row in batch_order(count, size, seed, epoch))

    def taken(rows: np.ndarray) -> Item:
        return _rows(x, rows), _rows(y, rows), _rows(weight, rows)

    return Batches(tuple(taken(rows) for rows in itertools.islice(orders, steps)), y, weight)


def check_class_weight(class_weight: Any) -> None:
    """Refuses what is no dict of finite numbers by the numbers of classes.

    Raises:
        TypeError: If it is no mapping.
        ValueError: If a class is no whole number, which `fit` would pass over without a word, or a
            weight is no finite number.
    """
    if not isinstance(class_weight, Mapping | None):
        raise TypeError(
            "`class_weight` must be a dict, `{class: weight}`: `dict(enumerate(weights))` of a "
            "list, with `weights = len(labels) / (classes * np.bincount(labels))` for balanced "
            f"classes. Received: class_weight={reprlib.repr(class_weight)}."
        )
    for label, weight in (class_weight or {}).items():
        if not (is_finite(label) or isinstance(label, bool)) or label != int(label):
            raise ValueError(
                "`class_weight` must name each class by its number, as the labels do. Received: "
                f"{reprlib.repr(label)}."
            )
        if not is_finite(weight):
            raise ValueError(
                "`class_weight` must hold a finite number for each class. Received: "
                f"{reprlib.repr(weight)} for class {label!r}."
            )


def weighted(y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None) -> Any:
    """Weights of samples, by their classes where these have weights: what `fit` makes of them.

    Args:
        y: Targets, as arrays.
        sample_weight: Weights that were given; None for none.
        class_weight: A weight for each class; others count 1.

    Raises:
        ValueError: If both are given, or the targets are not one label for each sample.
    """
    if class_weight is None:
        return sample_weight
    if sample_weight is not None:
        raise ValueError(
            "`class_weight` and `sample_weight` cannot both be given: multiply the sample weights "
            f"by those of the classes. Received: class_weight={class_weight!r} and sample weights."
        )
    labels = y if isinstance(y, np.ndarray) else None
    if labels is not None and labels.ndim > 1:
        labels = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels[..., 0]
    if labels is None or labels.ndim != 1:
        raise ValueError(
            "`class_weight` is for one output with one label for each sample; for others, `fit` "
            f"and `prepare` take `sample_weight`. Received: class_weight={class_weight!r}, and "
            f"targets {keras.tree.map_structure(lambda leaf: getattr(leaf, 'shape', leaf), y)}."
        )
    found = [class_weight.get(int(label), 1.0) for label in np.round(labels)]
    return np.array(found, keras.config.floatx())


def _rows(values: Any, rows: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda leaf: None if leaf is None else leaf[rows], values)


def _of_stream(
    stream: Any, steps: int, class_weight: Mapping[int, float] | None, rng: np.random.Generator
) -> Batches:
    found: dict[Any, list[Item]] = {}  # by their shapes
    counts: Counter[Any] = Counter()
    labels: list[tuple[Any, Any]] = []
    again = not hasattr(stream, "__next__")  # a generator, which could be endless and costly
    most = steps + (MOST_LABELS if again else 0)
    for batch in itertools.islice(_batches_in(stream, rng), most):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        item = _item(x, y, weight, class_weight)
        labels.append(item[1:])
        shapes = _shapes(item)
        same = found.setdefault(shapes, [])
        # All of a shape have the same chance to stay: Vitter, 1985, https://doi.org/10.1145/3147.3165
        counts[shapes] += 1
        place = int(rng.integers(counts[shapes]))
        if len(same) < steps:
            same.append(item)
        elif place < steps:
            same[place] = item
    if not found:
        raise ValueError(f"`x` has no batch. Received: {kind_in_words(stream)}.")
    ranked = sorted(found, key=lambda shapes: counts[shapes] * _samples(shapes), reverse=True)
    taken: list[Item] = []
    for shapes in ranked:
        if len(taken) < ENOUGH and _samples(shapes) == _samples(ranked[0]):
            taken += found[shapes]
    order = itertools.islice(itertools.cycle(rng.permutation(len(taken))), steps)
    items = tuple(taken[place] for place in order)
    return Batches(items, *(joined(parts) for parts in zip(*labels, strict=True)))


def _batches_in(stream: Any, rng: np.random.Generator) -> Iterator[Any]:
    if isinstance(stream, keras.utils.PyDataset):
        count = stream.num_batches
        order = itertools.count() if count is None else rng.permutation(count).tolist()
        return map(stream.__getitem__, order)
    return iter(stream)


def joined(parts: tuple[Any, ...]) -> Any:
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
    for array in map(np.atleast_1d, _leaves(values)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
            raise ValueError(
                f"`{name}` has {int((~np.isfinite(array)).sum())} values that are not finite, the "
                f"first in sample {rows[0]}. Received: an array of shape {array.shape}. Remove or "
                "replace them: one is enough to end a training."
            )


def _leaves(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if leaf is not None]


def _shapes(values: Any) -> tuple[Any, ...]:
    return tuple((array.shape, array.dtype) for array in _leaves(values))


def _samples(shapes: tuple[Any, ...]) -> int:
    """Samples of a batch of these shapes."""
    (first, _), *_ = shapes
    return first[0] if first else 1
