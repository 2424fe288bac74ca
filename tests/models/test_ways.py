"""How deep a network is decides whether its kernels need the gain of their activations."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit


def first_gains(model):
    plan = kerasinit.initialize(model, seed=0)
    return [row.gain for row in plan if row.kind == "kernel"]


def convolutions(x, count, **options):
    for _ in range(count):
        x = layers.Conv2D(8, 3, padding="same", activation="relu", groups=2, **options)(x)
    return x


@pytest.mark.parametrize(("hidden", "gain"), [(5, 1.0), (6, 2**0.5)])
def test_a_gain_is_needed_from_six_hidden_layers_on(hidden, gain):
    inputs = keras.Input((4, 4, 8))
    x = layers.GlobalAveragePooling2D()(convolutions(inputs, hidden))
    gains = first_gains(keras.Model(inputs, layers.Dense(2)(x)))
    assert gains == pytest.approx([gain] * hidden + [1.0])


def test_what_is_joined_is_as_deep_as_its_shortest_way():
    """A U-Net's long way does not count beside its skip."""
    inputs = keras.Input((4, 4, 8))
    x = convolutions(inputs, 2)
    x = layers.Concatenate()([x, convolutions(x, 6)])
    gains = first_gains(keras.Model(inputs, layers.Conv2D(2, 1)(x)))
    assert gains == [1.0] * 9


def test_a_signal_that_multiplies_does_not_shorten_the_way():
    inputs, graph = keras.Input((8, 8)), keras.Input((8, 8))
    x = inputs
    for _ in range(6):
        x = layers.Dense(8, "relu")(ops.matmul(graph, x))
    gains = first_gains(keras.Model([inputs, graph], layers.Dense(2)(x)))
    assert gains[0] == pytest.approx(2**0.5)


def test_of_two_outputs_the_deeper_one_counts():
    inputs = keras.Input((4, 4, 8))
    early = convolutions(inputs, 1)
    late = convolutions(early, 6)
    model = keras.Model(inputs, [layers.Conv2D(2, 1)(early), layers.Conv2D(2, 1)(late)])
    assert first_gains(model)[0] == pytest.approx(2**0.5)


def test_layers_after_a_norm_begin_a_new_way():
    inputs = keras.Input((4, 4, 8))
    x = layers.LayerNormalization()(convolutions(inputs, 6))
    gains = first_gains(keras.Model(inputs, layers.Conv2D(2, 1)(convolutions(x, 2))))
    assert gains[-3:] == [1.0] * 3


@pytest.mark.parametrize(("hidden", "gain"), [(5, 1.0), (6, 2**0.5)])
def test_layers_before_a_norm_are_as_deep_as_their_own_way(hidden, gain):
    """An embedding of unit length, as in metric learning, ends in a norm."""
    inputs = keras.Input((4, 4, 8))
    x = layers.GlobalAveragePooling2D()(convolutions(inputs, hidden))
    plan = kerasinit.initialize(keras.Model(inputs, layers.UnitNormalization()(layers.Dense(2)(x))))
    kernels = [row for row in plan if row.kind == "kernel"]
    assert [row.gain for row in kernels] == pytest.approx([gain] * hidden + [1.0])
    if hidden == 5:
        assert kernels[0].reason.startswith("only 5 hidden on the shortest way")


def test_what_a_norm_reads_is_hidden_where_layers_follow():
    inputs = keras.Input((4, 4, 8))
    x = layers.LayerNormalization()(convolutions(inputs, 3))
    plan = kerasinit.initialize(keras.Model(inputs, layers.Conv2D(2, 1)(x)), dry_run=True)
    first, second, last, _ = (row.reason for row in plan if row.kind == "kernel")
    assert first.startswith("only 3 hidden")
    assert second.startswith("only 3 hidden")
    assert last.startswith("a LayerNormalization follows")


def test_a_shallow_function_keeps_a_tenth_of_its_signal():
    x = inputs = keras.Input((4, 4, 8))
    model = keras.Model(inputs, layers.Conv2D(8, 1)(convolutions(x, 5)))
    kerasinit.initialize(model, seed=0)
    values = np.random.default_rng(0).normal(size=(8, 4, 4, 8)).astype("float32")
    assert 0.02 < ops.convert_to_numpy(model(values)).std() < 1.0
