"""Odd-part biases cancel what the constant part of an activation sends through a kernel."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import OddPart, OddPartBias

L = keras.layers
KERNEL = {
    "kernel_initializer": OddPart(activation="sigmoid", seed=1),
    "bias_initializer": OddPartBias(activation="sigmoid"),
}


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (L.Dense(6, **KERNEL), (5,)),
        (
            L.Dense(
                6,
                kernel_initializer="he_normal",
                bias_initializer=OddPartBias(activation="sigmoid"),
            ),
            (5,),
        ),
        (L.Conv1D(6, 3, padding="same", **KERNEL), (7, 4)),
        (L.Conv2D(6, 3, padding="same", **KERNEL), (5, 5, 4)),
        (L.Conv2D(6, 3, padding="same", groups=2, **KERNEL), (5, 5, 4)),
        (L.Conv2DTranspose(6, 4, strides=2, padding="same", **KERNEL), (5, 5, 4)),
        (L.EinsumDense("abc,cd->abd", (3, 4), bias_axes="d", **KERNEL), (3, 4)),
        (
            L.SeparableConv2D(
                6,
                3,
                padding="same",
                depthwise_initializer=OddPart(activation="sigmoid"),
                pointwise_initializer=OddPart(activation="sigmoid"),
                bias_initializer=OddPartBias(activation="sigmoid"),
            ),
            (5, 5, 4),
        ),
    ],
    ids=["dense", "foreign kernel", "conv1d", "conv2d", "groups", "transposed", "einsum", "sep"],
)
def test_inputs_at_the_middle_of_the_sigmoid_give_zero(layer, shape):
    outputs = layer(keras.ops.full((2, *shape), 0.5))
    np.testing.assert_allclose(numpy_of(outputs), 0, atol=1e-5)


@pytest.mark.parametrize(
    "initializer",
    [
        OddPartBias(activation="relu"),
        OddPartBias(activation="tanh"),
        OddPartBias(activation="sigmoid", paired_inputs=False),
    ],
    ids=["mirrored", "odd", "first layer"],
)
def test_no_bias_where_none_is_due(initializer):
    np.testing.assert_array_equal(numpy_of(initializer((4,))), 0)


def test_a_net_from_strings_and_objects_keeps_its_signal():
    layers = [keras.Input((32,))]
    for index in range(30):
        rule = {"activation": "sigmoid", "depth": 30, "paired_inputs": index > 0}
        layers.append(
            L.Dense(
                32,
                activation="sigmoid",
                kernel_initializer=OddPart(**rule, seed=index),
                bias_initializer=OddPartBias(**rule),
            )
        )
    model = keras.Sequential(layers)
    outputs = model(keras.random.normal((64, 32), seed=1))
    centred = numpy_of(outputs) - 0.5
    # 0.5 + u / 4 at u of mean square 0.54, a little less for the curve of the sigmoid.
    np.testing.assert_allclose(np.std(centred), np.sqrt(0.542) / 4, rtol=0.1)
    np.testing.assert_allclose(np.mean(centred), 0, atol=0.02)


def test_a_subclassed_model_gets_the_same_bias():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(6, **KERNEL)

        def call(self, inputs):
            return self.dense(inputs)

    outputs = Net()(keras.ops.full((2, 5), 0.5))
    np.testing.assert_allclose(numpy_of(outputs), 0, atol=1e-5)


def test_outside_a_layer_the_missing_kernel_is_named():
    with pytest.raises(ValueError, match=r"reads the kernel of its layer.*no layer"):
        OddPartBias(activation="sigmoid")((4,))


def test_a_recurrent_layer_is_refused():
    layer = L.SimpleRNN(4, bias_initializer=OddPartBias(activation="sigmoid"), unroll=True)
    layer.build((None, 3, 5))  # one gate: the kernel's sums are what the inputs send
    gru = L.GRU(4, bias_initializer=OddPartBias(activation="sigmoid"))
    with pytest.raises(ValueError, match=r"bias_initializer. of Dense.*shape=\(2, 12\)"):
        gru.build((None, 3, 5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"activation": "sigmod"}, ValueError, "sigmod"),
        ({"activation": "tanh", "depth": 0}, ValueError, "`depth`"),
        ({"activation": "tanh", "paired_inputs": 0}, TypeError, "`paired_inputs` must be"),
        ({"activation": "tanh", "paired_outputs": 0}, TypeError, "`paired_outputs` must be"),
    ],
    ids=["typo", "depth", "inputs", "outputs"],
)
def test_bad_arguments_are_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        OddPartBias(**arguments)
