"""Expectations over correlated pairs reach their closed forms."""

import math

import pytest

from kerasinit.theory import expectation, pair_expectation, resolve

CORRELATIONS = [-1.0, -0.9, -0.3, 0.0, 0.5, 0.99, 0.999999, 1.0]


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize(("q", "r"), [(1.0, 1.0), (0.1, 0.1), (2.0, 0.5)])
def test_erf_pairs_have_their_closed_form(q, r, c):
    value = pair_expectation(resolve("erf").function, length=q, other_length=r, correlation=c)
    angle = 2 * math.sqrt(q * r) * c / math.sqrt((1 + 2 * q) * (1 + 2 * r))
    assert value == pytest.approx(2 / math.pi * math.asin(angle), abs=1e-13)


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize("q", [0.3, 1.0, 7.0])
def test_relu_pairs_have_their_closed_forms(q, c):
    # Cho and Saul, 2009, the arc-cosine kernels of order 1 and 0.
    relu = resolve("relu")
    kernel = q / (2 * math.pi) * (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c)))
    outputs = pair_expectation(relu.function, length=q, correlation=c, kinks=relu.kinks)
    slopes = pair_expectation(relu.derivative, length=q, correlation=c, kinks=relu.kinks)
    assert outputs == pytest.approx(kernel, abs=1e-11)
    assert slopes == pytest.approx(0.5 - math.acos(c) / (2 * math.pi), abs=1e-11)


@pytest.mark.parametrize("name", ["tanh", "elu", "hard_tanh", "gelu"])
def test_independent_inputs_multiply(name):
    activation = resolve(name)
    mean = expectation(activation.function, kinks=activation.kinks)
    product = pair_expectation(
        activation.function, length=1.0, correlation=0.0, kinks=activation.kinks
    )
    assert product == pytest.approx(mean**2, abs=1e-12)


@pytest.mark.parametrize("name", ["tanh", "elu", "hard_tanh", "gelu"])
def test_equal_inputs_give_the_second_moment(name):
    activation = resolve(name)
    square = expectation(lambda u: activation.function(u) ** 2, kinks=activation.kinks)
    for correlation in (1.0, 1 - 1e-12):
        product = pair_expectation(
            activation.function, length=1.0, correlation=correlation, kinks=activation.kinks
        )
        assert product == pytest.approx(square, rel=1e-10)


def test_a_correlation_beyond_one_is_refused():
    with pytest.raises(ValueError, match=r"`correlation` must lie in \[-1, 1\]"):
        pair_expectation(lambda u: u, length=1.0, correlation=1.1)
