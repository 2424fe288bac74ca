"""Identity kernels pass the input on, times the gain."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import Identity

L = keras.layers


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (L.Dense(5, kernel_initializer=Identity(2.0)), (5,)),
        (L.Conv2D(4, 3, padding="same", kernel_initializer=Identity(2.0)), (6, 6, 4)),
        (L.DepthwiseConv2D(3, padding="same", depthwise_initializer=Identity(2.0)), (6, 6, 3)),
        (L.EinsumDense("abc,cd->abd", (3, 4), kernel_initializer=Identity(2.0)), (3, 4)),
        (L.EinsumDense("bei,eio->beo", (3, 4), kernel_initializer=Identity(2.0)), (3, 4)),
    ],
    ids=["dense", "conv2d", "depthwise", "einsum", "experts"],
)
def test_a_layer_passes_its_input_on_times_the_gain(layer, shape):
    inputs = keras.random.normal((2, *shape), seed=1)
    np.testing.assert_allclose(numpy_of(layer(inputs)), 2 * numpy_of(inputs), rtol=1e-6)


@pytest.mark.parametrize("window", [(3,), (4,), (3, 5), (3, 3, 3)], ids=str)
def test_the_centre_tap_is_the_identity(window):
    kernel = numpy_of(Identity(2.0)((*window, 4, 4)))
    expected = np.zeros_like(kernel)
    expected[tuple((size - 1) // 2 for size in window)] = 2 * np.eye(4)
    np.testing.assert_array_equal(kernel, expected)


def test_a_group_passes_on_its_own_inputs():
    layer = L.Conv1D(6, 3, padding="same", groups=3, kernel_initializer=Identity())
    inputs = keras.random.normal((1, 5, 6), seed=1)
    np.testing.assert_allclose(numpy_of(layer(inputs)), numpy_of(inputs), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)], ids=str)
def test_unequal_sizes_give_the_first_units(shape):
    np.testing.assert_array_equal(numpy_of(Identity(3)(shape)), 3 * np.eye(*shape))


def test_each_gate_is_the_identity():
    rnn = L.GRU(3, recurrent_initializer=Identity(0.5))
    rnn.build((None, 4, 2))
    np.testing.assert_array_equal(
        numpy_of(rnn.cell.recurrent_kernel), np.tile(0.5 * np.eye(3), (1, 3))
    )


def test_the_gain_survives_a_save():
    layer = L.Dense(4, kernel_initializer=Identity(3.0))
    clone = L.Dense.from_config(layer.get_config())
    clone.build((None, 4))
    np.testing.assert_array_equal(numpy_of(clone.kernel), 3 * np.eye(4))


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match="`shape` must be that of a kernel"):
        Identity()((4,))
