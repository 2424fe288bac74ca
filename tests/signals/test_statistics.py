"""Statistics of a tensor equal numpy's, survive hostile values, and add up."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kerasinit.callbacks._packing import Packing, packed

from kerasinit import _backend
from kerasinit.signals import (
    HISTOGRAM_EDGES,
    STATISTICS,
    Stack,
    TensorStatistics,
    magnitude_histogram,
    tensor_statistics,
)

SAMPLE = np.random.default_rng(0).normal(0.3, 2.0, (7, 5)).astype("float32")


def record(values, dtype="float32"):
    tensor = keras.ops.convert_to_tensor(np.asarray(values), dtype)
    return TensorStatistics.from_row(keras.ops.convert_to_numpy(tensor_statistics(tensor)))


def assert_same(actual, expected, rtol=1e-5):
    for name in STATISTICS:
        pair = getattr(actual, name), getattr(expected, name)
        np.testing.assert_allclose(*pair, rtol=rtol, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["mean", "std", "min", "max", "norm", "rms"])
def test_statistics_equal_numpys(name):
    expected = {
        "mean": SAMPLE.mean(),
        "std": SAMPLE.std(),
        "min": SAMPLE.min(),
        "max": SAMPLE.max(),
        "norm": np.linalg.norm(SAMPLE),
        "rms": np.sqrt(np.mean(SAMPLE**2)),
    }
    attribute = {"min": "minimum", "max": "maximum"}.get(name, name)
    assert getattr(record(SAMPLE), attribute) == pytest.approx(expected[name], rel=1e-5)


def test_zeros_are_counted_exactly():
    assert record([0.0, -0.0, 1e-30, 1.0]).zeros == 2


@pytest.mark.parametrize("magnitude", [1e-30, 1e-22, 1.0, 1e22, 1e30])
def test_the_norm_neither_underflows_nor_overflows(magnitude):
    assert record([3 * magnitude, 4 * magnitude]).norm == pytest.approx(5 * magnitude, rel=1e-5)


def test_non_finite_entries_are_counted_and_left_out():
    found = record([np.nan, np.inf, -np.inf, 3.0, 4.0])
    assert (found.non_finite, found.norm, found.total) == (3, 5.0, 7.0)
    assert (found.minimum, found.maximum, found.mean) == (3.0, 4.0, 3.5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_summed_in_float32(dtype):
    # 70,000 ones: float16 ends at 65,504, and bfloat16 counts no further than 256.
    assert record(np.ones(70_000), dtype).total == 70_000


def test_no_tensor_is_the_zero_of_addition():
    empty = TensorStatistics.from_row(keras.ops.convert_to_numpy(tensor_statistics(None)))
    assert empty == TensorStatistics()
    assert record(SAMPLE) + empty == record(SAMPLE)


def test_entries_that_are_not_held_count_as_zeros():
    row = tensor_statistics(keras.ops.convert_to_tensor([2.0, 3.0]), count=10)
    found = TensorStatistics.from_row(keras.ops.convert_to_numpy(row))
    assert (found.count, found.zeros, found.minimum, found.maximum) == (10, 8, 0.0, 3.0)


def stacked(tensors, *, entries=None, scale=None):
    """Rows of the tensors."""
    stack = Stack.of(tensors, entries=entries)
    read = stack.read(tensors, scale)
    if not _backend.compiles_steps():  # then the second half runs later, in numpy
        vector = _backend.small_array(packed({"read": read}))
        read = Packing.of({"read": read}).unpacked(vector, key="read")
    return keras.ops.convert_to_numpy(stack.statistics(read))


STACKS = {
    "ordinary": [SAMPLE, SAMPLE[0] * 10],
    "with_zeros": [np.zeros((3, 2)), SAMPLE],
    "with_nan": [np.array([np.nan, 1.0]), SAMPLE],
    "with_infinity": [np.array([np.inf, 1.0]), SAMPLE],
    "tiny": [SAMPLE * 1e-25, SAMPLE],
    "huge": [SAMPLE * 1e25, SAMPLE],
    "none": [None, SAMPLE],
    "only_none": [None, None],
    "empty": [np.zeros((0, 3)), SAMPLE],
    "scalar": [np.float32(2.0), SAMPLE],
}


@pytest.mark.parametrize("entries", [None, 100])
@pytest.mark.parametrize("arrays", STACKS.values(), ids=STACKS)
def test_a_stack_of_small_tensors_equals_the_rows(arrays, entries):
    tensors = [a if a is None else keras.ops.convert_to_tensor(a, "float32") for a in arrays]
    actual = stacked(tensors, entries=entries)
    expected = np.stack([keras.ops.convert_to_numpy(tensor_statistics(t)) for t in tensors])
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-30)


def test_tensors_small_and_large_keep_their_order():
    sizes = (700, 3, 900, 0, 512, 513)
    values = [np.random.default_rng(n).normal(n, 1.0, n).astype("float32") for n in sizes]
    values[2][5] = np.nan
    tensors = [keras.ops.convert_to_tensor(v) for v in values]
    rows = stacked(tensors, entries=1000)
    expected = np.stack([keras.ops.convert_to_numpy(tensor_statistics(t)) for t in tensors])
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


@pytest.mark.parametrize("entries", [None, 100])
def test_a_scale_is_divided_out(entries):
    tensor = keras.ops.convert_to_tensor(SAMPLE)
    rows = stacked([tensor * 8.0], scale=keras.ops.convert_to_tensor(8.0), entries=entries)
    np.testing.assert_allclose(
        rows[0],
        keras.ops.convert_to_numpy(tensor_statistics(tensor)),
        rtol=1e-5,
    )


def large(values):
    tensor = keras.ops.convert_to_tensor(np.asarray(values, "float32"))
    rows = stacked([tensor], entries=4096)
    return TensorStatistics.from_row(rows[0])


BIG = np.random.default_rng(1).normal(0.5, 1.0, (400, 200))


def test_the_norm_of_a_large_tensor_is_exact():
    assert large(BIG).norm == pytest.approx(np.linalg.norm(BIG), rel=1e-5)


def test_the_rest_of_a_large_tensor_is_estimated():
    found = large(np.where(BIG < 0, 0, BIG))
    kept = np.where(BIG < 0, 0, BIG)
    error = 5 / 4096**0.5  # five standard errors of a mean of 4,096 numbers
    assert found.count == BIG.size
    assert found.mean == pytest.approx(kept.mean(), abs=error * kept.std())
    assert found.zero_fraction == pytest.approx(np.mean(kept == 0), abs=error * 0.5)
    assert 0 <= found.minimum <= found.maximum <= kept.max()


def test_one_bad_entry_of_a_large_tensor_is_noticed():
    values = BIG.copy()
    values[17, 23] = np.nan
    assert large(values).non_finite >= 1
    assert math.isfinite(large(values).norm)


def test_a_large_tensor_of_tiny_numbers_has_a_norm():
    assert large(BIG * 1e-25).norm == pytest.approx(np.linalg.norm(BIG) * 1e-25, rel=0.1)


finite = st.floats(-1e6, 1e6, width=32)
# Two lengths, as JAX compiles each operation for each length.
parts = st.sampled_from([1, 20]).flatmap(lambda n: st.lists(finite, min_size=n, max_size=n))


@settings(max_examples=25, deadline=None)
@given(parts, parts)
def test_adding_equals_the_statistics_of_the_whole(left, right):
    assert_same(record(left) + record(right), record([*left, *right]), rtol=1e-3)


records = st.builds(
    TensorStatistics,
    count=st.integers(1, 1000),
    total=finite,
    norm=st.floats(0, 1e6),
    minimum=finite,
    maximum=finite,
    zeros=st.integers(0, 1000),
    non_finite=st.integers(0, 1000),
)


@given(records, records)
def test_addition_commutes(a, b):
    assert a + b == b + a


@given(records, records, records)
def test_addition_associates(a, b, c):
    assert_same((a + b) + c, a + (b + c), rtol=1e-9)


def test_an_empty_record_has_plain_numbers():
    found = TensorStatistics()
    assert (found.mean, found.rms, found.std, found.zero_fraction) == (0.0, 0.0, 0.0, 0.0)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=50))
def test_the_histogram_equals_numpys(values):
    values = np.asarray(values, "float64")
    kept = np.abs(values[np.isfinite(values) & (values != 0)])
    inside = np.clip(kept, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-2])
    expected, _ = np.histogram(inside, np.asarray(HISTOGRAM_EDGES))
    assert magnitude_histogram(values) == tuple(expected)


def test_the_histogram_has_32_bins_over_64_octaves():
    assert len(HISTOGRAM_EDGES) == 33
    assert math.log2(HISTOGRAM_EDGES[-1] / HISTOGRAM_EDGES[0]) == 64
