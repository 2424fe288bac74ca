"""The private Keras API that `_backend.py` reads still means what it meant."""

import keras
import numpy as np
import pytest

from kerasinit import _backend

SEEN = []


def remember(shape, dtype=None):
    SEEN.append((_backend.building_layer(), _backend.building_path()))
    return keras.ops.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("layer", "inputs", "path"),
    [
        (keras.layers.Dense(2, kernel_initializer=remember, name="d"), (3,), "d"),
        (keras.layers.DepthwiseConv2D(3, depthwise_initializer=remember, name="w"), (8, 8, 2), "w"),
        (keras.layers.LSTM(2, kernel_initializer=remember, name="r"), (4, 3), "r/lstm_cell"),
    ],
    ids=["dense", "depthwise", "lstm"],
)
def test_a_building_layer_and_its_path_are_seen(layer, inputs, path):
    SEEN.clear()
    layer(keras.Input(inputs))
    seen_layer, seen_path = SEEN[-1]
    assert seen_layer is getattr(layer, "cell", layer)
    assert seen_path == path


def test_no_layer_is_seen_outside_a_build():
    assert _backend.building_layer() is None
    assert _backend.building_path() == ""


def test_layer_scope_looks_like_a_build():
    layer = keras.layers.Dense(2, name="d")
    with _backend.layer_scope(layer, "outer/inner/d"):
        assert _backend.building_layer() is layer
        assert _backend.building_path() == "outer/inner/d"
    assert _backend.building_layer() is None


def test_evaluate_leaves_a_trace():
    seen = []

    class Probe(keras.layers.Layer):
        def call(self, inputs):
            seen.append(_backend.evaluate(keras.ops.tanh, np.array([0.0, 1.0])))
            return inputs

    keras.Sequential([Probe()]).predict(np.ones((1, 2)), verbose=0)
    np.testing.assert_allclose(seen[-1], np.tanh([0.0, 1.0]), rtol=1e-6)
