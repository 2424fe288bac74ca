"""The samples that the probe looks at, and what the rest of the data must not hide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._safe_text import kind_in_words

MAX_SAMPLES = 256  # enough to tell a dead unit: one that is on for 2 % of samples is seen, p > 0.99
MAX_VALUES = 4_000_000  # input values in a batch; keeps the activations of image models in memory
BLOCK = 2**22  # values that are looked at together, so that no mask of a whole data set is made


@dataclass(frozen=True)
class DataBatch:
    """Some samples as tensors, and all of them as arrays.

    Args:
        x: Inputs of the chosen samples.
        y: Their targets; None if there are none.
        numbers: Numbers of the chosen samples.
        all_x: Arrays of all inputs.
        all_y: All targets, in the structure in which they came.
        weight: What each chosen sample counts in the loss; None where all count the same.
    """

    x: Any
    y: Any
    numbers: np.ndarray
    all_x: list[np.ndarray]
    all_y: Any
    weight: Any = None

    @property
    def samples(self) -> int:
        """How many were chosen."""
        return len(self.numbers)


def of_dataset(x: Any, y: Any) -> Any:
    """`x` of a batch that a dataset gave; with `y`, as they are, where their first axes differ.

    Of a batch of graphs there are unlike many nodes, edges and targets. `fit` takes that.
    """
    x_arrays, y_arrays = (keras.tree.map_structure(_array, tree) for tree in (x, y))
    flat = flat_arrays((x_arrays, y_arrays))
    sizes = [len(array) if array.ndim else 0 for array in flat]
    if len(set(sizes)) < 2 or 0 in sizes:
        return x
    samples = len(flat_arrays(x_arrays if y is None else y_arrays)[0])
    inputs, targets = (keras.tree.map_structure(_tensor, tree) for tree in (x_arrays, y_arrays))
    return DataBatch(inputs, targets, np.arange(samples), flat_arrays(x_arrays), y_arrays)


def as_batch(model: Any, x: Any, y: Any = None) -> DataBatch:
    """At most `MAX_SAMPLES` samples at even distances.

    Args:
        model: A Keras model.
        x: Inputs, an array of shape `(batch, ...)` or a structure of such arrays; or the batch.
        y: Targets, the same; or None.

    Raises:
        ValueError: If the batch is empty, the shape is not the model's, the arrays differ in their
            number of samples, or what they hold are no numbers.
    """
    if isinstance(x, DataBatch):
        return x
    _check_form("x", x)
    _check_form("y", y)
    x = keras.tree.map_structure(_array, x)
    y = None if y is None else keras.tree.map_structure(_array, y)
    sizes = [len(a) if a.ndim else 0 for a in keras.tree.flatten((x, y)) if a is not None]
    if not sizes or min(sizes) == 0:
        raise ValueError(
            "`x` must hold at least one sample, in the first axis. "
            f"Received: x of shape {_shapes(x)}."
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            "`x` and `y` must have the same number of samples. "
            f"Received: x of shape {_shapes(x)}, y of shape {_shapes(y)}."
        )
    _backend.check_held("x", x)
    _backend.check_held("y", y, words=False)
    _check_shape(model, x)
    values = sum(int(np.prod(a.shape[1:])) for a in flat_arrays(x))
    most = min(MAX_SAMPLES, max(2, MAX_VALUES // max(values, 1)))
    size = min(sizes[0], most, fixed_batch_size(model) or most)
    chosen = np.linspace(0, sizes[0] - 1, size).astype(int)

    def take(array: np.ndarray | None) -> Any:
        return None if array is None else _tensor(array[chosen])

    return DataBatch(
        keras.tree.map_structure(take, x),
        None if y is None else keras.tree.map_structure(take, y),
        chosen,
        flat_arrays(x),
        y,
    )


def _tensor(array: np.ndarray | None) -> Any:
    if array is None:
        return None
    return ops.convert_to_tensor(array.astype("float32") if array.dtype == np.float64 else array)


def non_finite_values(arrays: list[np.ndarray]) -> tuple[int, int | None]:
    """How many values are NaN or infinite, and the number of the first sample that has one.

    >>> non_finite_values([np.ones(3), np.array([[1.0, 1.0], [np.inf, 1.0]])])
    (1, 1)
    """
    count, samples = 0, []
    for array in arrays:
        if array.dtype.kind != "f":
            continue
        step = max(1, BLOCK // max(1, int(np.prod(array.shape[1:]))))
        for start in range(0, len(array), step):
            bad = ~np.isfinite(array[start : start + step])
            if bad.any():
                count += int(np.sum(bad))
                samples.append(start + int(np.argmax(bad.reshape(len(bad), -1).any(axis=1))))
    return count, min(samples, default=None)


def flat_arrays(structure: Any) -> list[np.ndarray]:
    """All arrays of a structure of arrays or tensors, as numpy arrays."""
    return [to_numpy(leaf) for leaf in keras.tree.flatten(structure) if leaf is not None]


def to_numpy(tensor: Any) -> np.ndarray:
    """Numpy array of a tensor or a variable; half precision becomes float32."""
    if isinstance(tensor, np.ndarray):
        return tensor
    if isinstance(tensor, keras.Variable):
        tensor = ops.convert_to_tensor(tensor)
    if keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16"):
        tensor = ops.cast(tensor, "float32")
    return _backend.numpy_of(tensor)


def declared_inputs(model: Any) -> list[Any]:
    """The Keras tensors that a Functional or Sequential model takes; none of others."""
    ends = _backend.functional_ends(model)
    return [] if ends is None else list(ends[0])


def fixed_batch_size(model: Any) -> int | None:
    """Samples of a batch, where the inputs of a model are fixed to a number.

    A `Sequential` that was built by a call keeps the size of that batch in its input: only where
    no other passes is it fixed.
    """
    inputs = declared_inputs(model)
    size = next((tensor.shape[0] for tensor in inputs if tensor.shape and tensor.shape[0]), None)
    if size is None or not isinstance(model, keras.Sequential):
        return size
    is_stateful = any(getattr(layer, "stateful", False) for layer in _backend.flat_layers(model))
    return size if is_stateful or not _passes(model, inputs[0], size + 1) else None


def _passes(model: Any, declared: Any, size: int) -> bool:
    """Whether a model takes a batch of `size`."""
    try:
        model.compute_output_spec(
            keras.KerasTensor((size, *declared.shape[1:]), dtype=declared.dtype)
        )
    except Exception:  # noqa: BLE001 - the code of any layer runs here
        return False
    return True


def check_kind(model: Any) -> None:
    """Refuses what is no model.

    Raises:
        TypeError: If it is no Keras model.
    """
    if not isinstance(model, keras.layers.Layer):
        order = "Pass the model first, then the data, as in `diagnose(model, x, y)`."
        raise TypeError(
            f"`model` must be a built Keras model. Received: {kind_in_words(model)}. "
            f"{_backend.way_to_a_model(model) or order}"
        )


def check_model(model: Any) -> None:
    """Refuses what is no model, and a model without its weights.

    Raises:
        TypeError: If it is no Keras model.
        ValueError: If it is not built.
    """
    check_kind(model)
    if _backend.is_whole(model):
        return
    if model.weights:
        raise ValueError(
            f"A model of which only parts are built. Received: {model.name!r}, which was never "
            "called. Call it once on data first, or pass its parts, one by one."
        )
    if model.built:
        raise ValueError(
            f"The model has no weights. Received: {model.name!r}, which is built. Keras knows, and "
            "trains, the weights of layers and of `add_weight` alone."
        )
    raise ValueError(
        "The model has no weights yet. Received: an unbuilt model "
        f"{model.name!r}. Call it once on data, or `model.build(input_shape)`, first."
    )


def _check_form(name: str, data: Any) -> None:
    """Refuses what is no structure of arrays, with the way to make one of it."""
    strange = [
        leaf
        for leaf in keras.tree.flatten(data)
        if leaf is not None and not (hasattr(leaf, "shape") or hasattr(leaf, "__array__"))
    ]
    if not strange:
        return
    if isinstance(strange[0], keras.utils.PyDataset):
        cure = "Pass one batch of it: `x, y = dataset[0]`"
    elif isinstance(strange[0], Iterable) and not isinstance(strange[0], str):
        cure = "Pass one batch of it: `x, y = next(iter(dataset))`"
    else:
        cure = f"`np.asarray({name})` makes an array of numbers"
    raise ValueError(
        f"`{name}` must be an array, or a list or dict of arrays. "
        f"Received: {kind_in_words(data)}. {cure}."
    )


def _array(leaf: Any) -> np.ndarray | None:
    if leaf is None:  # the targets of an output without a loss
        return None
    return to_numpy(leaf) if ops.is_tensor(leaf) else _backend.array_of(leaf)


def _shapes(structure: Any) -> str:
    shapes = [tuple(array.shape) for array in flat_arrays(structure)]
    return str(shapes[0]) if len(shapes) == 1 else str(shapes)


def _check_shape(model: Any, x: Any) -> None:
    declared = declared_inputs(model)
    if not declared:
        return
    expected = [tuple(tensor.shape) for tensor in declared]
    names = [tensor.name for tensor in declared]
    by_name = isinstance(x, dict) and set(x) == set(names)
    arrays = flat_arrays([x[name] for name in names] if by_name else x)
    received = [tuple(array.shape) for array in arrays]
    if len(expected) == len(received) and all(map(_fits, expected, received)):
        return
    wanted = expected[0] if len(expected) == 1 else expected
    raise ValueError(
        f"`x` must have the shape of the model's input, {wanted}. "
        f"Received: x of shape {_shapes(x)}."
    )


def _fits(expected: tuple[int | None, ...], received: tuple[int, ...]) -> bool:
    if len(received) == len(expected) - 1 and expected[-1] == 1:
        received = (*received, 1)  # Keras adds a last axis of 1, too
    return len(expected) == len(received) and all(
        e is None or e == r for e, r in zip(expected[1:], received[1:], strict=True)
    )
