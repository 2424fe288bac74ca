"""The activation of a layer: which function, by which name, and after which kernel."""

import functools

import keras
import pytest

from kerasinit import theory
from kerasinit.layers import (
    activation_name,
    applied_activation,
    is_linear,
    kernel_activation,
    own_activation,
)

L = keras.layers
relu = keras.activations.relu


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (None, "linear"),
        (keras.activations.linear, "linear"),
        ("tanh", "tanh"),
        (relu, "relu"),
        (functools.partial(relu, max_value=6), "relu"),
        (L.ReLU(), "relu"),
        (L.ReLU(name="re_lu_7").call, "relu"),
        (L.LeakyReLU(), "leaky_relu"),
        (L.LeakyReLU().call, "leaky_relu"),
        (L.PReLU().call, "prelu"),
        (L.ELU(), "elu"),
        (L.Softmax(), "softmax"),
        (L.Activation("gelu"), "gelu"),
        (L.Activation("gelu").call, "gelu"),
        (L.Activation(L.ReLU()), "relu"),
        (theory.resolve("swish"), "silu"),
        (lambda x: x, "<lambda>"),
    ],
)
def test_an_activation_has_one_name_in_all_its_forms(activation, name):
    assert activation_name(activation) == name


@pytest.mark.parametrize("name", ["relu", "gelu", "leaky_relu", "softmax", "tanh"])
def test_a_node_of_a_graph_has_the_name_of_its_function(name):
    inputs = keras.Input((4,))
    operation = keras.Model(inputs, getattr(keras.activations, name)(inputs)).operations[-1]
    assert activation_name(operation) == activation_name(operation.call) == name


@pytest.mark.parametrize(
    ("layer", "role", "name"),
    [
        (L.Dense(2, "relu"), "kernel", "relu"),
        (L.Dense(2, "relu"), "bias", "linear"),
        (L.Dense(2, "softmax"), "kernel", "linear"),
        (L.Dense(2, L.LeakyReLU()), "kernel", "leaky_relu"),
        (L.EinsumDense("ab,bc->ac", 2, activation="gelu"), "kernel", "gelu"),
        (L.Conv2DTranspose(2, 3, activation="elu"), "kernel", "elu"),
        (L.SeparableConv1D(2, 3, activation="relu"), "depthwise", "linear"),
        (L.SeparableConv1D(2, 3, activation="relu"), "pointwise", "relu"),
        (L.DepthwiseConv1D(3, activation="relu"), "depthwise", "relu"),
        (L.Embedding(3, 2), "embeddings", "linear"),
        (L.LSTMCell(2), "kernel", "linear"),
        (L.GRUCell(2), "recurrent", "linear"),
        (L.SimpleRNNCell(2), "kernel", "tanh"),
        (L.SimpleRNNCell(2), "recurrent", "linear"),
        (L.ConvLSTM2D(2, 3).cell, "kernel", "linear"),
        (L.LayerNormalization(), "gamma", "linear"),
    ],
)
def test_a_kernel_feeds_the_activation_of_its_layer_or_none(layer, role, name):
    assert activation_name(kernel_activation(layer, role)) == name


@pytest.mark.parametrize(
    "layer", [L.Dense(2), L.Softmax(), L.Add(), L.Dropout(0.1), L.LayerNormalization()]
)
def test_what_is_no_elementwise_activation_applies_none(layer):
    assert applied_activation(layer) is None


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_prelu_is_taken_as_it_starts(slope):
    layer = L.PReLU(alpha_initializer=keras.initializers.Constant(slope))
    assert applied_activation(layer).negative_slope == pytest.approx(slope)


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (lambda x: keras.ops.gelu(x, approximate=True), 1.0, 0.841192),
        (lambda x: keras.ops.gelu(x, approximate=False), 1.0, 0.841345),
        (lambda x: keras.ops.leaky_relu(x, negative_slope=0.5), -1.0, -0.5),
        (lambda x: keras.ops.elu(x, alpha=2.0), -1.0, -1.264241),
        (keras.ops.relu6, 9.0, 6.0),
        (keras.ops.sin, 1.0, 0.841471),
    ],
)
def test_a_node_is_applied_with_its_own_parameters(function, value, expected):
    inputs = keras.Input((1,))
    operation = keras.Model(inputs, function(inputs)).operations[-1]
    applied = applied_activation(operation)(keras.ops.convert_to_tensor([[value]]))
    assert float(applied[0, 0]) == pytest.approx(expected, abs=1e-5)


def test_a_linear_activation_is_none():
    assert is_linear(None)
    assert is_linear(L.Dense(2).activation)
    assert own_activation(L.Dense(2)) is None
    assert own_activation(L.Dense(2, "relu")) is relu
    assert own_activation(L.Add()) is None
