"""Critical kernels and biases have the scales of the edge of chaos."""

import keras
import numpy as np
import pytest
from scipy import stats

from kerasinit import theory
from kerasinit.initializers import Critical, CriticalBias


def numpy_of(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


@pytest.mark.parametrize("distribution", ["orthogonal", "normal"])
@pytest.mark.parametrize("shape", [(64, 128), (3, 3, 16, 64)], ids=str)
def test_a_unit_has_the_critical_variance(distribution, shape):
    kernel = numpy_of(
        Critical(activation="tanh", bias_std=0.2, distribution=distribution, seed=1)(shape)
    )
    square_norms = np.sum(kernel**2, axis=tuple(range(len(shape) - 1)))
    # tanh at bias 0.2: weight_std 1.304146 (Schoenholz et al. and the project's quadrature).
    np.testing.assert_allclose(np.mean(square_norms), 1.304146**2, rtol=0.05)


def test_orthogonal_kernels_have_equal_singular_values():
    kernel = numpy_of(Critical(activation="relu", seed=1)((32, 32)))
    np.testing.assert_allclose(kernel.T @ kernel, 2 * np.eye(32), atol=1e-4)


def test_normal_kernels_are_normal():
    kernel = numpy_of(Critical(activation="relu", distribution="normal", seed=1)((100, 400)))
    assert stats.kstest(kernel.ravel() / np.sqrt(2 / 100), "norm").pvalue > 1e-3


def test_the_normality_check_notices_five_percent():
    kernel = 1.05 * numpy_of(Critical(activation="relu", distribution="normal", seed=1)((100, 400)))
    assert stats.kstest(kernel.ravel() / np.sqrt(2 / 100), "norm").pvalue < 1e-3


def test_delta_orthogonal_kernels_are_zero_but_for_the_centre():
    kernel = numpy_of(
        Critical(activation="relu", distribution="delta_orthogonal", seed=1)((3, 3, 8, 8))
    )
    np.testing.assert_allclose(kernel[1, 1].T @ kernel[1, 1], 2 * np.eye(8), atol=1e-4)
    kernel[1, 1] = 0
    np.testing.assert_array_equal(kernel, 0)


def test_biases_are_normal_with_their_standard_deviation():
    bias = numpy_of(CriticalBias(activation="tanh", bias_std=0.2, seed=1)((20_000,)))
    assert stats.kstest(bias / 0.2, "norm").pvalue > 1e-3


def test_no_bias_is_zero():
    np.testing.assert_array_equal(numpy_of(CriticalBias(activation="relu")((5,))), 0)


def test_a_wide_net_keeps_its_fixed_length_and_its_gradient():
    width, depth = 128, 20
    point = theory.critical("tanh", 0.2)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(32, width)) * np.sqrt(point.length)
    gradient, slopes, kernels = rng.normal(size=(32, width)), [], []
    for index in range(depth):
        kernels.append(
            numpy_of(Critical(activation="tanh", bias_std=0.2, seed=index)((width, width)))
        )
        slopes.append(1 - np.tanh(values) ** 2)
        values = np.tanh(values) @ kernels[-1]
        values = values + numpy_of(
            CriticalBias(activation="tanh", bias_std=0.2, seed=100 + index)((width,))
        )
    np.testing.assert_allclose(np.mean(values**2), point.length, rtol=0.15)
    for kernel, slope in zip(kernels[::-1], slopes[::-1], strict=True):
        gradient = gradient @ kernel.T * slope
    np.testing.assert_allclose(np.log(np.mean(gradient**2)), 0, atol=0.5)


@pytest.mark.parametrize("cls", [Critical, CriticalBias])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "softplus"}, "No critical point exists for 'softplus'"),
        ({"activation": "relu", "bias_std": 0.1}, "No critical point exists for 'relu'"),
        ({"activation": "tanhh"}, "tanh"),
        ({"activation": "tanh", "bias_std": -0.1}, "bias_std"),
    ],
    ids=["softplus", "relu with bias", "typo", "negative"],
)
def test_what_has_no_critical_point_is_refused_at_construction(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(**arguments)


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ValueError, match=r"`distribution` must be one of .*'normal'"):
        Critical(activation="tanh", distribution="uniform")
