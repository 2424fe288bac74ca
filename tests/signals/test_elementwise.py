"""Which activations act on each value by itself."""

import keras
import pytest
from keras import ops

from kerasinit.signals import ActivationShape
from kerasinit.signals._elementwise import elementwise_shape


@pytest.mark.parametrize(
    ("function", "has_off_state", "bounded"),
    [
        (keras.activations.relu, True, False),
        (keras.activations.relu6, True, True),
        (keras.activations.gelu, True, False),
        (keras.activations.elu, False, False),
        (keras.activations.sigmoid, False, True),
        (keras.layers.LeakyReLU(0.1), False, False),
        (lambda x: ops.tanh(2.0 * x), False, True),
    ],
    ids=["relu", "relu6", "gelu", "elu", "sigmoid", "layer", "lambda"],
)
def test_an_activation_of_single_values_has_a_shape(function, has_off_state, bounded):
    assert elementwise_shape(function) == ActivationShape(has_off_state, bounded)


def built_prelu():
    layer = keras.layers.PReLU()
    layer.build((None, 7))
    return layer


@pytest.mark.parametrize(
    "function",
    [
        None,
        keras.activations.linear,
        keras.activations.softmax,
        keras.activations.log_softmax,
        keras.activations.glu,
        lambda x: x / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True)),
        built_prelu(),
    ],
    ids=["none", "linear", "softmax", "log_softmax", "glu", "norm", "prelu"],
)
def test_an_activation_that_looks_at_its_neighbours_has_none(function):
    assert elementwise_shape(function) is None
