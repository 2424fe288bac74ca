"""What a step read, in one vector and back."""

import keras
import numpy as np
import pytest

from kerasinit.callbacks._packing import Packing, packed


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_packed_comes_back(dtype):
    rng = np.random.default_rng(0)
    shapes = {"rows": [(3, 2), (4,)], "scale": (), "none": (0,), "after": [(1, 5)]}
    arrays = {
        key: [rng.normal(size=s).astype("float32") for s in shape]
        if isinstance(shape, list)
        else rng.normal(size=shape).astype("float32")
        for key, shape in shapes.items()
    }
    # Half precision, as the scale of a loss may be; what else is read is float32.
    arrays["scale"] = arrays["scale"].astype(dtype)
    tree = keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)
    vector = keras.ops.convert_to_numpy(packed((tree,)))
    assert vector.dtype == np.float32

    packing = Packing.of((tree,))
    keras.tree.map_structure(np.testing.assert_array_equal, packing.unpacked(vector), [arrays])
    (after,) = packing.unpacked(vector, key="after")
    keras.tree.map_structure(np.testing.assert_array_equal, after, arrays["after"])

    several = packing.unpacked(np.stack([vector, 2 * vector]))
    twice = keras.tree.map_structure(lambda array: np.stack([array, 2 * array]), [arrays])
    keras.tree.map_structure(np.testing.assert_array_equal, several, twice)
