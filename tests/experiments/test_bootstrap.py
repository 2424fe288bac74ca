"""The intervals of a comparison."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasinit.experiments import Estimate, compare

CELLS = 1000
UNMEASURED = (
    "layers", "measured_epochs", "gradient_norms", "signal_rms", "gradient_rms", "dead_share",
    "activation_histogram", "gradient_histogram",
)  # fmt: skip
COUNTS = (2, 3, 5, 8, 9, 10, 11, 12, 30)  # of seeds: Student's t is a table up to 9 of them


@pytest.fixture(scope="module")
def intervals(tmp_path_factory, replica, written):
    """The interval of every row of accuracies, each a cell with a seed per accuracy."""

    def compared(rows, rng=None):
        replicas = [
            replica(
                seed=seed,
                val_accuracy=float(accuracy),
                cell={**replica().cell, "depth": depth, "learning_rate": 0.1},
                **{name: [] for name in UNMEASURED},
            )
            for depth, accuracies in enumerate(rows, 1)
            for seed, accuracy in enumerate(accuracies)
        ]
        out = tmp_path_factory.mktemp("intervals")
        written(out, {"depths": list(range(1, len(rows) + 1))}, replicas)
        return [row.val_accuracy for row in compare(out, rng=rng).rows]

    return compared


def test_one_seed_has_no_interval(intervals):
    assert intervals([[0.5]]) == [Estimate(0.5)]


def test_values_that_are_not_finite_have_no_interval(intervals):
    (found,) = intervals([[0.5, math.nan]])
    assert (found.low, found.high) == (None, None)


def test_equal_values_have_an_interval_of_no_width(intervals):
    assert intervals([[0.25] * 3]) == [Estimate(0.25, 0.25, 0.25)]


def test_the_interval_of_an_accuracy_ends_at_one(intervals):
    assert intervals([[0.9, 1.0, 1.0]])[0].high == 1.0


def test_the_same_generator_gives_the_same_interval(intervals):
    values = normal(9)[:1]
    first, second, other = (intervals(values, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == second != other


def coverage(found, mean, widen=1.0):
    """How many of the intervals hold the true mean, with their ends moved out or in."""
    hits = 0
    for one in found:
        low, high = (one.value + widen * (end - one.value) for end in (one.low, one.high))
        hits += low <= mean <= high
    return hits / len(found)


def normal(count):
    """Accuracies of `CELLS` cells around a half, so narrow that no interval reaches 0 or 1."""
    return 0.5 + 0.01 * np.random.default_rng(0).standard_normal((CELLS, count))


@pytest.fixture(scope="module")
def of_three(intervals):
    """The intervals of many cells of three seeds."""
    return intervals(normal(3))


def test_intervals_hold_the_mean_as_often_as_they_say(of_three):
    assert coverage(of_three, 0.5) == pytest.approx(0.95, abs=0.025)


def test_intervals_hold_the_mean_also_where_the_table_ends(intervals):
    assert coverage(intervals(normal(10)), 0.5) == pytest.approx(0.95, abs=0.025)


def test_the_coverage_check_notices_a_plain_percentile_interval(of_three):
    assert coverage(of_three, 0.5, widen=1 / exact_factor(3)) < 0.85


def exact_factor(count):
    """What a plain percentile interval of `count` values must be widened by."""
    student = stats.t.ppf(0.975, count - 1) / stats.norm.ppf(0.975)
    return student * (count / (count - 1)) ** 0.5


@pytest.fixture
def factors(intervals):
    """How much wider the intervals of `COUNTS` values are than percentiles of resampled means.

    One value is higher than the others: more than 2.5 % of the resampled means lack it, so the
    lower percentile is the value of the others, whatever was drawn.
    """
    step = 0.03
    found = intervals([[0.5] * (count - 1) + [0.5 + step] for count in COUNTS])
    return [(one.value - one.low) / (step / n) for one, n in zip(found, COUNTS, strict=True)]


def test_the_factor_agrees_with_students_t(factors):
    assert factors == pytest.approx([exact_factor(count) for count in COUNTS], rel=2e-3)


def test_the_factor_falls_also_where_the_table_ends(factors):
    assert factors == sorted(factors, reverse=True)


def test_an_estimate_is_printed_with_its_interval():
    assert str(Estimate(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert str(Estimate(0.5)) == "0.500"
