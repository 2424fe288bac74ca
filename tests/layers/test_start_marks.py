"""Whether biases are those of a start."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.layers import have_learned_biases


def memory():
    return keras.Sequential(
        [keras.Input((5, 3)), layers.LSTM(4), layers.Dense(6, "sigmoid"), layers.Dense(2)]
    )


STARTS = {
    "Keras' own": lambda model: None,
    "initialize": lambda model: kerasinit.initialize(model, seed=1),
    "chrono": lambda model: kerasinit.initialize(model, "chrono", seed=1),
    "on data": lambda model: kerasinit.initialize(
        model, data=np.random.default_rng(0).standard_normal((16, 5, 3)), seed=1
    ),
}


@pytest.mark.parametrize("start", STARTS)
def test_a_start_is_no_learned_bias(start):
    model = memory()
    STARTS[start](model)
    assert not have_learned_biases(model.layers)


def test_trained_biases_are_seen():
    model = memory()
    kerasinit.initialize(model, seed=1)
    for layer in model.layers[1:]:
        layer.bias.assign(np.random.default_rng(0).standard_normal(layer.bias.shape))
    assert have_learned_biases(model.layers)
    kerasinit.reset(model, seed=1)
    assert not have_learned_biases(model.layers)
