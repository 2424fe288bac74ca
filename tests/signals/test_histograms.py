"""Counts of magnitudes equal numpy's."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.signals import HISTOGRAM_EDGES
from kerasinit.signals._histograms import histograms, row_histograms


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=50))
def test_the_histogram_equals_numpys(values):
    values = np.asarray(values, "float64")
    kept = np.abs(values[np.isfinite(values) & (values != 0)])
    inside = np.clip(kept, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-2])
    expected, _ = np.histogram(inside, np.asarray(HISTOGRAM_EDGES))
    np.testing.assert_array_equal(row_histograms(values[None])[0], expected)


@given(st.lists(st.tuples(st.floats(width=32), st.integers(0, 3)), max_size=50))
def test_histograms_of_parts_are_those_of_each(pairs):
    entries = np.array([value for value, _ in pairs], "float32")
    parts = np.array([part for _, part in pairs], "int64")
    found = histograms(entries, parts, 4)
    expected = [row_histograms(entries[parts == part][None])[0] for part in range(4)]
    np.testing.assert_array_equal(found, expected)


def test_the_histogram_has_32_bins_over_64_octaves():
    assert len(HISTOGRAM_EDGES) == 33
    assert math.log2(HISTOGRAM_EDGES[-1] / HISTOGRAM_EDGES[0]) == 64
