"""Gaussian expectations reach the closed forms that the literature gives."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from kerasinit.theory import expectation, resolve

LENGTHS = [1e-6, 0.01, 0.5, 1.0, 3.0, 20.0, 100.0]


def second_moment(name, length=1.0, **parameters):
    activation = resolve(name, **parameters)
    return expectation(lambda u: activation.function(u) ** 2, length=length, kinks=activation.kinks)


def slope_square(name, length=1.0):
    activation = resolve(name)
    return expectation(
        lambda u: activation.derivative(u) ** 2, length=length, kinks=activation.kinks
    )


@pytest.mark.parametrize("q", LENGTHS)
def test_erf_has_its_closed_forms(q):
    expected = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    assert second_moment("erf", q) == pytest.approx(expected, rel=1e-12)
    assert slope_square("erf", q) == pytest.approx(4 / math.pi / math.sqrt(1 + 4 * q), rel=1e-12)


@pytest.mark.parametrize("q", LENGTHS)
def test_sin_has_its_closed_form(q):
    assert second_moment("sin", q) == pytest.approx(-math.expm1(-2 * q) / 2, rel=1e-9)


@pytest.mark.parametrize("q", LENGTHS)
def test_relu_has_its_closed_forms(q):
    relu = resolve("relu")
    mean = expectation(relu.function, length=q, kinks=relu.kinks)
    assert mean == pytest.approx(math.sqrt(q / (2 * math.pi)), rel=1e-12)
    assert second_moment("relu", q) == pytest.approx(q / 2, rel=1e-12)
    assert slope_square("relu", q) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("q", LENGTHS)
def test_hard_tanh_has_its_closed_form(q):
    # E min(u^2, 1) = q (P(|z|<k) - 2 k pdf(k)) + P(|z|>k), k = 1 / sqrt(q)
    k = 1 / math.sqrt(q)
    inside = norm.cdf(k) - norm.cdf(-k)
    expected = q * (inside - 2 * k * norm.pdf(k)) + 2 * norm.sf(k)
    assert second_moment("hard_tanh", q) == pytest.approx(expected, rel=1e-12)
    assert slope_square("hard_tanh", q) == pytest.approx(inside, rel=1e-12)


def test_elu_has_its_closed_form():
    expected = 1 + math.e**2 * norm.cdf(-2) - 2 * math.sqrt(math.e) * norm.cdf(-1)
    assert second_moment("elu") == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(0.64494541749, abs=1e-11)


def test_gelu_has_its_closed_forms():
    gelu = resolve("gelu")
    assert expectation(gelu.function) == pytest.approx(1 / (2 * math.sqrt(math.pi)), rel=1e-12)
    assert second_moment("gelu") == pytest.approx(1 / 3 + 1 / (2 * math.pi * 3**0.5), rel=1e-12)


def test_selu_keeps_mean_zero_and_variance_one():
    selu = resolve("selu")
    assert expectation(selu.function, kinks=selu.kinks) == pytest.approx(0, abs=1e-14)
    assert second_moment("selu") == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("q", [0.25, 1.0, 4.0, 100.0])
def test_a_growing_function_is_followed_into_its_tail(q):
    assert expectation(np.exp, length=q) == pytest.approx(math.exp(q / 2), rel=1e-10)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_even_moments_are_exact(order):
    expected = math.prod(range(1, order, 2))
    assert expectation(lambda u: u**order) == pytest.approx(expected, rel=1e-12)


def test_gauss_hermite_would_fail_where_kinks_are_split():
    # The twin: the textbook rule misses E relu by a percent.
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    rough = float(np.dot(weights, np.maximum(nodes, 0)) / math.sqrt(2 * math.pi))
    with pytest.raises(AssertionError, match=r"0\.39894"):
        assert rough == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-8)


@given(st.floats(1e-8, 50.0), st.floats(-5.0, 5.0))
def test_mean_and_variance_of_the_input_are_kept(length, mean):
    assert expectation(lambda u: u, length=length, mean=mean) == pytest.approx(mean, abs=1e-11)
    spread = expectation(lambda u: (u - mean) ** 2, length=length, mean=mean)
    assert spread == pytest.approx(length, rel=1e-10)


def test_length_zero_gives_the_value_at_the_mean():
    assert expectation(np.cos, length=0.0, mean=0.5) == math.cos(0.5)


@pytest.mark.parametrize("length", [-1.0, math.nan, math.inf])
def test_a_length_that_is_no_variance_is_refused(length):
    with pytest.raises(ValueError, match=r"`length` is a variance.*Received"):
        expectation(np.cos, length=length)
