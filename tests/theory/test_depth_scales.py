"""Correlations and depth scales agree with closed forms and with iterated maps."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasinit.theory import (
    chi_perp,
    correlation_map,
    critical,
    depth_scales,
    expectation,
    length_map,
    propagate,
    resolve,
)


@pytest.mark.parametrize("c", [-0.7, 0.0, 0.4, 0.95])
def test_erf_correlations_have_their_closed_form(c):
    weight, bias, q = 1.3, 0.3, 0.8
    following = weight**2 * 2 / math.pi * math.asin(2 * q / (1 + 2 * q)) + bias**2
    product = weight**2 * 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)) + bias**2
    value = correlation_map("erf", weight, bias, correlation=c, length=q)
    assert value == pytest.approx(product / following, abs=1e-12)


def test_unequal_lengths_are_normalised_apart():
    assert correlation_map(
        "linear", 2.0, correlation=0.3, length=4.0, other_length=0.25
    ) == pytest.approx(0.3, abs=1e-12)


@settings(max_examples=20)
@given(st.floats(-1, 1), st.sampled_from(["tanh", "relu", "gelu", "sigmoid"]))
def test_correlations_stay_correlations(c, name):
    value = correlation_map(name, 1.2, 0.1, correlation=c)
    assert -1 <= value <= 1
    assert correlation_map(name, 1.2, 0.1, correlation=1.0) == pytest.approx(1, abs=1e-12)


@pytest.fixture(scope="module")
def relu_course():
    return propagate("relu", math.sqrt(2), depth=100, correlation=0.0).correlations


def test_relu_nets_forget_angles_as_nine_pi_squared_over_two_depth_squared(relu_course):
    # 1 / sqrt(1 - c) gains sqrt(2) / (3 pi) per layer.
    gained = (1 - relu_course[100]) ** -0.5 - (1 - relu_course[60]) ** -0.5
    assert gained / 40 == pytest.approx(math.sqrt(2) / (3 * math.pi), rel=0.03)


@pytest.mark.parametrize("layer", [1, 5, 10, 20, 50, 100])
def test_two_inputs_leave_the_published_share_of_relu_units_silent(layer, relu_course):
    published = {1: 0.3016, 5: 0.3816, 10: 0.4184, 20: 0.4487, 50: 0.4752, 100: 0.4865}
    silent = 0.5 - math.acos(relu_course[layer]) / (2 * math.pi)
    assert silent == pytest.approx(published[layer], abs=1.5e-4)


@pytest.mark.parametrize(("weight", "bias"), [(1.0, 0.2), (1.2, 0.3), (2.0, 0.3), (3.0, 0.1)])
def test_scales_are_the_rates_of_the_iterated_maps(weight, bias):
    scales = depth_scales("tanh", weight, bias)
    start = scales.fixed_length
    # Length: iterate from 1 % off and read the decay of the deviation.
    one = length_map("tanh", weight, bias, length=1.0001 * start) - start
    assert -1 / math.log(one / (0.0001 * start)) == pytest.approx(scales.length, rel=1e-3)
    fixed = scales.fixed_correlation
    near = fixed - 1e-5
    following = correlation_map("tanh", weight, bias, correlation=near, length=start)
    rate = (fixed - following) / 1e-5
    assert -1 / math.log(rate) == pytest.approx(scales.correlation, rel=1e-3)
    assert correlation_map("tanh", weight, bias, correlation=fixed, length=start) == pytest.approx(
        fixed, abs=1e-9
    )


@pytest.mark.parametrize("bias", [0.0, 0.2])
def test_a_signal_of_length_zero_goes_on_as_what_the_activation_gives_for_zero(bias):
    found = correlation_map("sigmoid", 1.0, bias, correlation=0.3, length=0.0, other_length=1.0)
    mean, square = 0.5, expectation(lambda u: resolve("sigmoid").function(u) ** 2)
    first, second = 0.5**2 + bias**2, square + bias**2  # E sigmoid = 1/2, as sigmoid - 1/2 is odd
    assert found == pytest.approx((0.5 * mean + bias**2) / math.sqrt(first * second), rel=1e-9)


def test_the_ordered_phase_ends_at_correlation_one():
    scales = depth_scales("tanh", 1.0, 0.2)
    assert scales.fixed_correlation == 1.0
    chi = chi_perp("tanh", 1.0, length=scales.fixed_length)
    assert scales.correlation == pytest.approx(-1 / math.log(chi), rel=1e-12)


def test_the_chaotic_phase_without_bias_ends_at_correlation_zero():
    assert depth_scales("tanh", 2.0).fixed_correlation == 0.0


@pytest.mark.parametrize("name", ["tanh", "erf", "elu"])
def test_a_critical_point_has_an_infinite_correlation_scale(name):
    point = critical(name, 0.2)
    assert depth_scales(name, point.weight_std, 0.2).correlation > 1e8


def test_relu_at_hes_scale_has_no_finite_scale():
    scales = depth_scales("relu", math.sqrt(2))
    assert (scales.length, scales.correlation) == (math.inf, math.inf)


def test_a_shrinking_relu_has_the_rate_of_its_weights():
    assert depth_scales("relu", 1.0).length == pytest.approx(1 / math.log(2), rel=1e-9)


def test_growing_lengths_have_no_depth_scale():
    with pytest.raises(ValueError, match=r"Lengths grow without bound.*smaller `weight_std`"):
        depth_scales("relu", 1.5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"correlation": 1.5}, r"`correlation` must lie in \[-1, 1\]"),
        ({"correlation": 0.5, "length": 0.0}, "two signals of positive length"),
        ({"correlation": 0.5, "other_length": -1.0}, "`length` must be a finite number"),
    ],
)
def test_impossible_signals_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        correlation_map("tanh", 1.0, **options)
