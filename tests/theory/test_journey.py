"""From an activation to a prediction, and to a network that does what was predicted."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit import theory

DEPTH, WIDTH = 12, 512


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")


def measured(activation, gain, x):
    """Mean squares of the pre-activations of a wide random network, layer by layer."""
    rule = keras.initializers.RandomNormal(stddev=gain / WIDTH**0.5)
    model = keras.Sequential([keras.Input((WIDTH,))])
    for _ in range(DEPTH):
        model.add(layers.Dense(WIDTH, activation))
    kerasinit.initialize(model, rule, seed=1)
    signals = kerasinit.diagnose(model, x).layers
    return [row.preactivation_mean_square for row in signals]


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
def test_the_gain_keeps_the_signal_that_another_scale_loses_as_predicted(activation, x):
    gain = theory.gain(activation)
    for scale in (gain, 0.7 * gain):
        found = measured(activation, scale, x)
        predicted = theory.propagate(
            activation, scale, depth=DEPTH - 1, width=WIDTH, length=found[0]
        )
        drift = np.log(found) - np.log(predicted.typical_lengths)
        assert np.all(np.abs(drift) <= 4 * np.array(predicted.spreads) + 1e-6)
        assert max(predicted.spreads) < 0.5  # or the prediction would say nothing


def test_the_critical_scale_reaches_deeper_than_another():
    point = theory.critical("tanh", bias_std=0.1)
    there = theory.depth_scales("tanh", point.weight_std, 0.1)
    beside = theory.depth_scales("tanh", 0.8 * point.weight_std, 0.1)
    assert there.correlation > 5 * beside.correlation
