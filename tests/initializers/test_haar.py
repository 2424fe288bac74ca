"""Random orthogonal matrices are orthogonal, and uniform over all of them."""

import keras
import numpy as np
import pytest
from scipy import stats

from kerasinit.initializers import Orthogonal

TOLERANCE = 1e-5  # of Q'Q - I in float32
FEW = 2**16  # entries up to which a draw is factored at once; larger ones are made of reflections


def compiled_by_backend(function, *, xla=False):
    """`function` compiled by TensorFlow or JAX; torch runs it as it is."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=xla)
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def stack_of(shape, *, seed, dtype="float32"):
    """Independent matrices of one draw, as `Orthogonal` fills experts with them."""
    batch_axes = list(range(len(shape) - 2))
    return Orthogonal(seed=seed, scaled=False, batch_axes=batch_axes)(shape, dtype=dtype)


def gaussian_of(shape, *, seed):
    """The normal values that a draw of `stack_of` is made from."""
    rows, columns = shape[-2:]
    stack = (*shape[:-2], 1, max(rows, columns), min(rows, columns))
    drawn = keras.random.normal(stack, seed=seed, dtype="float32")
    return numpy_of(drawn).astype("float64")[..., 0, :, :]


@pytest.fixture(params=["factored", "reflected"])
def draws(request):
    """Draws `(count, size, size)` matrices as small draws are made, or as large ones."""

    def draw(count, size):
        per_draw = FEW // size**2 if request.param == "factored" else count
        assert (per_draw * size**2 <= FEW) is (request.param == "factored")
        parts = [
            numpy_of(stack_of((per_draw, size, size), seed=seed))
            for seed in range(-(-count // per_draw))
        ]
        return np.concatenate(parts).astype("float64")[:count]

    return draw


def unsigned(count, size):
    """QR without the signs: orthogonal, but not uniform."""
    return np.linalg.qr(np.random.default_rng(0).normal(size=(count, size, size)))[0]


def reflected(gaussian):
    """The product of one reflection for each column, one after the other, with Haar's signs."""
    rows, columns = gaussian.shape
    product, signs = np.eye(rows), []
    for column in range(columns):
        x = np.zeros(rows)
        x[column:] = gaussian[column:, column] / np.linalg.norm(gaussian[column:, column])
        sign = np.sign(x[column])
        x[column] += sign
        signs.append(-sign)
        product -= np.outer(product @ x, 2 * x / (x @ x))
    return product[:, :columns] * signs


def assert_semi_orthogonal(matrices, atol=TOLERANCE / 5):
    matrices = np.asarray(matrices, "float64")
    if matrices.shape[-2] < matrices.shape[-1]:
        matrices = np.swapaxes(matrices, -1, -2)
    gram = np.swapaxes(matrices, -1, -2) @ matrices
    eye = np.broadcast_to(np.eye(matrices.shape[-1]), gram.shape)
    np.testing.assert_allclose(gram, eye, rtol=0, atol=atol)


def assert_trace_moments(matrices):
    """E tr = 0, E tr^2 = 1, E tr^4 = 3 for Haar matrices of size >= 4 (Diaconis and Shahshahani).

    Standard errors with 20,000 draws: 0.007, 0.010, 0.07; the bounds are five of them.
    """
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    np.testing.assert_allclose(trace.mean(), 0, atol=0.035, err_msg="mean of the trace")
    np.testing.assert_allclose((trace**2).mean(), 1, atol=0.05, err_msg="square of the trace")
    np.testing.assert_allclose((trace**4).mean(), 3, atol=0.35, err_msg="fourth power")


def assert_entries_are_uniform(matrices):
    """Each entry of a 3 x 3 Haar matrix is uniform on [-1, 1] (Archimedes)."""
    for row in range(3):
        for column in range(3):
            result = stats.kstest(matrices[:, row, column], stats.uniform(-1, 2).cdf)
            assert result.pvalue > 1e-4, f"entry {row, column}: p = {result.pvalue:.1e}"


def assert_balanced_determinants(matrices):
    share = (np.linalg.det(matrices) > 0).mean()
    np.testing.assert_allclose(share, 0.5, atol=0.02, err_msg="share of rotations")


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1), (1, 3), (7, 7), (3, 9, 4), (2, 2, 4, 9), (600, 520), (520, 600),
        (70_000, 1, 1), (30_000, 1, 3), (1500, 7, 7), (2000, 9, 4), (1000, 2, 4, 9),
    ],
    ids=str,
)  # fmt: skip
def test_matrices_are_semi_orthogonal(shape):
    matrices = stack_of(shape, seed=3)
    assert tuple(matrices.shape) == shape
    assert_semi_orthogonal(numpy_of(matrices))


def test_the_orthogonality_check_notices_a_small_error():
    matrix = numpy_of(stack_of((16, 16), seed=3)).copy()
    matrix[0, 0] += 1e-4
    with pytest.raises(AssertionError, match="Not equal"):
        assert_semi_orthogonal(matrix)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
@pytest.mark.parametrize("shape", [(40, 30), (300, 260)], ids=["small", "large"])
def test_float64_is_orthogonal_to_double_precision(shape):
    matrix = stack_of(shape, seed=1, dtype="float64")
    assert_semi_orthogonal(numpy_of(matrix), atol=1e-13)


def test_traces_have_the_moments_of_haar(draws):
    assert_trace_moments(draws(20_000, 5))


def test_entries_are_uniform_in_three_dimensions(draws):
    assert_entries_are_uniform(draws(10_000, 3))


def test_half_of_the_matrices_are_rotations(draws):
    assert_balanced_determinants(draws(20_000, 4))


@pytest.mark.parametrize(
    ("check", "size", "message"),
    [
        (assert_trace_moments, 5, "mean of the trace"),
        (assert_entries_are_uniform, 3, "entry"),
        (assert_balanced_determinants, 3, "share of rotations"),
    ],
    ids=["trace", "entries", "determinant"],
)
def test_the_check_notices_a_qr_without_signs(check, size, message):
    with pytest.raises(AssertionError, match=message):
        check(unsigned(20_000, size))


@pytest.mark.parametrize(
    "shape",
    [(3000, 6, 4), (300, 260), (600, 520)],
    ids=["many small", "one block", "several blocks"],
)
def test_a_product_of_single_reflections_gives_the_same_matrix(shape):
    drawn, gaussian = numpy_of(stack_of(shape, seed=5)), gaussian_of(shape, seed=5)
    if len(shape) == 3:
        drawn, gaussian = drawn[-1], gaussian[-1]
    np.testing.assert_allclose(drawn, reflected(gaussian), atol=1e-5)


def test_a_small_draw_is_the_q_of_a_positive_r():
    matrix, gaussian = numpy_of(stack_of((6, 4), seed=5)), gaussian_of((6, 4), seed=5)
    triangle = matrix.T @ gaussian
    np.testing.assert_allclose(np.tril(triangle, -1), 0, atol=1e-5)
    assert (np.diag(triangle) > 0).all()


@pytest.mark.parametrize("shape", [(12, 7), (7, 12), (280, 250)], ids=str)
def test_a_traced_draw_equals_an_eager_one(shape):
    traced = compiled_by_backend(lambda _: stack_of(shape, seed=4))(keras.ops.zeros(()))
    eager = stack_of(shape, seed=4)
    np.testing.assert_allclose(numpy_of(traced), numpy_of(eager), rtol=0, atol=1e-5)


# Values that stand in for the normal ones of a draw. A compiled draw is kept by its shape, so no
# other test may use these shapes.
@pytest.mark.parametrize("shape", [(2, 13, 8), (700, 13, 8)], ids=["factored", "reflected"])
def test_xla_makes_the_same_matrix(shape, monkeypatch):  # its own normal values differ
    given = keras.ops.convert_to_tensor(gaussian_of(shape, seed=4)[:, None].astype("float32"))
    monkeypatch.setattr(keras.random, "normal", lambda *_, **__: given)
    compiled = compiled_by_backend(lambda _: stack_of(shape, seed=4), xla=True)
    traced = numpy_of(compiled(keras.ops.zeros(())))
    np.testing.assert_allclose(traced, numpy_of(stack_of(shape, seed=4)), rtol=0, atol=1e-5)
    assert_semi_orthogonal(traced)


@pytest.mark.parametrize("shape", [(1, 11, 11), (600, 11, 11)], ids=["factored", "reflected"])
def test_a_draw_of_exact_zeros_is_still_orthogonal(shape, monkeypatch):
    zeros = keras.ops.zeros((shape[0], 1, 11, 11))
    monkeypatch.setattr(keras.random, "normal", lambda *_, **__: zeros)
    assert_semi_orthogonal(numpy_of(stack_of(shape, seed=1)))


def test_an_int_seed_repeats_its_matrix():
    first, second = (numpy_of(stack_of((5, 3), seed=9)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_matrices_of_a_batch_differ():
    first, second = numpy_of(stack_of((2, 4, 4), seed=9))
    assert np.abs(first - second).max() > 0.1
