"""Trainings whose steps change nothing at all, or one small weight by much."""

import keras
import numpy as np
import pytest
from keras import layers, optimizers

import kerasinit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((32, 8)).astype("float32")
Y = X[:, :1]


def ignored(verdict):
    """A policy that does nothing."""


def model_of(optimizer):
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(16, "relu"), layers.Dense(16, "relu"), layers.Dense(1)]
    model = keras.Sequential([keras.Input((8,)), *parts])
    model.compile(optimizer, "mse")
    return model


def trained(model, steps=45, callbacks=()):
    stats = kerasinit.callbacks.GradientStats(on_verdict=ignored)
    x, y = (np.concatenate([one] * steps) for one in (X, Y))
    model.fit(x, y, batch_size=32, verbose=0, shuffle=False, callbacks=[stats, *callbacks])
    return stats.verdicts


STILL = {
    "no rate": (lambda: optimizers.Adam(0.0), "learning_rate = 0.001"),
    "rate": (lambda: optimizers.SGD(1e-12), "learning_rate = 0.01"),
    "global": (lambda: optimizers.SGD(0.01, global_clipnorm=1e-12), "global_clipnorm = 1.0"),
    "value": (lambda: optimizers.SGD(0.01, clipvalue=1e-12), "clipvalue = 1.0"),
    "adam": (lambda: optimizers.Adam(1e-3, clipnorm=1e-9), "clipnorm = 1.0"),
}


@pytest.mark.parametrize("name", STILL)
def test_steps_that_change_nothing_are_told(name):
    optimizer, line = STILL[name]
    model = model_of(optimizer())
    (before,) = kerasinit.diagnose(model, X, Y).verdicts
    assert before.cause == "small_updates"
    assert line in before.fix
    (during,) = trained(model)
    assert during.cause == "small_updates"
    if "clip" in line:
        assert line in during.fix


@pytest.mark.parametrize("name", STILL)
def test_the_printed_line_gets_a_training_going(name):
    model = model_of(STILL[name][0]())
    (before,) = kerasinit.diagnose(model, X, Y).verdicts
    exec(before.fix.partition("  #")[0], {"model": model, "keras": keras})
    assert kerasinit.diagnose(model, X, Y).verdicts == ()


def test_a_rate_that_a_callback_sets_may_start_at_zero():
    warm_up = keras.callbacks.LearningRateScheduler(lambda epoch: 0.0)
    assert trained(model_of(optimizers.Adam(1e-3)), callbacks=[warm_up]) == []


def test_a_scale_of_a_distance_may_change_by_much():
    """A single weight at the end of a siamese net: 10 to 20 % of it in a step, and it learns."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    pairs = [keras.Input((8,)), keras.Input((8,))]
    twin = keras.Sequential([keras.Input((8,)), layers.Dense(16, "tanh"), layers.Dense(4)])
    apart = keras.ops.sum(keras.ops.square(twin(pairs[0]) - twin(pairs[1])), axis=1, keepdims=True)
    scale = layers.Dense(1, "sigmoid", kernel_initializer=keras.initializers.Constant(1e-3))
    model = keras.Model(pairs, scale(layers.BatchNormalization()(apart)))
    model.compile(optimizers.SGD(0.1), "binary_crossentropy")
    x = [rng.standard_normal((320, 8)).astype("float32") for _ in range(2)]
    same = rng.integers(0, 2, 320)
    stats = kerasinit.callbacks.GradientStats(on_verdict=ignored)
    model.fit(x, same, batch_size=8, verbose=0, callbacks=[stats])
    assert stats.verdicts == []
