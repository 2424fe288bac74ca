import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.experiments._convolution import as_matrix_products

IMAGE = (7, 9, 3)
CASES = {
    "same": layers.Conv2D(4, 3, padding="same"),
    "valid": layers.Conv2D(4, 3, padding="valid"),
    "strided same": layers.Conv2D(4, 3, strides=2, padding="same"),
    "strided valid": layers.Conv2D(4, (3, 2), strides=(2, 3), padding="valid"),
    "even window": layers.Conv2D(4, (2, 4), padding="same"),
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
    "pixel": layers.Conv2D(4, 1),
    "depthwise": layers.DepthwiseConv2D(3, padding="same", activation="tanh"),
    "depthwise multiplied": layers.DepthwiseConv2D((3, 2), depth_multiplier=2, use_bias=False),
    "depthwise strided": layers.DepthwiseConv2D(3, strides=2, padding="same"),
    "depthwise dilated": layers.DepthwiseConv2D(2, dilation_rate=2),
    "separable": layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"),
    "separable strided": layers.SeparableConv2D(5, 3, strides=2, activation="relu"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_product_of_patches_is_the_convolution(name):
    layer = type(CASES[name]).from_config(CASES[name].get_config())
    assert_same_as_convolution(layer, IMAGE)


@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
def test_it_holds_in_one_dimension(padding):
    assert_same_as_convolution(layers.Conv1D(4, 3, strides=2, padding=padding), (11, 3))
    assert_same_as_convolution(layers.Conv1D(4, 3, dilation_rate=2, padding=padding), (11, 3))


def test_depthwise_and_separable_layers_hold_in_one_dimension():
    assert_same_as_convolution(layers.DepthwiseConv1D(3, strides=2, padding="same"), (11, 3))
    assert_same_as_convolution(layers.SeparableConv1D(4, 3, padding="same"), (11, 3))


def assert_same_as_convolution(layer, shape):
    model = keras.Sequential([keras.Input(shape), layer])
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    for variable in layer.weights:  # biases that are not 0
        variable.assign(variable + 0.1)
    expected = keras.ops.convert_to_numpy(model(x))
    with as_matrix_products(model):
        assert vars(layer).keys() & {"call", "convolution_op"}
        found = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_layers_are_as_before_afterwards():
    model = keras.Sequential([keras.Input(IMAGE), layers.Conv2D(4, 3)])
    with as_matrix_products(model):
        assert "convolution_op" in vars(model.layers[0])
    assert "convolution_op" not in vars(model.layers[0])


class Standardized(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - keras.ops.mean(kernel))


class Doubled(layers.DepthwiseConv2D):
    def call(self, inputs):
        return 2 * super().call(inputs)


@pytest.mark.parametrize(
    "layer",
    [layers.Conv2D(4, 3, groups=2), Standardized(4, 3), Doubled(3)],
    ids=["grouped", "convolution_op", "call"],
)
def test_what_is_not_plainly_keras_own_stays_as_it_is(layer):
    model = keras.Sequential([keras.Input((4, 4, 4)), layer])
    with as_matrix_products(model):
        assert not vars(layer).keys() & {"call", "convolution_op"}
    assert model.layers == [layer]
