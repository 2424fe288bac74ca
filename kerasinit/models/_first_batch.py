"""One batch, from whatever `fit` takes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasinit import _backend


def first_batch(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a dataset's first batch; structures of arrays as they are.

    Args:
        data: Arrays as the model takes them, or what yields batches, `x`, `(x, y)` or
            `(x, y, sample_weight)`: a `tf.data.Dataset`, a generator (one batch is taken from it),
            a `keras.utils.PyDataset`, a `DataLoader` of torch.

    Raises:
        ValueError: If there is no batch.

    >>> x, y, weight = first_batch(batch for batch in [(np.ones((2, 3)), np.zeros(2))])
    >>> x.shape, y.shape, weight
    ((2, 3), (2,), None)
    """
    if is_batch(data):
        return data, None, None
    with _backend.same_random_state():  # a `DataLoader` draws its order
        batches = iter([data[0]] if isinstance(data, keras.utils.PyDataset) else data)
        try:
            batch = next(batches)
        except StopIteration:
            raise ValueError(f"`data` has no batch. Received: {data!r}.") from None
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    return x, y, weight


def is_batch(data: Any) -> bool:
    """Whether `data` is an array, or a structure of arrays."""
    if isinstance(data, keras.utils.PyDataset):  # in older versions of Keras without `__iter__`
        return False
    if isinstance(data, (list, tuple, dict, str, np.ndarray)) or keras.ops.is_tensor(data):
        return True
    is_array = hasattr(data, "__array__") or hasattr(data, "toarray")  # dense or sparse
    return is_array or not hasattr(data, "__iter__")
