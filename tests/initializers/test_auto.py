"""Auto: the start that a layer can give itself."""

import math

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit.initializers import Auto

L = keras.layers


def kernel(layer, shape):
    layer.build(shape)
    return keras.ops.convert_to_numpy(layer.weights[0]).astype("float64")


def dense(activation, units=32, inputs=32):
    layer = L.Dense(units, activation=activation, kernel_initializer=Auto(seed=1))
    return kernel(layer, (None, inputs))


def moments(activation):
    """Mean and variance of the activation of a standard normal, mean square of its slope.

    By a plain sum over a fine grid, not by the quadrature under test.
    """
    x = np.linspace(-10, 10, 40_001)
    weights = np.exp(-(x**2) / 2)
    weights /= weights.sum()
    tensor = keras.ops.convert_to_tensor(x.astype("float32"))
    f = keras.ops.convert_to_numpy(keras.activations.get(activation)(tensor)).astype("float64")
    mean = (weights * f).sum()
    return mean, (weights * (f - mean) ** 2).sum(), (weights * np.gradient(f, x) ** 2).sum()


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (None, 1.0),
        ("linear", 1.0),
        ("softmax", 1.0),
        ("relu", math.sqrt(2)),
        ("leaky_relu", math.sqrt(2 / 1.04)),
        ("elu", 1.2451983007),
        ("selu", 1.0),
        ("gelu", 1.5335304412),
        ("silu", 1.6765324703),
        ("tanh", 1.0882),
        ("softsign", 1.1597),
    ],
    ids=str,
)
def test_the_kernel_is_orthogonal_at_the_gain_of_the_activation(activation, gain):
    # Gains: tables 3b of the activation moments; odd activations: the 50-layer point.
    weights = dense(activation)
    np.testing.assert_allclose(weights.T @ weights, gain**2 * np.eye(32), atol=2e-4)


@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid", "softplus"])
def test_signal_and_gradient_both_keep_their_size(activation):
    weights = dense(activation)
    mean, variance, slope = moments(activation)
    spread = (weights**2).sum() / 32
    signal = spread * variance + (weights.sum(axis=0) ** 2).mean() * mean**2
    assert signal == pytest.approx(1, abs=0.01)
    assert spread * slope == pytest.approx(1, abs=0.01)


def test_the_common_mean_of_sigmoid_units_is_damped():
    weights = dense("sigmoid")
    assert (weights**2).sum() / 32 == pytest.approx(4.7226**2, rel=1e-3)
    assert (weights.mean(axis=0) ** 2).sum() < 0.01 * 4.7226**2


def test_units_of_one_input_are_not_damped_away():
    assert np.abs(dense("sigmoid", units=4, inputs=1)).min() > 0


def test_gates_and_recurrent_kernels_have_gain_one():
    layer = L.LSTM(8, kernel_initializer=Auto(seed=1), recurrent_initializer=Auto(seed=2))
    layer.build((None, 3, 8))
    for variable in (layer.cell.kernel, layer.cell.recurrent_kernel):
        for gate in np.split(keras.ops.convert_to_numpy(variable), 4, axis=1):
            np.testing.assert_allclose(gate.T @ gate, np.eye(8), atol=1e-5)


def test_embeddings_are_normal_with_unit_variance():
    layer = L.Embedding(500, 40, embeddings_initializer=Auto(seed=1))
    assert kernel(layer, (None, 3)).std() == pytest.approx(1, rel=0.03)


def test_a_parametrised_activation_layer_is_read():
    weights = dense(L.LeakyReLU(negative_slope=0.5))
    np.testing.assert_allclose(weights.T @ weights, 2 / 1.25 * np.eye(32), atol=1e-5)


def test_an_even_activation_has_a_start_too():
    weights = dense(keras.ops.square)
    gain = kerasinit.gain(keras.ops.square)
    np.testing.assert_allclose(weights.T @ weights, gain**2 * np.eye(32), atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        L.Conv2D(12, 3, groups=2, kernel_initializer=Auto(seed=1)),
        L.DepthwiseConv2D(3, depthwise_initializer=Auto(seed=1)),
        L.Conv2DTranspose(12, 4, strides=2, kernel_initializer=Auto(seed=1)),
        L.SeparableConv2D(
            12, 3, depthwise_initializer=Auto(seed=1), pointwise_initializer=Auto(seed=2)
        ),
    ],
    ids=["grouped", "depthwise", "upsampling", "separable"],
)
def test_linear_layers_keep_the_variance(layer):
    inputs = np.random.default_rng(0).standard_normal((4, 12, 12, 64)).astype("float32")
    outputs = keras.ops.convert_to_numpy(layer(inputs))[:, 4:-4, 4:-4]
    assert outputs.var() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("initializer", ["kerasinit>Auto", "glorot_uniform"])
def test_a_deep_sigmoid_net_passes_its_inputs_on(initializer):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [L.Dense(64, activation="sigmoid", kernel_initializer=initializer) for _ in range(20)]
    )
    outputs = keras.ops.convert_to_numpy(model(np.random.default_rng(0).standard_normal((64, 64))))
    spread = outputs.std(axis=0).mean()  # of one unit over the inputs
    assert (spread > 0.05) == (initializer == "kerasinit>Auto")
