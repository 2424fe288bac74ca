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


# --- what initializers read ---------------------------------------------------------------------


def test_open_scopes_name_what_is_built_inside_what():
    seen = []

    def remember_scopes(shape, dtype=None):
        seen.extend(_backend.open_scopes())
        return keras.ops.zeros(shape, dtype)

    layer = keras.layers.LSTM(2, kernel_initializer=remember_scopes, name="r")
    model = keras.Sequential([keras.Input((4, 3)), layer], name="m")
    assert seen == [("m", model), ("r", layer), ("lstm_cell", layer.cell)]


def test_a_graph_model_is_told_from_a_layer():
    inputs = keras.Input((2,))
    assert _backend.is_graph_model(keras.Model(inputs, inputs))
    assert _backend.is_graph_model(keras.Sequential())
    assert not _backend.is_graph_model(keras.layers.Dense(2))


def test_a_variable_made_while_tracing_is_deferred():
    seen = []

    def remember_variable(shape, dtype=None):
        seen.append((_backend.in_stateless_scope(), _backend.deferred_variable()))
        return keras.ops.zeros(shape, dtype)

    class Traced(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, kernel_initializer=remember_variable)

        def call(self, inputs):
            return self.dense(inputs)

    model = Traced()
    model(np.ones((1, 3), "float32"))
    assert (True, None) in seen
    assert seen[-1][0] is False
    assert seen[-1][1] is model.dense.kernel
    assert _backend.deferred_variable() is None
