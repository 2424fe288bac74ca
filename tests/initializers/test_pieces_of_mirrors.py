"""A mirrored kernel in pieces is the whole kernel, each row once."""

import itertools

import keras
import numpy as np
import pytest

from kerasinit.initializers._mirrors import Mirrors  # of numbered draws, no random ones

from .mirrored import assert_mirrored, assert_paired

CASES = [
    (rows, columns, pixels, channels, outputs)
    for rows, columns in itertools.product((False, True), repeat=2)
    for pixels, channels, outputs in ((1, 8, 6), (1, 9, 7), (4, 6, 5), (4, 5, 6))
]


class Counting:
    """Draws 1, 2, 3, ... and goes on with each call."""

    def __init__(self):
        self.calls, self.given = 0, 0

    def __call__(self, shape):
        size = int(np.prod(shape))
        first, self.given, self.calls = self.given, self.given + size, self.calls + 1
        return keras.ops.reshape(keras.ops.arange(first + 1.0, first + size + 1), shape)


def put_together(mirrors, shape, count):
    """The kernel of all pieces; raises unless each row comes once."""
    kernel, seen, draw = np.zeros(shape), np.zeros(shape[0], int), Counting()
    for first, piece in mirrors.pieces(draw, shape, count=count):
        piece = keras.ops.convert_to_numpy(piece)
        kernel[first : first + len(piece)] = piece
        seen[first : first + len(piece)] += 1
    np.testing.assert_array_equal(seen, 1)
    return kernel, draw


@pytest.mark.parametrize(("rows", "columns", "pixels", "channels", "outputs"), CASES)
@pytest.mark.parametrize("count", [1, 3])
def test_pieces_make_the_whole_kernel(rows, columns, pixels, channels, outputs, count):
    mirrors = Mirrors(rows=rows, columns=columns, pixels=pixels)
    shape = (pixels * channels, outputs)
    kernel, draw = put_together(mirrors, shape, count)
    assert draw.calls <= count
    drawn = np.unique(np.abs(kernel[kernel != 0]))
    np.testing.assert_array_equal(drawn, np.arange(1, draw.given + 1))
    whole = keras.ops.convert_to_numpy(mirrors.kernel(Counting(), shape))
    assert draw.given == np.abs(whole).max()
    # The same places are mirrored, and the same ones are 0.
    np.testing.assert_array_equal(np.sign(kernel), np.sign(whole))
    if count == 1 and not (pixels > 1 and not rows):
        np.testing.assert_array_equal(kernel, whole)


def test_pieces_are_as_equal_as_can_be():
    sizes = [len(piece) for _, piece in Mirrors().pieces(keras.ops.ones, (10, 2), count=4)]
    assert sizes == [3, 3, 3, 1]


@pytest.mark.parametrize("pixels", [1, 3])
def test_a_leftover_channel_of_mirrored_rows_feeds_nothing_and_nothing_else_does(pixels):
    kernel, _ = put_together(Mirrors(rows=True, pixels=pixels), (pixels * 5, 4), 2)
    fed = kernel.any(axis=1).reshape(pixels, 5)
    np.testing.assert_array_equal(fed, [[True] * 4 + [False]] * pixels)


def numbered(shape):
    """1, 2, 3, ... in the given shape: each drawn entry can be told apart."""
    return keras.ops.reshape(keras.ops.arange(1.0, np.prod(shape) + 1), shape)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("channels", [4, 5])
@pytest.mark.parametrize("outputs", [6, 7])
def test_each_drawn_entry_is_used_and_nothing_else(rows, columns, pixels, channels, outputs):
    mirrors = Mirrors(rows=rows, columns=columns, pixels=pixels)
    shape = (pixels * channels, outputs)
    drawn = set(np.ravel(numbered(mirrors.drawn(shape))))
    values = keras.ops.convert_to_numpy(mirrors.kernel(numbered, shape))
    assert values.shape == shape
    assert set(np.abs(values).ravel()) - {0.0} == drawn
    if columns:
        assert_mirrored(values)
    if rows:
        assert_paired(values, pixels)
    elif not columns:  # all that feeds on is a draw of its own
        used = values[values != 0]
        assert len(np.unique(np.abs(used))) == used.size
        fed = pixels * (channels - channels % 2) if pixels > 1 else channels
        assert np.count_nonzero(values.any(axis=1)) == fed
