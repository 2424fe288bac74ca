"""Critical points are those of exact integrals, and are denied where there is none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.theory import (
    chi_par,
    chi_perp,
    critical,
    length_map,
    resolve,
)


@pytest.mark.parametrize(
    ("name", "bias_std", "weight_std", "length", "stable"),
    [
        ("tanh", 0.2, 1.304146, 0.512079, True),
        ("tanh", math.sqrt(2e-5), math.sqrt(1.049912), 0.025874, True),
        ("erf", 0.2, 1.152795, None, True),
        ("silu", 0.2, 1.67953, 0.68945, False),
        ("gelu", 0.2, 1.547, None, False),
        ("mish", 0.2, None, None, False),
        ("selu", 0.1, 0.872, None, True),
        ("sigmoid", 0.0, 10.149, 45.62, True),
        ("relu", 0.0, math.sqrt(2), 1.0, True),
        ("linear", 0.0, 1.0, 1.0, True),
        ("tanh", 0.0, 1.0, 0.0, True),
        ("sin", 0.0, 1.0, 0.0, True),
        ("softsign", 0.0, 1.0, 0.0, True),
        ("erf", 0.0, math.sqrt(math.pi) / 2, 0.0, True),
        ("gelu", 0.0, 2.0, 0.0, False),
        ("silu", 0.0, 2.0, 0.0, False),
    ],
)
def test_anchors_are_met(name, bias_std, weight_std, length, stable):
    point = critical(name, bias_std)
    if weight_std is not None:
        digits = 1e-3 if f"{weight_std}".endswith(("149", "547", "872")) else 5e-6
        assert point.weight_std == pytest.approx(weight_std, abs=digits)
    if length is not None:
        assert point.length == pytest.approx(length, abs=5e-6 if length < 10 else 5e-3)
    assert point.stable is stable
    assert point.bias_std == bias_std


@pytest.mark.parametrize(("name", "slope"), [("silu", 1.099), ("gelu", 1.095), ("mish", 1.025)])
def test_unstable_points_have_the_published_slope(name, slope):
    point = critical(name, 0.2)
    assert chi_par(name, point.weight_std, length=point.length) == pytest.approx(slope, abs=1e-3)


@given(st.floats(-0.9, 0.9))
def test_leaky_relu_is_critical_at_hes_scale(negative_slope):
    point = critical(resolve("leaky_relu", negative_slope=negative_slope))
    assert point.weight_std**2 == pytest.approx(2 / (1 + negative_slope**2), rel=1e-12)


@given(
    st.floats(0.01, 2.0),
    st.sampled_from(["tanh", "softsign", "erf", "sin", "hard_tanh", "elu", "selu", "sigmoid"]),
)
def test_a_critical_point_keeps_length_and_gradient(bias_std, name):
    point = critical(name, bias_std)
    assert chi_perp(name, point.weight_std, length=point.length) == pytest.approx(1, abs=1e-12)
    following = length_map(name, point.weight_std, bias_std, length=point.length)
    assert following == pytest.approx(point.length, rel=1e-9)


@pytest.mark.parametrize("length", [1e-6, 1e-5, 1e-4, 1e-3])
def test_short_critical_tanh_nets_lose_no_digits(length):
    # sigma_w^2 = 1 + 2q + O(q^2) and sigma_b^2 = (4/3) q^3 (1 + O(q)): the direct
    # difference of the two sides has lost ten digits at q = 1e-3.
    point = critical("tanh", math.sqrt(4 / 3 * length**3))
    assert point.length == pytest.approx(length, rel=7 / 3 * length)
    assert point.weight_std**2 - 1 == pytest.approx(2 * length, rel=10 * length)


@pytest.mark.parametrize("name", ["softplus", "log_sigmoid", "squareplus", "threshold"])
@pytest.mark.parametrize("bias_std", [0.0, 0.2])
def test_what_has_no_critical_point_says_so(name, bias_std):
    parameters = {"threshold": 0.3, "default_value": 0.1} if name == "threshold" else {}
    with pytest.raises(ValueError, match=f"No critical point exists for '{name}'.*odd_part"):
        critical(resolve(name, **parameters), bias_std)


def test_relu_with_biases_has_no_critical_point():
    with pytest.raises(ValueError, match=r"No critical point exists for 'relu'.*use bias_std=0"):
        critical("relu", 0.2)


def test_a_negative_bias_scale_is_refused():
    with pytest.raises(ValueError, match=r"`bias_std` must be a finite number >= 0"):
        critical("tanh", -0.1)
