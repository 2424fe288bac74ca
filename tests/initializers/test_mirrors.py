"""Mirrored kernels: signs, leftovers and pixels."""

import keras
import numpy as np
import pytest

from kerasinit import _backend
from kerasinit.initializers._mirrors import Mirrors


def kernel(mirrors, shape):
    return keras.ops.convert_to_numpy(
        mirrors.kernel(lambda size: keras.random.normal(size, seed=1), shape)
    )


def test_blocks_have_the_signs_of_the_rule():
    values = kernel(Mirrors(rows=True, columns=True), (6, 4))
    np.testing.assert_array_equal(values[:3, 2:], -values[:3, :2])
    np.testing.assert_array_equal(values[3:], -values[:3])


def test_leftovers_copy_unit_zero_and_feed_nothing():
    values = kernel(Mirrors(rows=True, columns=True), (5, 7))
    np.testing.assert_array_equal(values[:, 6], values[:, 0])
    assert not values[4].any()


@pytest.mark.parametrize("channels", [4, 5])
def test_pairs_of_rows_lie_within_each_pixel(channels):
    values = kernel(Mirrors(rows=True, pixels=3), (3 * channels, 2))
    pixels = values.reshape(3, channels, 2)
    np.testing.assert_array_equal(pixels[:, 2:4], -pixels[:, :2])
    assert not pixels[:, 4:].any()


@pytest.mark.parametrize("rows", [True, False], ids=["mirrored", "drawn"])
@pytest.mark.parametrize(("channels", "pixels"), [(4, 7), (5, 7), (6, 1), (7, 1)])
def test_pieces_make_up_the_kernel_in_place(rows, channels, pixels):
    """Drawn in consecutive rows, the pieces are the kernel that is drawn at once."""
    mirrors = Mirrors(rows=rows, columns=True, pixels=pixels if rows else 1)
    shape = (pixels * channels, 5)
    values = np.random.default_rng(1).normal(size=mirrors.drawn(shape)).astype("float32")
    whole = keras.ops.convert_to_numpy(
        mirrors.kernel(lambda _: keras.ops.convert_to_tensor(values), shape)
    )
    left = iter(values)

    def draw(size):
        return keras.ops.convert_to_tensor(np.stack([next(left) for _ in range(size[0])]))

    variable = keras.Variable(keras.ops.full(shape, 7.0))
    assert _backend.takes_rows(variable)
    _backend.assign_rows(variable, mirrors.pieces(draw, shape, count=3))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), whole)
    assert not list(left)


def test_pixels_that_are_not_mirrored_take_the_second_halves_of_the_draw():
    values = np.arange(12.0, dtype="float32").reshape(12, 1)
    mirrors = Mirrors(pixels=3)
    whole = mirrors.kernel(lambda _: keras.ops.convert_to_tensor(values), (12, 1))
    expected = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]
    assert keras.ops.convert_to_numpy(whole)[:, 0].tolist() == expected
