"""Weights and biases that spoil a start: named where they lie, and mended by the printed line."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((64, 8)).astype("float32")
Y = np.sin(X[:, :1])
SURE = (X[:, :1] > 0).astype("float32")


def constant(value):
    return keras.initializers.Constant(value)


def normal(stddev):
    return keras.initializers.RandomNormal(stddev=stddev, seed=0)


def found(model, y=Y, loss="mse", optimizer=None):
    model.compile(optimizer or keras.optimizers.Adam(1e-3), loss)
    return kerasinit.diagnose(model, X, y).verdicts


def stack(*parts):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8,)), *parts])


def after(verdict, model, y=Y):
    """What is found once the printed line has run."""
    names = {"model": model, "x": X, "y": y, "np": np, "keras": keras, "kerasinit": kerasinit}
    exec(verdict.fix.partition("  #")[0], names)
    return kerasinit.diagnose(model, X, names["y"]).verdicts


# --- biases of hidden layers ----------------------------------------------------------------------


@pytest.mark.parametrize(("bias", "named"), [(0.0, False), (1.0, False), (50.0, True)])
def test_a_bias_that_hides_the_inputs_from_the_next_layer_is_told(bias, named):
    hidden = layers.Dense(64, "relu", bias_initializer=constant(bias), name="hidden")
    model = stack(hidden, layers.Dense(64, "relu"), layers.Dense(1))
    verdicts = found(model)
    assert bool(verdicts) is named
    if named:
        assert (verdicts[0].cause, verdicts[0].where) == ("bad_scale", "hidden")
        assert "nearly all of it from its bias" in verdicts[0].evidence
        assert after(verdicts[0], model) == ()


@pytest.mark.parametrize(
    "behind", [layers.LayerNormalization(), layers.BatchNormalization(), layers.Rescaling(1 / 50)]
)
def test_a_bias_that_nobody_reads_as_it_is_does_no_harm(behind):
    hidden = layers.Dense(64, bias_initializer=constant(50.0))
    assert found(stack(hidden, behind, layers.ReLU(), layers.Dense(1))) == ()


# --- outputs --------------------------------------------------------------------------------------


def test_a_bias_that_is_scaled_away_does_no_harm_beside_a_large_input():
    inputs, large = keras.Input((8,)), keras.Input((8,))
    hidden = layers.Dense(64, "relu", bias_initializer=constant(50.0))(inputs)
    beside = layers.Dense(8, "relu")(large)
    joined = layers.concatenate([layers.Rescaling(1 / 50)(hidden), beside])
    model = keras.Model([inputs, large], layers.Dense(1)(joined))
    model.compile("adam", "mse")
    verdicts = kerasinit.diagnose(model, [X, 9 + 20 * X], Y).verdicts
    assert "bad_scale" not in [one.cause for one in verdicts]


def test_a_sigmoid_that_is_right_about_all_samples_is_not_saturated():
    out = layers.Dense(1, "sigmoid", bias_initializer=constant(-12.0))
    model = stack(layers.Dense(32, "relu"), out)
    causes = [one.cause for one in found(model, np.zeros((64, 1), "float32"))]
    assert "saturated" not in causes


@pytest.mark.parametrize(("stddev", "named"), [(0.1, False), (1.0, False), (100.0, True)])
def test_outputs_that_are_far_from_all_targets_are_told(stddev, named):
    hidden = layers.Dense(32, "relu")
    model = stack(hidden, layers.Dense(1, kernel_initializer=normal(stddev), name="out"))
    verdicts = found(model)
    assert [one.cause for one in verdicts] == ["unexpected_loss"] * named
    if named:
        assert "model.get_layer('out')" in verdicts[0].fix
        assert after(verdicts[0], model) == ()


def test_a_factor_behind_the_last_layer_is_looked_for():
    inputs = keras.Input((8,))
    outputs = ops.exp(3.0 * layers.Dense(1, kernel_initializer=normal(1.0))(inputs))
    (verdict,) = found(keras.Model(inputs, outputs))
    assert verdict.cause == "unexpected_loss"
    assert "what follows the last layer (exp, a factor)" in verdict.fix


def test_an_exponential_of_the_usual_size_is_healthy():
    inputs = keras.Input((8,))
    hidden = layers.Dense(32, "relu")(inputs)
    assert found(keras.Model(inputs, ops.exp(layers.Dense(1)(hidden))), np.exp(Y)) == ()


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
@pytest.mark.parametrize(("stddev", "named"), [(0.1, False), (100.0, True)])
def test_a_sigmoid_that_is_sure_of_what_is_wrong_is_saturated(stddev, named, loss):
    keras.utils.set_random_seed(0)
    out = layers.Dense(1, "sigmoid", kernel_initializer=normal(stddev), name="out")
    model = stack(layers.Dense(32, "relu"), out)
    verdicts = found(model, SURE, loss)
    assert bool(verdicts) is named
    assert not any(one.cause in ("zero_gradient", "small_updates") for one in verdicts)
    if named:
        assert (verdicts[0].cause, verdicts[0].where) == ("saturated", "out")
        assert after(verdicts[0], model, SURE) == ()


def test_a_softmax_that_is_sure_of_what_is_wrong_asks_for_no_argmax():
    labels = np.arange(64) % 4
    model = stack(layers.Dense(4, "softmax", kernel_initializer=normal(1e6)))
    causes = [one.cause for one in found(model, labels, "sparse_categorical_crossentropy")]
    assert causes[0] == "unexpected_loss"
    assert "zero_gradient" not in causes


# --- frozen zeros ---------------------------------------------------------------------------------


@pytest.mark.parametrize("adds", [True, False])
def test_a_frozen_layer_of_zeros_blocks_what_has_no_way_around_it(adds):
    inputs = keras.Input((8,))
    below = layers.Dense(8, name="below")(inputs)
    zeros = layers.Dense(8, kernel_initializer="zeros", name="zeros")
    zeros.trainable = False
    passed = zeros(below) + below if adds else zeros(below)
    verdicts = found(keras.Model(inputs, layers.Dense(1)(passed)))
    assert [one.cause for one in verdicts] == ([] if adds else ["zero_gradient"])
    if not adds:
        assert "zeros above it is frozen, with a kernel of zeros" in verdicts[0].evidence
