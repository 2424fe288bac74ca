"""The data a comparison trains on: bundled, generated, or a file of the user's own."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kerasinit._numbers import LARGEST
from kerasinit.experiments._generated import GENERATORS

VALIDATION_SHARE = 0.22  # 397 of the 1,797 digits, the usual split of the literature

WHOLE_FLOATS = (
    " Whole floats could be either: `y.astype(int)` makes labels of them, `y / y.std()` the "
    "numbers of a regression."
)
KERAS_SETS = ("mnist", "fashion_mnist", "cifar10")
SKLEARN_LOADERS = {"digits": "load_digits", "breast_cancer": "load_breast_cancer"}
NAMES = (*SKLEARN_LOADERS, *GENERATORS)


@dataclass(frozen=True)
class Dataset:
    """Inputs standardised over the training part, and integer labels or the numbers to predict.

    Args:
        name: Name in the spec.
        x: Training inputs, `(examples, *input_shape)`, float32.
        y: Training labels, `(examples,)`, int32; of a regression its targets, standardised over
            the training part, float32.
        x_val: Validation inputs.
        y_val: Validation labels or targets.
        classes: Number of labels; 0 for a regression.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    classes: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(int(size) for size in self.x.shape[1:])

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for one example."""
        return self.classes or 1

    @property
    def guess(self) -> float:
        """Score of a model that knows nothing: the most frequent label, or the mean."""
        return float(np.max(np.bincount(self.y)) / len(self.y)) if self.classes else 0.0

    def targets(self, y: np.ndarray) -> np.ndarray:
        """What the outputs are compared with, `(*y.shape, outputs)`: one-hot, or the numbers."""
        return np.eye(self.classes, dtype="float32")[y] if self.classes else y[..., None]


def load(name: str) -> Dataset:
    """Loads and splits a data set; the same split every time.

    Args:
        name: One of `NAMES`, a path of an `.npz` file, or `"keras:mnist"` and the like.

    Raises:
        ValueError: If there is no such set, or the file does not hold what is needed.
        ImportError: If scikit-learn is missing.
        OSError: If `keras:` data is neither cached nor can be fetched.
    """
    if name.startswith("keras:"):
        return _from_keras(name)
    if name.endswith(".npz"):
        return _from_file(name)
    if name in GENERATORS:
        x, y = GENERATORS[name](np.random.default_rng(0))
        return _split(name, x, y)
    if name in SKLEARN_LOADERS:
        x, y = _from_sklearn(name)
        return _split(name, x, y)
    raise ValueError(
        f"Unknown data {name!r}. Use one of {NAMES}, 'file.npz', or 'keras:' and one of "
        f"{KERAS_SETS}."
    )


def require(name: str) -> None:
    """Checks, without loading, that `name` can be loaded.

    Raises:
        ValueError: If there is no such set or file.
        ImportError: If scikit-learn is missing.
    """
    if name in SKLEARN_LOADERS:
        _sklearn()
    elif name.endswith(".npz"):
        if not Path(name).is_file():
            raise ValueError(
                f"There is no file {name!r} in {str(Path.cwd())!r}. Pass the path of an .npz file."
            )
    elif name.startswith("keras:"):
        if name.removeprefix("keras:") not in KERAS_SETS:
            raise ValueError(f"Unknown data {name!r}. After 'keras:' use one of {KERAS_SETS}.")
    elif name not in NAMES:
        load(name)


def _sklearn() -> Any:
    try:
        return importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise ImportError(
            "This data needs scikit-learn, which is not installed: pip install scikit-learn"
        ) from error


def _from_sklearn(name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = getattr(_sklearn(), SKLEARN_LOADERS[name])(return_X_y=True)
    if name == "breast_cancer":  # thirty measures in thirty units; pixels share one
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, y


def _from_keras(name: str) -> Dataset:
    import keras

    module = getattr(keras.datasets, name.removeprefix("keras:"))
    try:
        (x, y), (x_val, y_val) = module.load_data()
    except Exception as error:
        raise OSError(
            f"{name!r} is not in the cache (~/.keras/datasets) and could not be fetched: "
            f"{type(error).__name__}. Connect once, or use bundled data such as 'digits'."
        ) from error
    return _standardised(name, x, y.ravel(), x_val, y_val.ravel())


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name.

    Raises:
        ValueError: If it is none, is damaged, or holds objects, which could run code.
    """
    cure = "Write one with `numpy.savez(path, x=x, y=y)`."
    with _opened(path, "an .npz file of plain arrays", cure) as stream:
        arrays = np.load(stream)
        if isinstance(arrays, np.ndarray):
            raise TypeError("it holds one array without a name")
        return {name: arrays[name] for name in arrays.files}


def read_array(path: str | Path) -> np.ndarray:
    """The array of an `.npy` file.

    Raises:
        ValueError: If it is none, is damaged, or holds objects, which could run code.
    """
    cure = "Write one with `numpy.save(path, x)`."
    with _opened(path, "an .npy file of a plain array", cure) as stream:
        return np.asarray(np.load(stream))


@contextlib.contextmanager
def _opened(path: str | Path, kind: str, cure: str) -> Iterator[BinaryIO]:
    """A file of numpy's; `np.load` would leave a damaged one open."""
    try:
        with Path(path).open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise FileNotFoundError(2, "No such data file", str(path)) from error
    except Exception as error:  # a damaged file raises anything of zipfile, zlib and numpy
        raise ValueError(
            f"{str(path)!r} could not be read as {kind}: {_mistake(error)}. {cure}"
        ) from error


def _mistake(error: Exception) -> str:
    # Numpy takes any other file for one of objects, and advises to run its code.
    if isinstance(error, ValueError) and "pickle" in str(error):
        return "it holds Python objects, or is a file of another kind"
    return f"{error} ({type(error).__name__})"


def _from_file(name: str) -> Dataset:
    found = read_arrays(name)
    validation = {"x_val", "y_val"} & found.keys()
    if {"x", "y"} - found.keys() or len(validation) == 1:
        raise ValueError(
            f"{name!r} must hold the arrays 'x' and 'y', and may hold 'x_val' and 'y_val', both. "
            f"Received: {sorted(found)}."
        )
    x, y = found["x"], found["y"]
    numbers = _are_numbers(y)
    _check_arrays(name, "x", x, "y", y, numbers=numbers)
    if len(np.unique(y)) < 2:
        kind = "numbers" if numbers else "labels"
        raise ValueError(f"{name!r}: 'y' must hold two {kind} at least. Received: {y[0]} alone.")
    if validation:
        x_val, y_val = found["x_val"], found["y_val"]
        _check_arrays(name, "x_val", x_val, "y_val", y_val, numbers=numbers)
        if x_val.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"{name!r}: 'x_val' must hold examples of the shape of those of 'x', "
                f"{x.shape[1:]}. Received: {x_val.shape[1:]}."
            )
        parts = x, y, x_val, y_val
    elif round(VALIDATION_SHARE * len(x)) < 1:
        raise ValueError(
            f"{name!r}: {VALIDATION_SHARE:.0%} of 'x' are kept for validation, which must be one "
            f"example at least. Received: {len(x)} in all. Add examples, or 'x_val' and 'y_val'."
        )
    else:
        train, kept = _parts(y, by_class=not numbers)
        parts = x[train], y[train], x[kept], y[kept]
    return _standardised(name, *parts, numbers=numbers, by_column=x.ndim == 2)


def _are_numbers(y: np.ndarray) -> bool:
    """Whether the targets are those of a regression: floats that are not all whole."""
    return y.dtype.kind == "f" and bool(np.any(y != np.round(y)))


def _check_arrays(
    name: str, x_name: str, x: np.ndarray, y_name: str, y: np.ndarray, *, numbers: bool
) -> None:
    """Refuses inputs that are no finite numbers, and labels or targets that do not go with them."""
    if x.ndim < 2 or x.size == 0 or x.dtype.kind not in "fiub":
        raise ValueError(
            f"{name!r}: {x_name!r} must hold numbers, of shape (examples, ...). Received: shape "
            f"{x.shape} and type {x.dtype}."
        )
    if y.ndim != 1 or len(x) != len(y) or y.dtype.kind not in ("iuf" if numbers else "iu"):
        wanted = "number" if numbers else "integer label"
        cure = WHOLE_FLOATS if y.dtype.kind == "f" and not numbers else ""
        raise ValueError(
            f"{name!r}: {y_name!r} must hold one {wanted} per example of {x_name!r}. "
            f"Received: {x_name} of shape {x.shape}, {y_name} of shape {y.shape} and type "
            f"{y.dtype}.{cure}"
        )
    _check_finite(name, x_name, x)
    _check_finite(name, y_name, y)


def _check_finite(name: str, x_name: str, x: np.ndarray) -> None:
    wrong = ~(np.abs(x) <= LARGEST)
    if wrong.any():
        rows = np.flatnonzero(wrong.reshape(len(x), -1).any(axis=1))
        value = x[rows[0]][wrong[rows[0]]].flat[0]
        raise ValueError(
            f"{name!r}: {x_name!r} must hold finite numbers of at most {LARGEST:g}. Received: "
            f"{wrong.sum()} of {x.size} that are not, in {len(rows)} of {len(x)} rows; the first "
            f"is {value} in row {rows[0]}. Replace or leave them out: no model trains on NaN."
        )


def _parts(y: np.ndarray, *, by_class: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of training and of validation, each in random order.

    Args:
        y: Labels or targets.
        by_class: Whether each class has its share in both parts, and one sample of it at least
            where it has two.
    """
    order = np.random.default_rng(0).permutation(len(y))
    size = round(VALIDATION_SHARE * len(y))
    if not by_class:
        return order[:-size], order[-size:]
    _, labels, counts = np.unique(y[order], return_inverse=True, return_counts=True)
    place = np.empty(len(y))  # the lowest are kept for validation
    for rows in np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1]):
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)  # of each class its share
        place[rows[0]] = 0  # one of each class for validation,
        place[rows[-1]] = 2 if len(rows) > 1 else 1  # and one for training, the only one, too
    kept = np.zeros(len(y), bool)
    kept[np.argsort(place, kind="stable")[: max(size, int(np.sum(counts > 1)))]] = True
    return order[~kept], order[kept]


def _split(name: str, x: np.ndarray, y: np.ndarray) -> Dataset:
    """A bundled data set in two; not by class, so that published numbers stay comparable."""
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    size = len(x) - round(VALIDATION_SHARE * len(x))
    return _standardised(name, x[:size], y[:size], x[size:], y[size:])


def _standardised(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    x_val: np.ndarray,
    y_val: np.ndarray,
    *,
    numbers: bool = False,
    by_column: bool = False,
) -> Dataset:
    """Zero mean and unit variance over the training part, so that scales are the model's own.

    Args:
        name: Of the data.
        x: Training inputs.
        y: Training targets.
        x_val: Validation inputs.
        y_val: Validation targets.
        numbers: Whether the targets are those of a regression, not labels.
        by_column: Whether each column of a table has its own unit; else all values share one.
    """
    inputs = _standardising_columns(x) if by_column else _standardising(x)
    if numbers:
        outputs = _standardising(y)
        return Dataset(name, inputs(x), outputs(y), inputs(x_val), outputs(y_val), 0)
    labels = np.unique(np.concatenate([y, y_val]))

    def targets(values: np.ndarray) -> np.ndarray:
        return np.searchsorted(labels, values).astype("int32")

    return Dataset(name, inputs(x), targets(y), inputs(x_val), targets(y_val), len(labels))


def _standardising(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    mean, scale = float(np.mean(x, dtype="float64")), float(np.std(x, dtype="float64")) or 1.0
    return lambda values: np.asarray((values - mean) / scale, "float32")


def _standardising_columns(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    mean, scale = np.mean(x, axis=0, dtype="float64"), np.std(x, axis=0, dtype="float64")
    varies = (x.min(axis=0) < x.max(axis=0)) & (scale > 0)
    scale[~varies] = np.inf  # nothing was learned of it: 0 in the validation part, too
    return lambda values: np.asarray((values - mean) / scale, "float32")
