"""Odd-part kernels keep signal and gradient of plain nets through any depth."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from kerasinit import theory
from kerasinit.initializers import OddPart, OddPartBias

L = keras.layers
MIRRORED = ["relu", "gelu", "silu", "softplus", "mish", "elu", "selu", "leaky_relu"]
CENTRED = ["tanh", "softsign", "sigmoid", "hard_sigmoid"]
WIDTH, INPUTS = 32, 16  # the pairs of the width are as many as the inputs: nothing is lost


def numpy_of(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def stack(activation, depth, width=WIDTH):
    """Kernels and biases of a plain net of `depth` hidden layers, drawn outside of layers."""
    kernels, biases = [], []
    offset = OddPartBias(activation=activation, depth=depth).offset
    for index in range(depth):
        first = index == 0
        rule = OddPart(activation=activation, depth=depth, paired_inputs=not first, seed=index)
        kernels.append(rule((INPUTS if first else width, width)))
        sums = keras.ops.sum(kernels[-1], axis=0)
        biases.append(keras.ops.zeros_like(sums) if first else -offset * sums)
    return kernels, biases


def pre_activations(activation, kernels, biases, inputs):
    phi = keras.activations.get(activation)
    values, signal = [], inputs
    for kernel, bias in zip(kernels, biases, strict=True):
        values.append(keras.ops.matmul(signal, kernel) + bias)
        signal = phi(values[-1])
    return [numpy_of(value).astype("float64") for value in values]


def log_gradient_growth(activation, kernels, values, seed=0):
    """ln of the squared gradient of the first pre-activations over that of the last."""
    derivative = theory.resolve(activation).derivative
    gradient = np.random.default_rng(seed).normal(size=values[-1].shape)
    if theory.odd_part(activation).kind == "mirror":  # what a last layer of the rule sends back
        half = gradient.shape[1] // 2
        gradient[:, half:] = -gradient[:, :half]
    gradient = gradient * derivative(values[-1])
    last = np.mean(gradient**2)
    for kernel, value in zip(kernels[:0:-1], values[-2::-1], strict=True):
        gradient = (gradient @ numpy_of(kernel).T.astype("float64")) * derivative(value)
    return np.log(np.mean(gradient**2) / last)


@pytest.mark.parametrize("activation", MIRRORED + CENTRED)
@pytest.mark.parametrize("depth", [10, 50], ids="{} layers".format)
def test_mean_square_and_gradient_stay(activation, depth):
    kernels, biases = stack(activation, depth)
    inputs = keras.random.normal((64, INPUTS), seed=1)
    inputs = inputs / keras.ops.sqrt(keras.ops.mean(inputs**2, axis=-1, keepdims=True))
    values = pre_activations(activation, kernels, biases, inputs)
    length = theory.odd_part(activation, depth=depth).length
    np.testing.assert_allclose(np.mean(values[0] ** 2), length, rtol=1e-3)
    np.testing.assert_allclose(np.log(np.mean(values[-1] ** 2) / length), 0, atol=0.2)
    growth = log_gradient_growth(activation, kernels, values)
    np.testing.assert_allclose(growth, 0, atol=0.6)


def test_the_gradient_check_notices_plain_orthogonal_kernels():
    kernels = [keras.initializers.Orthogonal(seed=i)((WIDTH, WIDTH)) for i in range(50)]
    biases = [keras.ops.zeros((WIDTH,))] * 50
    inputs = keras.random.normal((64, WIDTH), seed=1)
    values = pre_activations("relu", kernels, biases, inputs)
    with pytest.raises(AssertionError, match="Not equal"):
        np.testing.assert_allclose(log_gradient_growth("relu", kernels, values), 0, atol=0.6)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_hundred_mirrored_layers_are_a_linear_isometry(activation):
    kernels, biases = stack(activation, 100)
    last = OddPart(activation=activation, depth=100, paired_outputs=False, seed=100)(
        (WIDTH, WIDTH // 2)
    )
    x, y = (keras.random.normal((4, INPUTS), seed=seed) for seed in (1, 2))

    def net(inputs):
        hidden = inputs
        for kernel, bias in zip(kernels, biases, strict=True):
            hidden = keras.activations.get(activation)(keras.ops.matmul(hidden, kernel) + bias)
        return numpy_of(keras.ops.matmul(hidden, last))

    np.testing.assert_allclose(net(2 * x - y), 2 * net(x) - net(y), atol=2e-3)
    jacobian = net(np.eye(INPUTS, dtype="float32"))
    np.testing.assert_allclose(jacobian.T @ jacobian, np.eye(WIDTH // 2), atol=2e-3)


def test_the_pairs_of_a_hidden_kernel_are_mirrored():
    kernel = numpy_of(OddPart(activation="gelu", seed=1)((8, 12)))
    block = kernel[:4, :6]
    np.testing.assert_allclose(kernel, np.block([[block, -block], [-block, block]]), atol=0)
    np.testing.assert_allclose(block @ block.T, 6 / 4 * np.eye(4), atol=1e-5)


def test_the_first_kernel_is_mirrored_in_its_outputs_and_has_the_scale_of_the_data():
    kernel = numpy_of(
        OddPart(activation="tanh", depth=10, paired_inputs=False, input_mean_square=4.0, seed=1)(
            (6, 6)
        )
    )
    length = theory.odd_part("tanh", depth=10).length
    np.testing.assert_allclose(kernel.T @ kernel, length / 4 * np.eye(6), atol=1e-5)
    kernel = numpy_of(OddPart(activation="relu", paired_inputs=False, seed=1)((6, 8)))
    np.testing.assert_array_equal(kernel[:, :4], -kernel[:, 4:])


def test_the_last_kernel_is_mirrored_in_its_inputs():
    kernel = numpy_of(OddPart(activation="relu", paired_outputs=False, seed=1)((8, 3)))
    np.testing.assert_array_equal(kernel[:4], -kernel[4:])
    np.testing.assert_allclose(kernel[:4].T @ kernel[:4], np.eye(3), atol=1e-5)


def test_a_centred_kernel_is_orthogonal():
    kernel = numpy_of(OddPart(activation="sigmoid", depth=50, seed=1)((9, 9)))
    gain = theory.odd_part("sigmoid", depth=50).gain
    np.testing.assert_allclose(gain, 4.3528, atol=1e-4)  # table of the rule
    np.testing.assert_allclose(kernel.T @ kernel, gain**2 * np.eye(9), rtol=1e-4, atol=1e-4)


def test_odd_widths_keep_a_relu_net_linear():
    widths = [9, 17, 17, 17, 17, 7]
    x, y = (keras.random.normal((4, 9), seed=seed) for seed in (1, 2))
    kernels = [
        OddPart(activation="relu", paired_inputs=i > 0, paired_outputs=i < 4, seed=i)(shape)
        for i, shape in enumerate(pairwise(widths))
    ]

    def net(hidden):
        for kernel in kernels[:-1]:
            hidden = keras.ops.relu(keras.ops.matmul(hidden, kernel))
        return numpy_of(keras.ops.matmul(hidden, kernels[-1]))

    np.testing.assert_allclose(net(x + y), net(x) + net(y), atol=1e-4)
    assert np.linalg.matrix_rank(net(np.eye(9, dtype="float32"))) == 7


def test_the_leftover_unit_copies_unit_0_and_feeds_nothing():
    kernel = numpy_of(OddPart(activation="relu", seed=1)((7, 5)))
    np.testing.assert_array_equal(kernel[:, 4], kernel[:, 0])
    np.testing.assert_array_equal(kernel[6], 0)


def test_a_convolutional_net_keeps_its_mean_square_up_to_the_borders():
    signal = keras.random.normal((2, 7, 7, 16), seed=1)
    start = np.mean(numpy_of(signal) ** 2)
    for index in range(30):
        kernel = OddPart(activation="gelu", paired_inputs=index > 0, seed=index)(
            (3, 3, signal.shape[-1], 32)
        )
        values = keras.ops.conv(signal, kernel, padding="same")
        signal = keras.ops.gelu(values, approximate=False)
    np.testing.assert_allclose(np.mean(numpy_of(values) ** 2), start, rtol=1e-3)


def test_the_depthwise_part_of_a_separable_convolution_passes_its_channels_on():
    layer = L.SeparableConv2D(
        8,
        3,
        padding="same",
        depthwise_initializer=OddPart(activation="relu", seed=1),
        pointwise_initializer=OddPart(activation="relu", seed=2),
    )
    inputs = keras.random.normal((1, 5, 5, 6), seed=1)
    outputs = numpy_of(layer(inputs))
    expected = numpy_of(inputs) @ numpy_of(layer.pointwise_kernel)[0, 0]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 2), (2, 5), (5, 2)])
def test_two_units_make_a_pair(shape):
    kernel = np.asarray(OddPart(activation="relu", seed=0)(shape))
    assert kernel.shape == shape
    assert np.abs(kernel).max() > 0


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            L.Conv2D(8, 3, groups=2, kernel_initializer=OddPart(activation="relu")),
            "groups or gates",
        ),
        (L.DepthwiseConv2D(3, depthwise_initializer=OddPart(activation="relu")), "mixes channels"),
        (L.Conv2D(1, 3, kernel_initializer=OddPart(activation="relu")), "at least two inputs"),
    ],
    ids=["groups", "depthwise", "one unit"],
)
def test_a_kernel_that_cannot_be_paired_is_refused_with_its_layer(layer, message):
    with pytest.raises(ValueError, match=rf"{message}[\s\S]*layer '{layer.name}'"):
        layer.build((None, 8, 8, 4))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"activation": "rellu"}, ValueError, "rellu"),
        ({"activation": "relu", "depth": 0}, ValueError, "`depth`"),
        ({"activation": "relu", "zeta": 1.0}, ValueError, "`zeta`"),
        ({"activation": "relu", "paired_inputs": 1}, TypeError, "`paired_inputs` must be True"),
        ({"activation": "relu", "paired_outputs": None}, TypeError, "`paired_outputs` must be"),
        ({"activation": "relu", "input_mean_square": 0}, ValueError, "`input_mean_square` must"),
        ({"activation": "relu", "input_mean_square": "1"}, ValueError, "`input_mean_square` must"),
    ],
    ids=["typo", "depth", "zeta", "inputs", "outputs", "mean square", "text"],
)
def test_bad_arguments_are_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        OddPart(**arguments)
