"""Norms that somebody wrote are told by what they do, and nothing else is taken for one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.layers import is_norm, weight_kind

WIDTH = 8


class RMS(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return self.scale * x * ops.rsqrt(ops.mean(x**2, axis=-1, keepdims=True) + 1e-6)


class Layered(layers.Layer):
    """Over the positions, too, with weights that are called by no usual name."""

    def build(self, shape):
        self.g = self.add_weight(shape=(1, 1, shape[-1]), initializer="ones", name="g")
        self.b = self.add_weight(shape=(1, 1, shape[-1]), initializer="zeros", name="b")

    def call(self, x):
        mean, variance = ops.moments(x, axes=[1, 2], keepdims=True)
        return self.g * (x - mean) / ops.sqrt(variance + 1e-5) + self.b


class Scaled(RMS):
    def call(self, x):
        return self.scale * x


class Token(RMS):
    """What it makes does not depend on what it reads."""

    def call(self, x):
        return ops.zeros_like(x) + self.scale


class Response(RMS):
    """One channel beside the others: the scale stays."""

    def call(self, x):
        size = ops.sqrt(ops.sum(x**2, axis=1, keepdims=True))
        return x + self.scale * x * size / (ops.mean(size, axis=-1, keepdims=True) + 1e-6)


class Once(RMS):
    """Sets its weight by the first batch: a trial must not be that one."""

    def build(self, shape):
        super().build(shape)
        self.is_new = self.add_weight(shape=(), initializer="ones", trainable=False, name="new")

    def call(self, x):
        found = ops.std(x, axis=(0, 1))
        self.scale.assign(self.is_new * found + (1 - self.is_new) * self.scale)
        self.is_new.assign(0.0)
        return x / self.scale


def built(kind):
    layer = kind()
    layer.build((None, 5, WIDTH))
    return layer


@pytest.mark.parametrize("kind", [RMS, Layered])
def test_a_norm_by_hand_is_one(kind):
    layer = built(kind)
    assert is_norm(layer)
    assert {weight_kind(layer, variable) for variable in layer.variables} == {"norm"}


@pytest.mark.parametrize("kind", [Scaled, Token, Response])
def test_what_keeps_or_ignores_its_signal_is_none(kind):
    assert not is_norm(built(kind))


def test_a_trial_assigns_nothing():
    layer = built(Once)
    is_norm(layer)
    assert float(ops.convert_to_numpy(layer.is_new)) == 1.0
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.scale), np.ones(WIDTH))


def test_a_layer_that_is_not_built_is_tried_later():
    layer = RMS()
    assert not is_norm(layer)
    layer.build((None, 5, WIDTH))
    assert is_norm(layer)


def residual(norm, *, before):
    x = layers.Dense(WIDTH, name="first")(inputs := keras.Input((5, WIDTH)))
    for number in range(3):
        h = norm()(x) if before else x
        h = layers.Dense(WIDTH, name=f"end{number}")(
            layers.Dense(16, "gelu", name=f"up{number}")(h)
        )
        x = x + h if before else norm()(x + h)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


@pytest.mark.parametrize("before", [True, False], ids=["pre-norm", "post-norm"])
def test_a_plan_is_the_same_with_a_norm_of_keras(before):
    ours, theirs = (
        kerasinit.initialize(residual(norm, before=before), seed=0)
        for norm in (RMS, layers.RMSNormalization)
    )
    reasons = [
        [row.reason.replace("RMSNormalization", "RMS") for row in plan] for plan in (ours, theirs)
    ]
    assert reasons[0] == reasons[1]
    assert [row.gain for row in ours] == [row.gain for row in theirs]


def test_a_norm_that_starts_elsewhere_is_not_called_the_identity():
    norm = layers.LayerNormalization(gamma_initializer=keras.initializers.Constant(0.1))
    model = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(4), norm, layers.Dense(2)])
    row = kerasinit.initialize(model, seed=0)["layer_normalization/gamma"]
    assert row.reason == "the layer's own initializer"
