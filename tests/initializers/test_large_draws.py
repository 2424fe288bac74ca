"""Where the two ways to draw an orthogonal matrix meet."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import Orthogonal


@pytest.mark.parametrize(
    ("shape", "factored"),
    [((256, 256), True), ((2**14, 4), True), ((2**14 + 1, 4), False), ((257, 256), False)],
    ids=str,
)
def test_up_to_65536_entries_a_draw_is_the_q_of_a_positive_r(shape, factored):
    """`Q'G` of the normal values G is a triangle then; products of reflections make none."""
    matrix = keras.ops.convert_to_numpy(Orthogonal(seed=3)(shape)).astype("float64")
    gaussian = keras.ops.convert_to_numpy(keras.random.normal(shape, seed=3)).astype("float64")
    triangle = matrix.T @ gaussian
    is_triangle = bool(np.abs(np.tril(triangle, -1)).max() < 1e-3)
    assert is_triangle is factored
    assert bool((np.diag(triangle) > 0).all()) or not factored
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(shape[1]), atol=1e-5)


@pytest.mark.parametrize("columns", [255, 256, 257, 513, 1025])
def test_any_number_of_blocks_is_orthogonal(columns):
    shape = (1030, columns)
    matrix = keras.ops.convert_to_numpy(Orthogonal(seed=3)(shape)).astype("float64")
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(columns), atol=2e-5)


def test_several_large_matrices_are_each_orthogonal_and_differ():
    stack = keras.ops.convert_to_numpy(Orthogonal(seed=3, batch_axes=[0])((2, 300, 290)))
    for matrix in stack.astype("float64"):
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(290), atol=2e-5)
    assert np.abs(stack[0] - stack[1]).max() > 0.05
