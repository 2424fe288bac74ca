"""Numpy arrays of what a backend holds."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

MOST_DENSE = 2**29  # entries of a sparse matrix that is made dense: 4 GiB of float64


def numpy_of(tensor: Any) -> np.ndarray:
    """The numbers of a tensor or a variable, in its own dtype, as they are now.

    No later step changes them. They may be read-only (JAX): `np.array` makes a copy to write to.
    As `keras.ops.convert_to_numpy`, without the warning that numpy 2 gives where it is handed a
    variable, or a tensor of torch: it would end programs that turn warnings into errors, although
    their `fit` gives none.

    >>> numpy_of(keras.Variable([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    value = tensor.value if isinstance(tensor, keras.Variable) else tensor
    if hasattr(value, "read_value"):  # a `tf.Variable`
        value = value.read_value()
    if not hasattr(value, "detach"):
        return np.asarray(keras.ops.convert_to_numpy(value))
    value = value.detach().cpu()  # torch's
    if keras.backend.standardize_dtype(value.dtype) == "bfloat16":  # which numpy does not know
        return np.asarray(value.float().numpy().astype("bfloat16"))
    return np.array(value.numpy())


def array_of(data: Any) -> np.ndarray:
    """One array of numbers from what `fit` takes as one: a tensor, a table, a sparse matrix.

    A sparse matrix (scipy's) becomes dense. A table (pandas') of columns of several kinds, which
    numpy reads as objects, becomes floats where it holds numbers, truth values among them.

    Raises:
        ValueError: If a sparse matrix would fill the memory.

    >>> array_of([1, 2]).tolist()
    [1, 2]
    """
    if isinstance(data, keras.Variable) or keras.ops.is_tensor(data):
        return numpy_of(data)
    if hasattr(data, "toarray"):
        if math.prod(data.shape) > MOST_DENSE:
            raise ValueError(
                f"A sparse matrix of shape {data.shape} is too large as a dense array. Give fewer "
                "rows of it, such as x[:1000]."
            )
        data = data.toarray()
    array = np.asarray(data)
    if array.dtype != object or isinstance(data, np.ndarray):
        return array
    try:
        return array.astype(keras.config.floatx())
    except (TypeError, ValueError):  # words, or nothing
        return array
