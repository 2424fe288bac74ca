"""Orthogonal kernels keep every direction of the input, whatever the layer."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import Orthogonal


def numpy_of(tensor):
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")), "float64")


def assert_gram(matrix, expected, atol=1e-5):
    """Columns of a high matrix (rows of a wide one) are orthogonal, of square length `expected`."""
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(
        matrix.T @ matrix, expected * np.eye(matrix.shape[1]), atol=atol * expected
    )


def assert_mean_square(outputs, expected=1.0, rtol=0.1):
    np.testing.assert_allclose(np.mean(numpy_of(outputs) ** 2), expected, rtol=rtol)


@pytest.mark.parametrize("gain", [1.0, 0.5, 3, np.float32(2.0)], ids=str)
def test_columns_have_the_length_of_the_gain(gain):
    assert_gram(numpy_of(Orthogonal(gain, seed=1)((12, 5))), float(gain) ** 2)


def test_lasagne_orthogonal_relu_has_its_gram_matrix():
    # Lasagne's own test: W W' = 2 I for (100, 200).
    kernel = numpy_of(Orthogonal("relu", scaled=False, seed=1)((100, 200)))
    np.testing.assert_allclose(kernel @ kernel.T, 2 * np.eye(100), atol=2e-5)


def test_a_wide_kernel_keeps_the_mean_square():
    kernel = numpy_of(Orthogonal(seed=1)((8, 32)))
    np.testing.assert_allclose(kernel @ kernel.T, 4 * np.eye(8), atol=4e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_orthogonal_to_its_rounding(dtype):
    kernel = Orthogonal(seed=1)((16, 16), dtype=dtype)
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    assert_gram(numpy_of(kernel), 1.0, atol=0.02)


@pytest.mark.parametrize(
    ("layer", "gates"),
    [(keras.layers.LSTM, 4), (keras.layers.GRU, 3), (keras.layers.SimpleRNN, 1)],
    ids=["lstm", "gru", "simple"],
)
def test_a_recurrent_kernel_is_orthogonal_gate_by_gate(layer, gates):
    rnn = layer(6, recurrent_initializer=Orthogonal(seed=1))
    rnn.build((None, 3, 4))
    kernel = numpy_of(rnn.cell.recurrent_kernel).reshape(6, gates, 6)
    for gate in range(gates):
        assert_gram(kernel[:, gate], 1.0)


def test_gates_differ():
    rnn = keras.layers.LSTM(6, recurrent_initializer=Orthogonal(seed=1))
    rnn.build((None, 3, 4))
    gates = numpy_of(rnn.cell.recurrent_kernel).reshape(6, 4, 6)
    assert np.abs(gates[:, 0] - gates[:, 1]).max() > 0.1


def test_attention_projections_are_orthogonal_between_model_and_heads():
    attention = keras.layers.MultiHeadAttention(4, 8, kernel_initializer=Orthogonal(seed=1))
    attention.build((None, 5, 32), (None, 5, 32))
    query, key, value, output = (
        numpy_of(weight).reshape(32, 32) for weight in attention.weights if weight.ndim == 3
    )
    for kernel in (query, key, value, output):
        assert_gram(kernel, 1.0)
    assert np.abs(query - key).max() > 0.1


def test_experts_are_orthogonal_one_by_one():
    layer = keras.layers.EinsumDense("bei,eio->beo", (3, 5), kernel_initializer=Orthogonal(seed=1))
    layer.build((None, 3, 7))
    for expert in numpy_of(layer.kernel):
        assert_gram(expert, 1.0)


def test_axes_can_be_given():
    kernel = Orthogonal(seed=1, input_axes=[0, 2], output_axes=[1])((3, 4, 5))
    assert_gram(np.transpose(numpy_of(kernel), (0, 2, 1)).reshape(15, 4), 1.0)


def test_batch_axes_can_be_given():
    for matrix in numpy_of(Orthogonal(seed=1, batch_axes=[0])((3, 6, 6))):
        assert_gram(matrix, 1.0)


def test_a_convolution_is_orthogonal_between_its_window_and_its_outputs():
    assert_gram(numpy_of(Orthogonal(seed=1)((3, 3, 4, 8))).reshape(36, 8), 1.0)


def test_groups_are_orthogonal_one_by_one():
    layer = keras.layers.Conv2D(8, 3, groups=2, kernel_initializer=Orthogonal(seed=1))
    layer.build((None, 8, 8, 6))
    kernel = numpy_of(layer.kernel).reshape(27, 2, 4)
    assert_gram(kernel[:, 0], 1.0)
    assert_gram(kernel[:, 1], 1.0)


def test_a_depthwise_kernel_has_orthogonal_filters_per_channel():
    layer = keras.layers.DepthwiseConv2D(
        3, depth_multiplier=2, depthwise_initializer=Orthogonal(seed=1)
    )
    layer.build((None, 8, 8, 4))
    for channel in np.transpose(numpy_of(layer.kernel), (2, 0, 1, 3)).reshape(4, 9, 2):
        assert_gram(channel, 1.0)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (keras.layers.Dense(256, kernel_initializer=Orthogonal(seed=1)), (64,)),
        (keras.layers.Conv1D(16, 5, kernel_initializer=Orthogonal(seed=1)), (100, 8)),
        (
            keras.layers.Conv2DTranspose(16, 4, strides=2, kernel_initializer=Orthogonal(seed=1)),
            (16, 16, 8),
        ),
        (keras.layers.DepthwiseConv2D(3, depthwise_initializer=Orthogonal(seed=1)), (16, 16, 8)),
    ],
    ids=["dense", "conv", "transposed", "depthwise"],
)
def test_the_mean_square_of_the_signal_stays(layer, shape):
    inputs = keras.random.normal((64, *shape), seed=2)
    outputs = layer(inputs)
    if len(shape) == 3:
        outputs = outputs[:, 4:-4, 4:-4]  # away from the borders
    assert_mean_square(outputs)


def test_embeddings_have_the_mean_square_of_the_gain():
    layer = keras.layers.Embedding(40, 8, embeddings_initializer=Orthogonal(2.0, seed=1))
    layer.build()
    assert_mean_square(layer.embeddings, expected=4.0, rtol=1e-5)


def test_auto_takes_the_gain_of_the_layers_activation():
    layer = keras.layers.Dense(16, activation="relu", kernel_initializer=Orthogonal("auto", seed=1))
    layer.build((None, 16))
    assert_gram(numpy_of(layer.kernel), 2.0)


def test_a_hundred_linear_layers_keep_every_input():
    inputs = keras.random.normal((4, 32), seed=1)
    outputs = inputs
    for seed in range(100):
        outputs = keras.ops.matmul(outputs, Orthogonal(seed=seed)((32, 32)))
    np.testing.assert_allclose(
        np.linalg.norm(numpy_of(outputs), axis=1),
        np.linalg.norm(numpy_of(inputs), axis=1),
        rtol=1e-4,
    )


def test_the_string_names_the_class():
    layer = keras.layers.Dense(4, kernel_initializer="kerasinit>Orthogonal")
    assert isinstance(layer.kernel_initializer, Orthogonal)


@pytest.mark.parametrize("shape", [(), (4,), (0, 4)], ids=str)
def test_a_shape_that_is_no_kernel_is_refused(shape):
    with pytest.raises(ValueError, match=r"`shape` must be that of a kernel.*Received: shape="):
        Orthogonal(seed=1)(shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gain": 0.0}, "`gain` must be a number from"),
        ({"gain": "reluu"}, "`gain` must be"),
        ({"input_axes": [0]}, "given together"),
        ({"seed": -1}, "`seed` must be a non-negative"),
    ],
    ids=["zero", "typo", "half the axes", "seed"],
)
def test_bad_arguments_are_refused_at_construction(arguments, message):
    with pytest.raises(ValueError, match=message):
        Orthogonal(**arguments)


def test_scaled_must_be_a_flag():
    with pytest.raises(TypeError, match="`scaled` must be True or False"):
        Orthogonal(scaled=2.0)
