"""Kernels whose halves are the negatives of each other."""

import numpy as np


def assert_mirrored(values):
    """Raises unless the second half of the outputs is the negative of the first."""
    half, odd = divmod(values.shape[1], 2)
    np.testing.assert_array_equal(values[:, half : 2 * half], -values[:, :half])
    if odd:
        np.testing.assert_array_equal(values[:, -1], values[:, 0])


def assert_paired(values, pixels=1):
    """Raises unless the second half of the inputs of each pixel is the negative of the first."""
    values = values.reshape(pixels, -1, values.shape[1])
    half = values.shape[1] // 2
    np.testing.assert_array_equal(values[:, half : 2 * half], -values[:, :half])
    assert not values[:, 2 * half :].any()
    assert values[:, : 2 * half].any(axis=2).all()
