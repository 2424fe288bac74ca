"""Adds, joins, pools and norms, against closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasinit.theory import log_length
from kerasinit.theory._moment_rules import (
    Moments,
    activated,
    added,
    joined,
    multiplied,
    normalized,
    pooled,
    scaled,
    weighted,
)

MAX_OF_TWO = 1 / math.sqrt(math.pi)  # mean of the higher of two standard normals


def relu_of(square):
    return activated(Moments(square, units=100), "relu")


def test_independent_branches_add_their_squares():
    assert added([Moments(2.0), Moments(3.0)], units=10).square == pytest.approx(5.0)


def test_branches_of_one_sign_add_their_means_too():
    one, other = relu_of(1.0), relu_of(4.0)  # means sqrt(q / 2 pi), squares q / 2
    expected = 0.5 + 2.0 + 2 * math.sqrt(1.0 * 4.0) / (2 * math.pi)
    assert added([one, other], units=10).square == pytest.approx(expected)


def test_a_difference_takes_the_means_away():
    assert added([relu_of(1.0), relu_of(1.0)], 10, [1.0, -1.0]).square == pytest.approx(
        1.0 - 1 / math.pi
    )


@pytest.mark.parametrize("blocks", [1, 5, 20])
def test_a_residual_stack_grows_by_one_factor_for_each_block(blocks):
    stream = Moments(1.0)
    for _ in range(blocks):
        branch = weighted(activated(Moments(stream.square, units=100), "relu"), 2.0, 0.0, 100)
        stream = added([stream, branch], units=100)
    assert stream.square == pytest.approx(2.0**blocks)


def test_joined_signals_have_the_mean_of_their_squares():
    assert joined([Moments(1.0), Moments(4.0)], [10, 30]).square == pytest.approx(3.25)


def test_the_mean_of_independent_values_keeps_their_mean():
    pool = pooled(relu_of(1.0), 16, highest=False)
    mean_square = 1 / (2 * math.pi)
    assert pool.mean == pytest.approx(math.sqrt(mean_square))
    assert pool.square == pytest.approx(mean_square + (0.5 - mean_square) / 16)


def test_the_highest_of_two_normals_has_its_known_mean():
    pool = pooled(Moments(9.0), 2, highest=True)
    assert (pool.mean, pool.square) == (pytest.approx(3 * MAX_OF_TWO), pytest.approx(9.0))


@pytest.mark.parametrize("count", [4, 9, 49])
def test_the_highest_of_rectified_values_is_that_of_the_order_statistics(count):
    expected = stats.norm.expect(
        lambda u: u**2 * count * stats.norm.cdf(u) ** (count - 1), lb=0, ub=12
    )
    assert pooled(relu_of(1.0), count, highest=True).square == pytest.approx(expected, rel=1e-6)


def test_equal_positions_are_pooled_to_what_they_are():
    assert pooled(relu_of(1.0), 9, highest=True, alike=1.0).square == pytest.approx(0.5)


def test_a_norm_forgets_what_came():
    assert normalized(4.0, 0.25).square == 4.25


def test_products_and_scales():
    assert multiplied([Moments(2.0), Moments(3.0)]).square == 6.0
    assert scaled(relu_of(1.0), 2.0, 1.0).square == pytest.approx(
        4 * 0.5 + 4 / math.sqrt(2 * math.pi) + 1
    )


def test_the_spread_of_a_stack_is_that_of_the_exact_walk():
    signal = Moments(1.0)
    for _ in range(10):
        signal = activated(weighted(signal, 2.0, 0.0, 64), "relu")
    # ReLU: of first order in 1 / width as far as the walk goes, the exact one for one layer.
    assert signal.variance == pytest.approx(log_length("relu", 64, 10).variance, rel=1e-6)


def test_random_branches_spread_as_far_as_said():
    rng = np.random.default_rng(0)
    units, nets = 50, 2000
    one, other = rng.standard_normal((2, nets, units))
    logs = np.log(np.mean((one + other) ** 2, axis=1))
    drawn = [weighted(Moments(1.0), 1.0, 0.0, units) for _ in range(2)]
    said = added(drawn, units)
    # Chances in common would add up; those of these branches do not.
    assert np.std(logs) <= math.sqrt(said.variance) <= 1.5 * np.std(logs)
