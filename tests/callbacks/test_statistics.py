"""Statistics of many tensors in one vector equal numpy's, survive hostile values, and add up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.callbacks._statistics import (
    STATISTICS,
    merged_statistics,
    part_norms,
    part_statistics,
)

SAMPLE = np.random.default_rng(0).normal(0.3, 2.0, (7, 5)).astype("float32")


def vector(arrays, dtype="float32"):
    """The entries of several arrays, one after another, and how many each has."""
    flat = [np.asarray(array, dtype).ravel() for array in arrays]
    return np.concatenate(flat), [part.size for part in flat]


def rows_of(*arrays, dtype="float32"):
    return part_statistics(*vector(arrays, dtype))


def record(values, dtype="float32"):
    (row,) = rows_of(values, dtype=dtype)
    return dict(zip(STATISTICS, row.tolist(), strict=True))


def numpys(values):
    """The row of one array, by numpy."""
    values = np.asarray(values, "float64").ravel()
    finite = values[np.isfinite(values)]
    return [
        values.size,
        finite.sum(),
        np.linalg.norm(finite),
        finite.min(initial=math.inf),
        finite.max(initial=-math.inf),
        np.sum(finite == 0),
        values.size - finite.size,
    ]


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_equal_numpys(name):
    expected = dict(zip(STATISTICS, numpys(SAMPLE), strict=True))
    assert record(SAMPLE)[name] == pytest.approx(expected[name], rel=1e-6)


def test_zeros_are_counted_exactly():
    assert record([0.0, -0.0, 1e-30, 1.0])["zeros"] == 2


@pytest.mark.parametrize("magnitude", [1e-30, 1e-22, 1.0, 1e22, 1e30])
def test_the_norm_neither_underflows_nor_overflows(magnitude):
    values = [3 * magnitude, 4 * magnitude]
    assert record(values)["norm"] == pytest.approx(5 * magnitude, rel=1e-5)


def test_non_finite_entries_are_counted_and_left_out():
    found = record([np.nan, np.inf, -np.inf, 3.0, 4.0])
    assert (found["non_finite"], found["norm"], found["total"]) == (3, 5.0, 7.0)
    assert (found["minimum"], found["maximum"]) == (3.0, 4.0)


def test_half_precision_is_summed_in_more():
    # 70,000 ones: float16 ends at 65,504.
    assert record(np.ones(70_000), "float16")["total"] == 70_000


# --- many parts -----------------------------------------------------------------------------------

PARTS = {
    "ordinary": [SAMPLE, SAMPLE[0] * 10],
    "with_zeros": [np.zeros((3, 2)), SAMPLE],
    "with_nan": [np.array([np.nan, 1.0]), SAMPLE],
    "with_infinity": [SAMPLE, np.array([-np.inf, 1.0])],
    "only_nan": [np.array([np.nan, np.nan]), SAMPLE],
    "tiny": [SAMPLE * 1e-25, SAMPLE],
    "huge": [SAMPLE, SAMPLE * 1e25, SAMPLE],
    "scalar": [2.0, SAMPLE],
    "first_empty": [[], SAMPLE],
    "gaps": [[], SAMPLE, [], SAMPLE[0]],
    "last_empty": [SAMPLE, [], []],
    "all_empty": [[], []],
    "of_many_sizes": [np.arange(n) - 3.0 for n in (700, 3, 900, 0, 512, 513)],
}


@pytest.mark.parametrize("arrays", PARTS.values(), ids=PARTS)
def test_each_part_has_the_statistics_that_it_has_alone(arrays):
    expected = [numpys(np.asarray(array, "float32")) for array in arrays]
    np.testing.assert_allclose(rows_of(*arrays), expected, rtol=1e-6)


@pytest.mark.parametrize("arrays", PARTS.values(), ids=PARTS)
def test_norms_of_parts_keep_what_is_not_finite(arrays):
    expected = [np.linalg.norm(np.asarray(array, "float32").astype("float64")) for array in arrays]
    entries, lengths = vector(arrays)
    np.testing.assert_allclose(part_norms(entries, np.array(lengths)), expected, rtol=1e-6)


# --- groups ---------------------------------------------------------------------------------------

finite = st.floats(-1e6, 1e6, width=32)
values = st.lists(finite, max_size=20)


def merged(rows):
    """All rows as one group."""
    return merged_statistics(rows, [np.arange(len(rows))])


@given(st.lists(values, min_size=1, max_size=5))
def test_merging_gives_the_statistics_of_the_whole(several):
    (found,) = merged(rows_of(*several))
    (expected,) = rows_of([value for part in several for value in part])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def test_a_part_without_entries_changes_nothing():
    np.testing.assert_array_equal(merged(rows_of([], SAMPLE)), rows_of(SAMPLE))


rows = st.builds(
    lambda *columns: np.array(columns, "float64"),
    st.integers(1, 1000),
    finite,
    st.floats(0, 1e6),
    finite,
    finite,
    st.integers(0, 1000),
    st.integers(0, 1000),
)


@given(rows, rows)
def test_merging_commutes(a, b):
    np.testing.assert_array_equal(merged(np.stack([a, b])), merged(np.stack([b, a])))


@given(rows, rows, rows)
def test_merging_associates(a, b, c):
    left = np.stack([*merged(np.stack([a, b])), c])
    right = np.stack([a, *merged(np.stack([b, c]))])
    np.testing.assert_allclose(merged(left), merged(right), rtol=1e-9, atol=1e-6)


def test_groups_may_take_any_rows_and_more_columns_are_norms():
    each = rows_of([3.0], [4.0, 0.0], [12.0])
    weights = np.array([[5.0], [12.0], [1.0]])
    found = merged_statistics(np.hstack([each, weights]), [np.array([2]), np.array([1, 0])])
    np.testing.assert_allclose(found[0], [*each[2], 1.0])
    np.testing.assert_allclose(found[1], [*numpys([3.0, 4.0, 0.0]), 13.0])


def test_no_groups_are_no_rows():
    assert merged_statistics(rows_of(SAMPLE), []).shape == (0, len(STATISTICS))
