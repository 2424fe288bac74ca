"""Dead, saturated and duplicate units, from arrays."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasinit.signals import ActivationShape, duplicate_share, measure, unit_shares

RELU = ActivationShape(has_off_state=True, bounded=False)
TANH = ActivationShape(has_off_state=False, bounded=True)
RELU6 = ActivationShape(has_off_state=True, bounded=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -80, 80)))


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda z: np.maximum(z, 0), RELU),
        (lambda z: z * sigmoid(z), RELU),
        (lambda z: np.clip(z, 0, 6), RELU6),
        (np.tanh, TANH),
        (sigmoid, TANH),
        (lambda z: np.where(z > 0, z, 0.2 * z), ActivationShape(False, False)),
        (lambda z: z, ActivationShape(False, False)),
    ],
    ids=["relu", "silu", "relu6", "tanh", "sigmoid", "leaky_relu", "linear"],
)
def test_the_shape_of_an_activation_is_read_from_three_values(function, shape):
    assert ActivationShape.of(function) == shape


@pytest.fixture(params=["array", "tensor"])
def shares_of(request):
    """The shares of one replica, given as arrays or as tensors."""

    def shares(z, derivative, shape):
        pair = (np.asarray(values, "float32")[None] for values in (z, derivative))
        if request.param == "tensor":
            pair = map(ops.convert_to_tensor, pair)
        return tuple(float(share[0]) for share in unit_shares(*pair, shape))

    return shares


def copies_of(kernel, gradient, **options):
    return duplicate_share(kernel[None], gradient[None], **options)[0]


def test_a_unit_is_dead_when_it_is_off_for_every_sample(shares_of):
    z = np.array([[-1.0, -1.0, 1.0], [-2.0, 1.0, 1.0]])
    assert shares_of(z, 1.0 * (z > 0), RELU) == (pytest.approx(1 / 3), 0.0)


def test_a_unit_that_is_on_for_one_sample_in_a_hundred_is_neither_dead_nor_saturated(shares_of):
    z = -np.ones((100, 1))
    z[7] = 1.0
    assert shares_of(z, 1.0 * (z > 0), RELU) == (0.0, 0.0)


@pytest.mark.parametrize(("flat", "expected"), [(94, 0.0), (96, 1.0)])
def test_a_unit_is_saturated_above_95_percent_of_the_samples(shares_of, flat, expected):
    z = np.where(np.arange(100) < flat, 5.0, 0.0)[:, None]
    assert shares_of(z, 1 - np.tanh(z) ** 2, TANH) == (0.0, expected)


def test_relu6_above_six_is_saturated_and_not_dead(shares_of):
    z = np.full((10, 1), 7.0)
    assert shares_of(z, 0 * z, RELU6) == (0.0, 1.0)


def test_relu6_below_zero_is_dead_and_not_saturated(shares_of):
    z = np.full((10, 1), -7.0)
    assert shares_of(z, 0 * z, RELU6) == (1.0, 0.0)


def test_positions_of_an_image_count_as_samples(shares_of):
    z = -np.ones((2, 3, 3, 1))
    z[0, 0, 0, 0] = 1.0
    assert shares_of(z, 1.0 * (z > 0), RELU)[0] == 0.0


def test_random_columns_are_no_duplicates():
    rng = np.random.default_rng(0)
    assert copies_of(rng.standard_normal((20, 50)), rng.standard_normal((20, 50))) == 0.0


@pytest.mark.parametrize("copies", [2, 30, 50])
def test_copies_are_found_wherever_they_lie(copies):
    rng = np.random.default_rng(0)
    kernel, gradient = rng.standard_normal((2, 20, 50))
    order = rng.permutation(50)[:copies]
    kernel[:, order], gradient[:, order] = kernel[:, order[:1]], gradient[:, order[:1]]
    assert copies_of(kernel, gradient) == pytest.approx(copies / 50)


def test_two_pairs_of_copies_are_four_units():
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((5, 6))[:, [0, 1, 2, 3, 0, 1]]
    assert copies_of(columns, columns) == pytest.approx(4 / 6)


def test_equal_weights_with_different_gradients_are_no_duplicates():
    rng = np.random.default_rng(0)
    assert copies_of(np.zeros((20, 10)), rng.standard_normal((20, 10))) == 0.0


def test_dead_units_share_a_zero_gradient_and_are_no_duplicates():
    kernel = np.random.default_rng(0).standard_normal((20, 10))
    assert copies_of(kernel, np.zeros((20, 10))) == 0.0


def test_rounding_in_the_gradient_does_not_hide_copies():
    rng = np.random.default_rng(0)
    gradient = np.ones((20, 10)) * (1 + 1e-7 * rng.standard_normal((20, 10)))
    assert copies_of(np.ones((20, 10)), gradient) == 1.0


def test_gradients_that_are_nothing_but_rounding_do_not_hide_copies():
    noise = 1e-8 * np.random.default_rng(0).standard_normal((20, 10))
    assert copies_of(np.ones((20, 10)), noise, largest_gradient=1.0) == 1.0
    assert copies_of(np.ones((20, 10)), noise, largest_gradient=1e-8) == 0.0
    assert copies_of(np.ones((20, 10)), noise, largest_gradient=float("inf")) == 0.0


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_neither_copies_nor_their_absence_depend_on_the_scale(scale):
    kernel = np.random.default_rng(0).normal(size=(1, 20, 8))
    kernel[..., 3] = kernel[..., 6]
    gradient = np.random.default_rng(1).normal(size=(1, 20, 8))
    gradient[..., 3] = gradient[..., 6]
    assert duplicate_share(scale * kernel, gradient) == 2 / 8
    assert duplicate_share(kernel, scale * gradient) == 2 / 8
    assert duplicate_share(scale * kernel[..., :5], scale * gradient[..., :5]) == 0


@pytest.mark.parametrize(("bias", "copies"), [("zeros", 1.0), ("random_normal", 0.0)])
def test_units_of_equal_kernels_are_copies_unless_their_biases_differ(bias, copies):
    hidden = keras.layers.Dense(8, "tanh", kernel_initializer="ones", bias_initializer=bias)
    model = keras.Sequential(
        [keras.Input((4,)), hidden, keras.layers.Dense(2, kernel_initializer="ones")]
    )
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    assert measure(model, x).layers[0].duplicate_share == copies


def test_small_gradients_that_differ_are_no_copies():
    gradient = 1e-5 * np.random.default_rng(0).standard_normal((20, 10))
    assert copies_of(np.ones((20, 10)), gradient, largest_gradient=1.0) == 0.0


def test_every_replica_has_its_own_shares():
    z = np.array([[[-1.0, 1.0]], [[-1.0, -1.0]], [[1.0, 1.0]]], "float32")
    dead, saturated = unit_shares(z, 1.0 * (z > 0), RELU)
    assert dead.tolist() == [0.5, 1.0, 0.0]
    assert saturated.tolist() == [0.0, 0.0, 0.0]


def test_every_replica_has_its_own_copies_whatever_the_others_hold():
    rng = np.random.default_rng(0)
    kernel, gradient = rng.standard_normal((2, 4, 20, 6))
    kernel[1] = gradient[1] = 1.0
    kernel[2, 3, 3] = np.nan
    kernel[3, :, 1], gradient[3, :, 1] = kernel[3, :, 5], gradient[3, :, 5]
    assert duplicate_share(kernel, gradient).round(3).tolist() == [0.0, 1.0, 0.0, 0.333]
