"""Periodic activations: the law of Siren with the frequency found from the function."""

import keras
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.layers import angular_frequency


@pytest.mark.parametrize(
    ("function", "omega"),
    [
        (ops.sin, 1.0),
        (ops.cos, 1.0),
        (lambda x: ops.sin(30.0 * x), 30.0),
        (lambda x: 0.5 * ops.sin(12.5 * x + 1.0) + 2.0, 12.5),
        (lambda x: ops.sin(100.0 * x), 100.0),
    ],
)
def test_the_frequency_of_a_sine_is_found(function, omega):
    assert angular_frequency(function) == pytest.approx(omega, rel=2e-3)


SNAKE = {"snake": lambda x: x + ops.sin(x) ** 2, "square": ops.square}


@pytest.mark.parametrize(
    "name", ["relu", "gelu", "tanh", "selu", "softplus", "sigmoid", "softmax", *SNAKE]
)
def test_what_is_no_sine_has_no_frequency(name):
    assert angular_frequency(SNAKE.get(name) or keras.activations.get(name)) is None


def sine(x):
    return ops.sin(30.0 * x)


@pytest.mark.parametrize("apart", [False, True], ids=["argument", "layer"])
def test_a_sine_net_starts_as_siren(apart):
    parts = [keras.Input((2,))]
    for _ in range(4):
        own = [layers.Dense(64), layers.Activation(sine)] if apart else [layers.Dense(64, sine)]
        parts += own
    model = keras.Sequential([*parts, layers.Dense(1)])
    plan = kerasinit.initialize(model, seed=1)
    kernels = [layer.get_weights()[0] for layer in model.layers if layer.get_weights()]
    limits = [1 / 2, *[(6 / 64) ** 0.5 / 30] * 4]
    for kernel, limit in zip(kernels, limits, strict=True):
        assert 0.9 * limit < abs(kernel).max() <= 1.001 * limit
    assert "omega 30: Siren, reads the coordinates" in plan.rows[0].reason


class SineLayer(layers.Layer):
    """As most write it: the frequency is a factor on what a layer makes."""

    def __init__(self, units):
        super().__init__()
        self.linear = layers.Dense(units)

    def call(self, inputs):
        return ops.sin(30.0 * self.linear(inputs))


@pytest.mark.parametrize(
    "sines",
    [
        lambda x: ops.sin(30 * layers.Dense(64)(x)),
        lambda x: ops.sin(30 * layers.Dense(64)(x) + 1.0),
        lambda x: SineLayer(64)(x),
    ],
    ids=["operations", "with a phase", "layers"],
)
def test_a_number_before_a_sine_is_part_of_its_frequency(sines):
    inputs = keras.Input((2,))
    values = inputs
    for _ in range(3):
        values = sines(values)
    model = keras.Model(inputs, layers.Dense(1)(values))
    kernels = [row for row in kerasinit.initialize(model, seed=1) if row.kind == "kernel"]
    assert all("is a sine of omega 29.98: Siren" in row.reason for row in kernels)
    found = [weight for weight in model.get_weights() if weight.ndim == 2]
    for kernel, limit in zip(found, [1 / 2, *[(6 / 64) ** 0.5 / 30] * 3], strict=True):
        assert 0.9 * limit < abs(kernel).max() <= 1.002 * limit


def test_kernels_that_ask_for_siren_keep_its_law():
    siren = kerasinit.initializers.Siren(omega=20.0)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(64, sine, kernel_initializer=siren)])
    plan = kerasinit.initialize(model, seed=1)
    assert plan.rows[0].initializer == "Siren(omega=20)"


def test_a_scaled_siren_has_25_times_the_weights_but_in_its_last_layer():
    """Yeom et al., 2025: factor 2.5 in the code of https://arxiv.org/abs/2410.04779."""
    model = keras.Sequential(
        [keras.Input((2,)), *[layers.Dense(64, sine) for _ in range(3)], layers.Dense(1)]
    )
    plan = kerasinit.initialize(model, "scaled-siren", seed=1)
    kernels = [layer.get_weights()[0] for layer in model.layers]
    hidden = (6 / 64) ** 0.5 / 30
    for kernel, limit in zip(kernels, [2.5 / 2, 2.5 * hidden, 2.5 * hidden, hidden], strict=True):
        assert 0.9 * limit < abs(kernel).max() <= 1.001 * limit
    assert [row.gain for row in plan if row.kind == "kernel"] == [2.5, 2.5, 2.5, 1.0]


def test_a_model_without_sines_is_no_siren():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"'scaled-siren' need .*around sines, of which '"):
        kerasinit.initialize(model, "scaled-siren")


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e35, 0.0])
def test_a_factor_that_no_weights_suit_is_not_taken_for_a_frequency(factor):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8)(inputs)
    outputs = keras.layers.Dense(1)(keras.ops.sin(factor * hidden))
    plan = kerasinit.initialize(keras.Model(inputs, outputs), seed=0)
    assert not any(row.initializer.startswith("Siren") for row in plan)
