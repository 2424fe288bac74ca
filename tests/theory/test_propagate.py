"""The predicted course of a deep net is the course of random nets."""

import math

import numpy as np
import pytest

from kerasinit.theory import chi_perp, gain, log_length, propagate, resolve


@pytest.mark.parametrize(("name", "last"), [("gelu", 3e-14), ("silu", 3e-15)])
def test_hes_scale_kills_smooth_units(name, last):
    assert propagate(name, math.sqrt(2), depth=50).lengths[-1] == pytest.approx(last, rel=0.1)


def test_the_copied_swish_constants_explode():
    assert propagate("silu", 1.718, 0.2, depth=80).lengths[-1] > 1e9


@pytest.mark.parametrize(
    ("name", "growth"), [("tanh", 3.58e3), ("erf", 2.63e4), ("elu", 5.83), ("selu", 31.7)]
)
def test_unit_variance_gains_grow_the_gradient_as_published(name, growth):
    result = propagate(name, gain(name), depth=50)
    assert result.lengths == pytest.approx([1.0] * 51, abs=1e-9)
    assert result.gradients[0] == pytest.approx(growth, rel=2e-3)


def test_entries_belong_to_their_layers():
    result = propagate("tanh", 1.2, 0.1, depth=7, width=64, correlation=0.2)
    for entries in (
        result.lengths,
        result.correlations,
        result.gradients,
        result.spreads,
        result.typical_lengths,
    ):
        assert len(entries) == 8
    assert len(result.chi_perp) == len(result.chi_par) == 7
    assert (result.lengths[0], result.correlations[0], result.spreads[0]) == (1.0, 0.2, 0.0)
    assert result.gradients[-1] == 1.0
    for layer in range(7):
        expected = chi_perp("tanh", 1.2, length=result.lengths[layer])
        assert result.chi_perp[layer] == pytest.approx(expected, rel=1e-9)
        ratio = result.gradients[layer] / result.gradients[layer + 1]
        assert ratio == pytest.approx(expected, rel=1e-9)


def test_what_is_not_asked_for_is_none():
    result = propagate("relu", 1.0, depth=2)
    assert (result.correlations, result.spreads, result.typical_lengths) == (None, None, None)


@pytest.mark.parametrize("name", ["relu", "linear"])
def test_the_spread_of_homogeneous_nets_is_exact(name):
    result = propagate(name, gain(name), depth=30, width=48)
    exact = log_length(name, 48, 30)
    assert result.spreads[-1] == pytest.approx(exact.std, rel=1e-12)
    assert result.typical_lengths[-1] == pytest.approx(exact.median, rel=1e-9)


def random_log_lengths(name, weight_std, bias_std, *, width, depth, start, nets=3000):
    """ln q_l of random nets; given q, the pre-activations are independent normals."""
    rng = np.random.default_rng(1)
    function = resolve(name).function
    length = np.full(nets, start)
    course = [np.log(length)]
    for _ in range(depth):
        z = np.sqrt(length)[:, None] * rng.standard_normal((nets, width))
        length = weight_std**2 * np.mean(function(z) ** 2, axis=1) + bias_std**2
        course.append(np.log(length))
    return np.array(course)


def assert_spread(course, result, rtol=0.06):
    actual = course.std(axis=1)
    np.testing.assert_allclose(actual[1:], result.spreads[1:], rtol=rtol, err_msg="actual spread")
    shift = course.mean(axis=1) - np.log(result.typical_lengths)
    assert np.all(np.abs(shift) < 0.02), f"actual shift {shift}"


@pytest.mark.parametrize(
    ("name", "weight_std", "bias_std", "start"),
    [("tanh", 1.304146, 0.2, 0.512), ("elu", 1.2, 0.1, 1.0), ("gelu", 1.4, 0.3, 0.5)],
)
def test_random_nets_spread_as_predicted(name, weight_std, bias_std, start):
    result = propagate(name, weight_std, bias_std, depth=12, width=192, length=start)
    course = random_log_lengths(name, weight_std, bias_std, width=192, depth=12, start=start)
    assert_spread(course, result)


def test_the_spread_check_notices_a_narrower_net():
    result = propagate("tanh", 1.304146, 0.2, depth=12, width=96, length=0.512)
    course = random_log_lengths("tanh", 1.304146, 0.2, width=72, depth=12, start=0.512)
    with pytest.raises(AssertionError, match="actual"):
        assert_spread(course, result)


def test_overflow_and_underflow_are_numbers():
    grown = propagate("relu", 100.0, depth=300, width=16, correlation=0.5)
    assert grown.lengths[-1] == math.inf
    assert not any(math.isnan(value) for value in (*grown.lengths, *grown.spreads))
    shrunk = propagate("relu", 1e-4, depth=300)
    assert shrunk.lengths[-1] == 0.0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"depth": 0}, "`depth` must be an integer >= 1.*depth=0"),
        ({"width": 0}, "`width` must be an integer >= 1"),
        ({"length": -1.0}, "`length` must be a finite number >= 0"),
        ({"correlation": 2.0}, r"`correlation` must lie in \[-1, 1\]"),
        ({"bias_std": -1.0}, "`bias_std` must be a finite number >= 0"),
    ],
)
def test_impossible_nets_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        propagate("tanh", 1.0, **options)
