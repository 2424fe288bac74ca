"""The length map, its slopes and its fixed points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.theory import chi_par, chi_perp, fixed_points, gain, length_map, resolve

# chi_1 and the slope of the length map at unit length and the gain that keeps it.
AT_UNIT_LENGTH = [
    ("linear", {}, 1, 1),
    ("relu", {}, 1, 1),
    ("leaky_relu", {"negative_slope": 0.3}, 1, 1),
    ("tanh", {}, 1.177807, 0.46107),
    ("softsign", {}, 1.244010, 0.47671),
    ("erf", {}, 1.225700, 0.40857),
    ("sin", {}, 1.313035, 0.31304),
    ("hard_tanh", {}, 1.322892, 0.38513),
    ("elu", {}, 1.035905, 0.89097),
    ("selu", {}, 1.071575, 0.78265),
    ("gelu", {}, 1.072032, 1.14406),
    ("silu", {}, 1.066634, 1.17259),
    ("mish", {}, 1.059118, 1.07634),
    ("softplus", {}, 0.318459, 0.49205),
    ("sigmoid", {}, 0.152827, 0.10634),
]


@pytest.mark.parametrize(
    ("name", "parameters", "perp", "par"), AT_UNIT_LENGTH, ids=[row[0] for row in AT_UNIT_LENGTH]
)
def test_growth_factors_at_the_gain_are_the_published_ones(name, parameters, perp, par):
    activation = resolve(name, **parameters)
    scale = gain(activation)
    assert chi_perp(activation, scale) == pytest.approx(perp, abs=1e-6)
    assert chi_par(activation, scale) == pytest.approx(par, abs=1e-5)


@pytest.mark.parametrize("name", ["tanh", "gelu", "elu"])
@pytest.mark.parametrize("length", [0.05, 1.0, 9.0])
def test_the_slope_is_the_derivative_of_the_length_map(name, length):
    step = 1e-4 * length
    high = length_map(name, 1.3, 0.4, length=length + step)
    low = length_map(name, 1.3, 0.4, length=length - step)
    slope = (high - low) / (2 * step)
    assert chi_par(name, 1.3, length=length) == pytest.approx(slope, rel=1e-6)


@given(st.floats(1e-6, 1e6), st.floats(0.1, 10.0), st.floats(-1.0, 1.0))
def test_relu_is_homogeneous(length, factor, slope):
    leaky = resolve("leaky_relu", negative_slope=slope)
    once = length_map(leaky, 1.1, length=length)
    assert length_map(leaky, 1.1, length=factor * length) == pytest.approx(factor * once, rel=1e-9)


@given(st.floats(1e-4, 50.0), st.sampled_from(["tanh", "softsign", "erf", "sin", "hard_tanh"]))
def test_at_a_kept_length_the_gradient_of_an_odd_activation_grows(length, name):
    # Parseval: E f'^2 q >= E f^2 for odd f, with equality for a line.
    kept = length_map(name, 1.0, length=length) / length
    assert chi_perp(name, 1.0, length=length) / kept >= 1 - 1e-12


def test_softplus_slope_is_the_sigmoid():
    assert chi_perp("softplus", 1.0) == pytest.approx(length_map("sigmoid", 1.0), rel=1e-12)


def test_torchs_tanh_gain_has_its_fixed_point():
    (zero, point) = fixed_points("tanh", 5 / 3)
    assert (zero.length, zero.stable) == (0.0, False)
    assert point.length == pytest.approx(1.178480, abs=1e-6)
    assert point.chi_perp == pytest.approx(1.209831, abs=1e-6)
    assert point.stable


@pytest.mark.parametrize(
    ("name", "weight_std"), [("gelu", 1.547009), ("silu", 1.679532), ("mish", 1.463439)]
)
def test_the_unit_bias_edge_of_smooth_units_has_a_lower_stable_point(name, weight_std):
    points = fixed_points(name, weight_std, 0.2)
    assert [point.stable for point in points][:2] == [True, False]
    lower = {"gelu": 0.78, "silu": 0.82, "mish": 0.93}[name]
    assert points[0].chi_perp == pytest.approx(lower, abs=5e-3)
    assert points[1].chi_perp == pytest.approx(1, abs=1e-5)


def test_swish_with_the_copied_constants_has_no_fixed_point():
    assert fixed_points("silu", 1.718, 0.2) == ()


def test_relu_at_hes_scale_keeps_every_length():
    (point,) = fixed_points("relu", math.sqrt(2))
    assert (point.length, point.stable) == (1.0, True)


@given(st.floats(0.1, 1.3), st.floats(0.01, 2.0))
def test_a_contracting_relu_has_its_closed_form(weight_std, bias_std):
    (point,) = fixed_points("relu", weight_std, bias_std)
    assert point.length == pytest.approx(bias_std**2 / (1 - weight_std**2 / 2), rel=1e-9)
    assert point.stable


@pytest.mark.parametrize("length", [1e-6, 0.3, 1.0, 10.0, 1e6])  # on the search grid, and between
def test_a_line_has_its_closed_form(length):
    (point,) = fixed_points("linear", 0.5, math.sqrt(0.75 * length))
    assert point.length == pytest.approx(length, rel=1e-12)


@given(st.floats(0.2, 4.0), st.floats(0.0, 2.0), st.sampled_from(["tanh", "elu", "sigmoid"]))
def test_a_fixed_point_is_mapped_to_itself(weight_std, bias_std, name):
    for point in fixed_points(name, weight_std, bias_std):
        following = length_map(name, weight_std, bias_std, length=point.length)
        assert following == pytest.approx(point.length, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("length", [0.0, 1e-300, 1e-12])
def test_tiny_lengths_follow_the_slopes_at_zero(length):
    assert chi_perp("relu", 2.0, length=length) == pytest.approx(2.0, rel=1e-9)
    assert chi_par("tanh", 1.0, length=length) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (("tanh", -1.0), {}, "`weight_std` must be a finite number >= 0.*weight_std=-1.0"),
        (("tanh", 1.0, math.nan), {}, "`bias_std` must be a finite number"),
        (("tanh", "1"), {}, "`weight_std` must be a finite number.*weight_std='1'"),
        (("tanh", 10**400), {}, "`weight_std` must be a finite number"),
        (("tanh", 1.0), {"length": -2.0}, "`length` must be a finite number >= 0.*length=-2.0"),
    ],
)
def test_impossible_scales_are_refused(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        length_map(*arguments, **options)
