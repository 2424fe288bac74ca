"""Mirrored kernels in a deep stack of rectifiers: signs, leftovers and pixels."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

from .mirrored import assert_mirrored, assert_paired

LARGE = 2**22  # entries from which on a kernel is drawn piece by piece


def kernels(*head, widths):
    """The kernels of a stack of rectifiers after `kerasinit.initialize`, and its plan."""
    hidden = [layers.Dense(width, "relu") for width in widths]
    model = keras.Sequential([*head, *hidden, layers.Dense(3)])
    plan = kerasinit.initialize(model, seed=1)
    return [keras.ops.convert_to_numpy(layer.kernel) for layer in hidden], plan


def test_blocks_have_the_signs_of_the_rule():
    (first, *rest), _ = kernels(keras.Input((6,)), widths=(6, 4, 6, 4, 6))
    assert_mirrored(first)
    for values in rest:
        assert_mirrored(values)
        assert_paired(values)


def test_leftovers_copy_unit_zero_and_feed_nothing():
    (first, *rest), _ = kernels(keras.Input((6,)), widths=(5, 7, 4, 7, 5))
    assert_mirrored(first)
    for values in rest:
        assert_mirrored(values)
        assert_paired(values)


def convolved(pixels, channels):
    return keras.Input((pixels, 6)), layers.Conv1D(channels, 1, activation="relu"), layers.Flatten()


@pytest.mark.parametrize("channels", [4, 5])
def test_pairs_of_rows_lie_within_each_pixel(channels):
    (values, *_), _ = kernels(*convolved(3, channels), widths=(4, 6, 4, 6))
    assert_paired(values, pixels=3)
    assert_mirrored(values)


def test_pairs_across_pixels_would_be_noticed():
    (values, *_), _ = kernels(*convolved(3, 4), widths=(4, 6, 4, 6))
    with pytest.raises(AssertionError, match="not equal"):
        assert_paired(values, pixels=1)


@pytest.mark.parametrize(
    ("head", "width", "pixels"),
    [
        ((keras.Input((2050,)),), 2049, 1),
        ((keras.Input((2050,)),), 2050, 1),
        (convolved(7, 4), 1 + LARGE // 28, 7),
        (convolved(7, 5), 1 + LARGE // 35, 7),
    ],
    ids=["odd", "even", "pixels", "odd pixels"],
)
def test_a_large_kernel_is_put_together_from_pieces_in_place(head, width, pixels):
    widths = (width, width, 4, 4) if pixels == 1 else (width, 4, 4, 4)
    found, plan = kernels(*head, widths=widths)
    values = found[pixels == 1]
    assert values.size > LARGE
    assert len([row for row in plan if "so large that" in row.reason]) >= 1
    assert_mirrored(values)
    assert_paired(values, pixels)
    half = values.reshape(pixels, -1, width)[:, : values.shape[0] // pixels // 2, 0].ravel()
    assert len(np.unique(half)) == len(half)  # no piece is drawn twice


def test_a_large_kernel_keeps_the_size_of_the_signal():
    (_, values, *_), plan = kernels(keras.Input((8,)), widths=(2050, 2050, 4, 4))
    (row,) = (row for row in plan if "so large that" in row.reason)
    assert np.std(values) == pytest.approx((row.fan_in / 2) ** -0.5, rel=0.01)
