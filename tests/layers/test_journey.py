"""What the house knows of the layers of a model, asked as the other rooms ask it."""

import keras
import numpy as np
from keras import layers

import kerasinit
from kerasinit.layers import activation_name, kernel_axes, kind_of, own_activation, role_of


def model_of_many_kinds():
    tokens, pixels = keras.Input((6,), dtype="int32"), keras.Input((8, 8, 3))
    x = layers.Embedding(11, 8)(tokens)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)])
    x = layers.LSTM(6)(layers.LayerNormalization()(x))
    y = layers.SeparableConv2D(4, 3, activation="relu")(pixels)
    y = layers.Conv2DTranspose(4, 2, strides=2)(layers.BatchNormalization()(y))
    y = layers.Dense(5, activation=layers.LeakyReLU(0.1))(layers.Flatten()(y))
    return keras.Model([tokens, pixels], layers.Dense(2)(layers.Concatenate()([x, y])))


def test_every_kernel_has_a_kind_axes_and_fans_that_account_for_its_size():
    model = model_of_many_kinds()
    plan = kerasinit.initialize(model, "he_normal", seed=0)
    kernels = [row for row in plan if row.kind == "kernel"]
    assert len(kernels) == 11
    variables = {variable.path: variable for variable in model.variables}
    for row in kernels:
        fans = kerasinit.fans(model, variables[row.path])
        assert (fans.fan_in, fans.fan_out) == (row.fan_in, row.fan_out)
        assert 0 < fans.fan_in <= np.prod(row.shape)
        assert 0 < fans.fan_out <= np.prod(row.shape)


def test_each_layer_is_told_apart():
    families = [kind_of(layer).family for layer in model_of_many_kinds().layers]
    assert {"embedding", "attention", "recurrent", "norm", "separable", "dense"} <= {*families}


def test_activation_and_roles_are_those_that_the_layer_was_given():
    layer = layers.Dense(5, activation=layers.LeakyReLU(0.1))
    layer.build((None, 3))
    assert activation_name(own_activation(layer)) == "leaky_relu"
    assert [role_of(layer, variable) for variable in layer.weights] == ["kernel", "bias"]
    axes = kernel_axes(layer, "kernel", layer.kernel.shape)
    assert axes.columns(np.zeros((1, 3, 5))).shape == (1, 3, 5)
