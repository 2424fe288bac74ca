"""Which activations act on each value by itself, by the shares of units that are told of them."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.signals import measure

X = np.random.default_rng(0).standard_normal((16, 5)).astype("float32")


def shares(activation, *, bias=0.5):
    """Shares of dead and saturated units of a layer whose pre-activations are near `bias`."""
    dense = layers.Dense(8, bias_initializer=keras.initializers.Constant(bias))
    if not isinstance(activation, layers.Layer):
        activation = layers.Activation(activation)
    (row,) = measure(keras.Sequential([keras.Input((5,)), dense, activation]), X).layers
    return row.dead_share, row.saturated_share


@pytest.mark.parametrize(
    ("function", "has_off_state", "bounded"),
    [
        (keras.activations.relu, True, False),
        (keras.activations.relu6, True, True),
        (keras.activations.gelu, True, False),
        (keras.activations.elu, False, False),
        (keras.activations.sigmoid, False, True),
        (layers.LeakyReLU(0.1), False, False),
        (lambda x: ops.tanh(2.0 * x), False, True),
    ],
    ids=["relu", "relu6", "gelu", "elu", "sigmoid", "layer", "lambda"],
)
def test_units_die_where_there_is_an_off_state_and_saturate_where_it_is_bounded(
    function, has_off_state, bounded
):
    assert shares(function) == (0.0, 0.0)
    assert shares(function, bias=50.0) == (0.0, float(bounded))
    dead, saturated = shares(function, bias=-50.0)
    assert dead == float(has_off_state)
    assert saturated == float(bounded and not has_off_state)


@pytest.mark.parametrize("bias", [-50.0, 50.0])
@pytest.mark.parametrize("function", [None, "linear"])
def test_without_an_activation_no_unit_is_dead_or_saturated(function, bias):
    assert shares(function, bias=bias) == (0.0, 0.0)


@pytest.mark.parametrize(
    "function",
    [
        keras.activations.softmax,
        keras.activations.log_softmax,
        keras.activations.glu,
        lambda x: x / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True)),
        layers.PReLU(),
    ],
    ids=["softmax", "log_softmax", "glu", "norm", "prelu"],
)
def test_of_an_activation_that_looks_at_its_neighbours_nothing_is_told(function):
    assert shares(function) == (None, None)
