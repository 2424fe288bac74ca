import itertools

import numpy as np
import pytest

from kerasinit.experiments import Estimate
from kerasinit.experiments._bootstrap import estimate, resample, small_sample_factor

WIDE = (-np.inf, np.inf)


def test_one_seed_has_no_interval():
    assert estimate(np.array([0.5]), np.zeros((10, 1), int)) == Estimate(0.5)


def test_values_that_are_not_finite_have_no_interval():
    assert estimate(np.array([0.5, np.nan]), np.zeros((10, 2), int)).low is None


def test_equal_values_have_an_interval_of_no_width():
    picks = resample(np.random.default_rng(0), 3)
    assert estimate(np.full(3, 0.25), picks) == Estimate(0.25, 0.25, 0.25)


def test_the_interval_of_an_accuracy_ends_at_one():
    picks = resample(np.random.default_rng(0), 3)
    assert estimate(np.array([0.9, 1.0, 1.0]), picks).high == 1.0


def test_the_same_generator_gives_the_same_interval():
    values = np.array([0.1, 0.5, 0.7, 0.8])
    first, second = (estimate(values, resample(np.random.default_rng(5), 4)) for _ in range(2))
    assert first == second


def coverage(count, widen=1.0):
    """How often the interval of `count` normal values holds the true mean."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        found = estimate(rng.standard_normal(count), resample(rng, count)[:400], bounds=WIDE)
        middle = found.value
        low, high = middle + widen * (found.low - middle), middle + widen * (found.high - middle)
        hits += low <= 0 <= high
    return hits / 1000


@pytest.mark.parametrize("count", [3, 5, 10])
def test_intervals_hold_the_mean_as_often_as_they_say(count):
    assert coverage(count) == pytest.approx(0.95, abs=0.025)


def test_the_coverage_check_notices_a_plain_percentile_interval():
    assert coverage(3, widen=1 / small_sample_factor(3)) < 0.85


def test_the_factor_is_continuous_where_the_table_ends():
    factors = [small_sample_factor(count) for count in range(2, 20)]
    assert all(a > b for a, b in itertools.pairwise(factors))


def test_the_factor_agrees_with_students_t():
    from scipy import stats

    for count in (2, 5, 9, 10, 12, 30):
        exact = stats.t.ppf(0.975, count - 1) / stats.norm.ppf(0.975)
        exact *= (count / (count - 1)) ** 0.5
        assert small_sample_factor(count) == pytest.approx(exact, rel=2e-3)


def test_an_estimate_is_printed_with_its_interval():
    assert str(Estimate(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert str(Estimate(0.5)) == "0.500"
