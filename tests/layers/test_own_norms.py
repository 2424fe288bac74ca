"""Norms that somebody wrote are told by what they do, and nothing else is taken for one."""

import random

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


class FromZero(RMS):
    """As behind the last layer of a residual branch: nothing comes through at first."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="zeros", name="scale")


class Batch(layers.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        zeros = {"shape": (shape[-1],), "initializer": "zeros", "trainable": False}
        ones = {**zeros, "initializer": "ones"}
        self.moving_mean = self.add_weight(**zeros, name="moving_mean")
        self.moving_variance = self.add_weight(**ones, name="moving_variance")

    def call(self, x, training=False):
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = ops.moments(x, axes=[0, 1])
            self.moving_mean.assign(0.9 * self.moving_mean + 0.1 * mean)
        return self.gamma * (x - mean) / ops.sqrt(variance + 1e-3)


class Rectified(RMS):
    def call(self, x):
        return ops.relu(super().call(x))


class Compared(RMS):
    """Without `__hash__`, as Python makes a class that says what is equal."""

    def __eq__(self, other):
        return isinstance(other, Compared)


class Length(layers.Layer):
    """Without weights."""

    def call(self, x):
        return x / ops.sqrt(ops.sum(x**2, axis=-1, keepdims=True) + 1e-6)


class Softmax(layers.Layer):
    def call(self, x):
        x = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
        return x / ops.sum(x, axis=-1, keepdims=True)


class Signs(layers.Layer):
    def call(self, x):
        return ops.sign(x)


class Ranks(layers.Layer):
    def call(self, x):
        order = ops.argsort(ops.argsort(x, axis=-1), axis=-1)
        return ops.cast(order, x.dtype)


class Positive(layers.Layer):
    def call(self, x):
        return x > 0


class Exponential(layers.Layer):
    """Of a larger signal, infinity."""

    def call(self, x):
        return ops.exp(x**2)


class Binarized(RMS):
    def call(self, x):
        return self.scale * ops.sign(x)


class Binary(RMS):
    """Signs, with the gradient of what they are made from."""

    def call(self, x):
        return x + ops.stop_gradient(self.scale * ops.sign(x) - x)


class Tanh(RMS):
    def call(self, x):
        return self.scale * ops.tanh(x)


class Noisy(layers.Layer):
    """Draws from a global generator."""

    def call(self, x):
        return x * random.random()


def built(kind):
    layer = kind()
    layer.build((None, 5, WIDTH))
    return layer


@pytest.mark.parametrize("kind", [RMS, Layered, FromZero, Batch, Rectified, Compared])
def test_a_norm_by_hand_is_one(kind):
    layer = built(kind)
    assert is_norm(layer)
    assert {weight_kind(layer, variable) for variable in layer.variables} == {"norm"}


def test_a_norm_without_weights_is_one():
    assert is_norm(built(Length))


@pytest.mark.parametrize("kind", [Scaled, Token, Response, Tanh, Softmax, Exponential])
def test_what_keeps_or_ignores_its_signal_is_none(kind):
    assert not is_norm(built(kind))


@pytest.mark.parametrize("kind", [Signs, Ranks, Positive, Binarized, Binary])
def test_what_makes_steps_of_its_signal_is_none(kind):
    assert not is_norm(built(kind))


def test_a_batch_norm_of_many_channels_is_one():
    layer = Batch()
    layer.build((None, 1, 512))
    assert is_norm(layer)


def test_a_trial_assigns_nothing():
    layer = built(Once)
    is_norm(layer)
    assert float(ops.convert_to_numpy(layer.is_new)) == 1.0
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.scale), np.ones(WIDTH))


def test_a_trial_draws_no_number_of_others():
    random.seed(0)
    expected = random.random()
    random.seed(0)
    assert not is_norm(built(Noisy))
    assert random.random() == expected


def test_equal_layers_have_answers_of_their_own():
    class Other(Compared):
        def call(self, x):
            return self.scale * x

    assert [is_norm(built(kind)) for kind in (Compared, Other, Compared)] == [True, False, True]


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


@pytest.mark.parametrize(
    ("role", "start", "reason"),
    [
        ("gamma", keras.initializers.Constant(0.1), "the layer's own initializer"),
        ("gamma", "zeros", "zero on purpose: a norm that lets nothing through at first"),
        ("gamma", "ones", "a norm starts as the identity"),
        ("beta", "zeros", "a norm starts as the identity"),
        ("beta", "ones", "the layer's own initializer"),
    ],
)
def test_a_norm_that_starts_elsewhere_is_not_called_the_identity(role, start, reason):
    norm = layers.LayerNormalization(**{f"{role}_initializer": start}, name="norm")
    model = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(4), norm, layers.Dense(2)])
    assert kerasinit.initialize(model, seed=0)[f"norm/{role}"].reason == reason
