"""The random walk of the length at finite width is exact, and seen in random nets."""

import math

import numpy as np
import pytest
import scipy.special

from kerasinit.theory import log_length

# width, mean and variance per layer, depth, total mean, std, median, second moment
TABLE = [
    (32, -0.082540, 0.177498, 50, -4.127, 2.979, 0.0161, 1421),
    (64, -0.040109, 0.082997, 50, -2.0054, 2.0371, 0.1346, 43.0),
    (100, -0.025421, 0.051940, 50, -1.2710, 1.6115, 0.2805, 11.467),
    (128, -0.019786, 0.040234, 30, -0.5936, 1.0986, 0.5523, 3.157),
    (256, -0.009829, 0.019819, 50, -0.4914, 0.9955, 0.6117, 2.630),
    (512, -0.004898, 0.009837, 50, -0.2449, 0.7013, 0.7828, 1.626),
]


@pytest.mark.parametrize(
    ("width", "mean", "variance", "depth", "total", "std", "median", "second"), TABLE
)
def test_relu_nets_have_the_published_walk(
    width, mean, variance, depth, total, std, median, second
):
    layer = log_length("relu", width, 1)
    assert layer.mean == pytest.approx(mean, abs=6e-7)
    assert layer.variance == pytest.approx(variance, abs=6e-7)
    net = log_length("relu", width, depth)
    assert net.mean == pytest.approx(total, rel=2e-4)
    assert net.std == pytest.approx(std, abs=6e-4)
    assert net.median == pytest.approx(median, abs=6e-5)
    assert net.second_moment == pytest.approx(second, rel=6e-4)


def test_linear_nets_have_the_published_walk():
    net = log_length("linear", 100, 50)
    assert net.mean == pytest.approx(-0.50167, abs=1e-5)
    assert net.variance == pytest.approx(1.01007, abs=1e-5)
    assert net.second_moment == pytest.approx(2.69159, abs=1e-5)


def random_walk(width, depth, nets, scale=2.0):
    """ln(q_L / q_0) of random ReLU nets: a layer sees only the norm of its input."""
    rng = np.random.default_rng(0)
    total = np.zeros(nets)
    for _ in range(depth):
        outputs = np.maximum(rng.standard_normal((nets, width)), 0)
        total += np.log(scale / width * np.sum(outputs**2, axis=1))
    return total


def assert_walk(total, expected):
    error = expected.std / math.sqrt(total.size)
    actual = float(total.mean())
    assert abs(actual - expected.mean) < 4 * error, f"actual mean {actual}"
    assert abs(float(total.std()) / expected.std - 1) < 0.06, "actual spread"


def test_random_relu_nets_walk_as_predicted():
    assert_walk(random_walk(64, 20, 4000), log_length("relu", 64, 20))


def test_the_walk_check_notices_five_percent():
    with pytest.raises(AssertionError, match="actual"):
        assert_walk(random_walk(64, 20, 4000, scale=2.1), log_length("relu", 64, 20))


@pytest.mark.parametrize("width", [1, 2, 3, 14, 32, 1000])
def test_linear_nets_have_the_logarithm_of_a_chi_square(width):
    # ln of a chi-square with n degrees of freedom: mean digamma(n/2) + ln 2, variance trigamma.
    walk = log_length("linear", width, 1)
    mean = scipy.special.digamma(width / 2) + math.log(2 / width)
    assert walk.mean == pytest.approx(mean, rel=1e-12, abs=1e-13)
    assert walk.variance == pytest.approx(scipy.special.polygamma(1, width / 2), rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("gelu", 64, 10), r"exact result is known for \('linear', 'relu'\).*propagate"),
        (("relu", 0, 10), "`width` must be an integer >= 1.*width=0"),
        (("relu", 64, -1), "`depth` must be an integer >= 1.*depth=-1"),
        (("relu", 64, 1.5), "`depth` must be an integer"),
    ],
)
def test_what_has_no_walk_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        log_length(*arguments)
