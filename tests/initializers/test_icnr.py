"""An ICNR convolution followed by depth_to_space starts as nearest-neighbour upsampling."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import ICNR, HeNormal


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.skipif(
    not hasattr(keras.ops, "depth_to_space"), reason="this Keras has no such operation"
)
def test_the_block_of_a_pixel_is_its_copy():
    scale, channels = 3, 2
    kernel = ICNR(scale=scale, seed=1)((3, 3, 4, channels * scale**2))
    image = keras.random.normal((1, 5, 5, 4), seed=2)
    large = keras.ops.depth_to_space(keras.ops.conv(image, kernel, padding="same"), scale)
    small = keras.ops.conv(image, kernel[..., :channels], padding="same")
    nearest = np.repeat(np.repeat(numpy_of(small), scale, axis=1), scale, axis=2)
    np.testing.assert_allclose(numpy_of(large), nearest, atol=1e-5)


def test_pixel_shuffle_reads_a_block_from_neighbouring_channels():
    kernel = numpy_of(ICNR(scale=2, shuffle="pixel_shuffle", seed=1)((3, 3, 4, 8)))
    # torch.nn.PixelShuffle: output channel c reads input channels 4c .. 4c + 3.
    np.testing.assert_array_equal(kernel[..., :4], np.repeat(kernel[..., :1], 4, axis=-1))
    assert np.abs(kernel[..., 0] - kernel[..., 4]).max() > 0


def test_no_scale_is_the_plain_initializer():
    kernel = numpy_of(ICNR(scale=1, initializer="he_normal", seed=1)((3, 3, 4, 8)))
    expected = numpy_of(keras.initializers.HeNormal(seed=1)((3, 3, 4, 8)))
    np.testing.assert_array_equal(kernel, expected)


@pytest.mark.parametrize(
    "inner", ["he_normal", "kerasinit>HeNormal", HeNormal(), keras.initializers.HeNormal(seed=4)]
)
def test_the_smaller_kernel_has_the_scale_of_its_initializer(inner):
    kernel = numpy_of(ICNR(scale=2, initializer=inner, seed=1)((3, 3, 16, 256)))
    np.testing.assert_allclose(np.std(kernel), np.sqrt(2 / 144), rtol=0.03)


def test_a_signal_in_one_dimension_has_blocks_of_scale():
    kernel = numpy_of(ICNR(scale=3, seed=1)((5, 4, 6)))
    np.testing.assert_array_equal(kernel[..., :2], kernel[..., 4:])


def test_two_layers_that_share_an_instance_differ():
    shared = ICNR(scale=2, seed=1)
    kernels = []
    for _ in range(2):
        layer = keras.layers.Conv2D(8, 3, kernel_initializer=shared)
        layer.build((None, 6, 6, 4))
        kernels.append(numpy_of(layer.kernel))
    assert np.abs(kernels[0] - kernels[1]).max() > 0


@pytest.mark.parametrize(
    ("shape", "message"),
    [((4, 8), "convolution kernel"), ((3, 3, 4, 6), "multiple of 4")],
    ids=["dense", "outputs"],
)
def test_a_kernel_that_cannot_be_shuffled_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        ICNR(scale=2, seed=1)(shape)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scale": 0}, ValueError, "`scale` must be an integer >= 1"),
        ({"scale": 2.0}, ValueError, "`scale` must be an integer"),
        ({"initializer": "he_norml"}, ValueError, "he_norml"),
        ({"initializer": None}, TypeError, "`initializer` must be"),
        ({"shuffle": "space"}, ValueError, "`shuffle` must be one of"),
    ],
    ids=["zero", "float", "typo", "none", "shuffle"],
)
def test_bad_arguments_are_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        ICNR(**arguments)
