"""What a step read, in one vector and back."""

import keras
import numpy as np
import pytest
from kerasinit.callbacks._packing import Packing, packed


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_packed_comes_back(dtype):
    arrays = {
        "rows": [numbers(3, 2), numbers(4)],
        # Half precision, as the scale of a loss may be; what else is read is float32.
        "inner": {"scale": numbers().astype(dtype), "none": numbers(0)},
        "after": [numbers(1, 5)],
    }
    tree = keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)
    vector = keras.ops.convert_to_numpy(packed(tree))
    assert vector.dtype == np.float32

    packing = Packing.of(tree)
    both = np.stack([vector, 2 * vector])
    for key, expected in arrays.items():
        found = packing.unpacked(vector, key=key)
        keras.tree.map_structure(np.testing.assert_array_equal, found, expected)
        twice = keras.tree.map_structure(lambda array: np.stack([array, 2 * array]), expected)
        found = packing.unpacked(both, key=key)
        keras.tree.map_structure(np.testing.assert_array_equal, found, twice)
    assert packing.unpacked(vector, key="nothing") is None


def test_a_tuple_comes_back_as_one_vector():
    parts = [numbers(3), numbers(2, 2)]
    tensors = tuple(map(keras.ops.convert_to_tensor, parts))
    tree = {"before": [keras.ops.ones(2)], "parts": [{"entries": tensors}, {"entries": ()}]}
    vector = np.append([1.0, 1.0], np.concatenate([part.ravel() for part in parts]))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(packed(tree)), vector)
    first, second = Packing.of(tree).unpacked(vector, key="parts")
    np.testing.assert_array_equal(first["entries"], vector[2:])
    assert second["entries"].shape == (0,)
