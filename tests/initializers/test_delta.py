"""Delta-orthogonal kernels have all their energy in the centre tap, which is orthogonal."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import DeltaOrthogonal


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_only_tap(kernel, index):
    """All energy of `(*window, inputs, outputs)` lies at `index` of the window."""
    energy = np.sum(kernel**2, axis=(-2, -1))
    assert energy[index] > 0
    others = energy.copy()
    others[index] = 0
    np.testing.assert_array_equal(others, 0)


@pytest.mark.parametrize(
    ("window", "centre"),
    [
        ((3,), (1,)),
        ((4,), (1,)),
        ((1,), (0,)),
        ((3, 3), (1, 1)),
        ((4, 4), (1, 1)),  # where jax.nn.initializers.delta_orthogonal puts it
        ((5, 2), (2, 0)),
        ((3, 3, 3), (1, 1, 1)),
    ],
    ids=str,
)
def test_all_energy_is_at_the_centre(window, centre):
    kernel = numpy_of(DeltaOrthogonal(seed=1)((*window, 4, 6)))
    assert_only_tap(kernel, centre)


def test_the_energy_check_notices_another_tap():
    kernel = numpy_of(DeltaOrthogonal(seed=1)((3, 3, 4, 6))).copy()
    kernel[0, 0, 0, 0] = 1e-6
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        assert_only_tap(kernel, (1, 1))


@pytest.mark.parametrize("gain", [1.0, 2.0], ids="gain {}".format)
def test_more_outputs_keep_the_norm_of_every_input(gain):
    centre = numpy_of(DeltaOrthogonal(gain=gain, scaled=False, seed=1)((3, 3, 4, 9)))[1, 1]
    np.testing.assert_allclose(centre @ centre.T, gain**2 * np.eye(4), atol=1e-5 * gain**2)


def test_more_outputs_keep_the_mean_square_by_default():
    centre = numpy_of(DeltaOrthogonal(seed=1)((3, 3, 4, 16)))[1, 1]
    np.testing.assert_allclose(centre @ centre.T, 4 * np.eye(4), atol=4e-5)


def test_fewer_outputs_are_semi_orthogonal():
    centre = numpy_of(DeltaOrthogonal(seed=1)((3, 9, 4)))[1]
    np.testing.assert_allclose(centre.T @ centre, np.eye(4), atol=1e-5)


def test_a_deep_convolutional_net_keeps_every_pixel():
    inputs = keras.random.normal((2, 7, 7, 8), seed=1)
    outputs = inputs
    for seed in range(30):
        kernel = DeltaOrthogonal(seed=seed)((3, 3, 8, 8))
        outputs = keras.ops.conv(outputs, kernel, padding="same")
    np.testing.assert_allclose(
        np.linalg.norm(numpy_of(outputs), axis=-1),
        np.linalg.norm(numpy_of(inputs), axis=-1),
        rtol=1e-4,
    )


def test_groups_have_a_matrix_each():
    layer = keras.layers.Conv2D(6, 3, groups=2, kernel_initializer=DeltaOrthogonal(seed=1))
    layer.build((None, 8, 8, 6))
    first, second = np.split(numpy_of(layer.kernel)[1, 1], 2, axis=-1)
    np.testing.assert_allclose(first.T @ first, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(second.T @ second, np.eye(3), atol=1e-5)
    assert np.abs(first - second).max() > 0.1


def test_a_depthwise_kernel_passes_each_channel_up_to_its_sign():
    layer = keras.layers.DepthwiseConv2D(
        3, padding="same", depthwise_initializer=DeltaOrthogonal(seed=1)
    )
    inputs = keras.random.normal((1, 6, 6, 5), seed=1)
    outputs = layer(inputs)
    np.testing.assert_allclose(np.abs(numpy_of(outputs)), np.abs(numpy_of(inputs)), atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(4, 2), (3, 2), (3, 1), (5, 3), (2, 2)])
def test_a_transposed_convolution_gives_every_output_position_one_tap(size, stride):
    layer = keras.layers.Conv2DTranspose(
        8, size, strides=stride, padding="same", kernel_initializer=DeltaOrthogonal(seed=1)
    )
    inputs = keras.random.normal((1, 6, 6, 8), seed=1)
    norms = np.linalg.norm(numpy_of(layer(inputs)), axis=-1)[0, stride:-stride, stride:-stride]
    of_inputs = np.linalg.norm(numpy_of(inputs), axis=-1)
    for norm in norms.ravel():
        assert np.abs(of_inputs - norm).min() < 1e-4, "a position is no copy of an input"


def test_without_a_window_it_is_orthogonal():
    kernel = numpy_of(DeltaOrthogonal(seed=1)((6, 6)))
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(6), atol=1e-5)


def test_the_short_name_works_in_a_layer():
    layer = keras.layers.Conv2D(4, 3, kernel_initializer="delta_orthogonal")
    assert isinstance(layer.kernel_initializer, DeltaOrthogonal)


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"`shape` must be that of a kernel.*shape=\(3,\)"):
        DeltaOrthogonal(seed=1)((3,))


@pytest.mark.parametrize("size", [2, 3])
def test_a_causal_convolution_passes_its_input_on_without_delay(size):
    start = DeltaOrthogonal(seed=1)
    layer = keras.layers.Conv1D(
        4, size, padding="causal", dilation_rate=2, kernel_initializer=start
    )
    series = keras.random.normal((1, 8, 4), seed=2)
    outputs = numpy_of(layer(series))
    expected = numpy_of(series) @ numpy_of(layer.kernel)[-1]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
