"""Special functions agree with scipy, which is only a test dependency."""

import numpy as np
import pytest
import scipy.special

from kerasinit.theory._special import digamma, erf, normal_cdf, sigmoid, softplus, trigamma

X = np.linspace(-30, 30, 601)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (erf, scipy.special.erf),
        (normal_cdf, scipy.special.ndtr),
        (sigmoid, scipy.special.expit),
        (softplus, lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    ],
    ids=["erf", "normal_cdf", "sigmoid", "softplus"],
)
def test_functions_of_a_real_number_are_exact(ours, theirs):
    np.testing.assert_allclose(ours(X), theirs(X), rtol=2e-13)


@pytest.mark.parametrize("x", [0.5, 1.0, 1.5, 7.25, 16.0, 500.0])
def test_polygamma_functions_are_exact(x):
    point = np.array([x])
    np.testing.assert_allclose(digamma(point), scipy.special.digamma(point), rtol=1e-13)
    np.testing.assert_allclose(trigamma(point), scipy.special.polygamma(1, point), rtol=1e-13)


def test_shapes_are_kept():
    assert erf(np.zeros((2, 3))).shape == (2, 3)
