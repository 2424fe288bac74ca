"""Statistics in a row equal numpy's, survive hostile values, and add up to those of a layer."""

import math

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

SAMPLE = np.random.default_rng(0).normal(0.3, 2.0, (7, 5)).astype("float32")
OTHER = np.array([2.0, -3.0, 0.5], "float32")


def changed(place, value):
    """`SAMPLE`, with another entry in one or all places."""
    found = SAMPLE.copy()
    found.ravel()[place] = value
    return found


EVERYWHERE = slice(None)
CASES = {
    "ordinary": SAMPLE,
    "with_zeros": changed(slice(4, 9), 0.0),
    "zeros_of_both_signs": changed(slice(4), [0.0, -0.0, 1e-30, 1.0]),
    "all_zero": changed(EVERYWHERE, 0.0),
    "with_nan": changed(3, np.nan),
    "with_infinities": changed(slice(2), [np.inf, -np.inf]),
    "only_nan": changed(EVERYWHERE, np.nan),
    "tiny": SAMPLE * np.float32(1e-25),
    "huge": SAMPLE * np.float32(1e25),
}


def numpys(values):
    """The row of one array, by numpy: over the finite entries."""
    values = np.asarray(values, "float64").ravel()
    finite = values[np.isfinite(values)]
    return {
        "count": values.size,
        "total": finite.sum(),
        "norm": np.linalg.norm(finite),
        "min": finite.min() if finite.size else None,
        "max": finite.max() if finite.size else None,
        "zeros": np.sum(finite == 0),
        "non_finite": values.size - finite.size,
        "mean": finite.mean() if finite.size else 0.0,
        "std": finite.std() if finite.size else 0.0,
        "rms": np.sqrt(np.mean(np.square(finite))) if finite.size else 0.0,
        "zero_fraction": np.mean(values == 0),
    }


def assert_statistics(row, values, **tolerance):
    for name, expected in numpys(values).items():
        known = expected if expected is None else pytest.approx(expected, rel=1e-5, **tolerance)
        assert row[name] == known, name


def ignored(verdict):
    """A policy that does nothing."""


@pytest.fixture(scope="module")
def rows(train_by):
    """The rows of three kernels by case, from one training: a step for each."""
    stats = GradientStats(on_verdict=ignored)
    train_by(stats, *([np.float32(4.0), case, OTHER] for case in CASES.values()))
    found = ([*row["variables"].values()] for row in stats.history)
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_gradient_has_numpys_statistics(rows, case):
    assert_statistics(rows[case][1], CASES[case], abs=1e-38)


@pytest.mark.parametrize("case", CASES)
def test_those_beside_a_hostile_gradient_have_the_statistics_that_they_have_alone(rows, case):
    first, _, last = rows[case]
    assert_statistics(first, 4.0)
    assert_statistics(last, OTHER)


def test_the_law_notices_one_percent(rows):
    with pytest.raises(AssertionError, match="total"):
        assert_statistics(rows["ordinary"][1], 1.01 * CASES["ordinary"])


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_a_layer_has_the_statistics_of_all_its_entries(bad):
    layer = keras.layers.Dense(2, name="both")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.0), lambda y, y_pred: keras.ops.sum(y_pred, axis=-1))
    x = np.array([[0.0, -2.0, 3.0 if bad is None else bad]], "float32")
    stats = GradientStats(on_verdict=ignored)
    model.fit(x, np.ones((1, 2)), verbose=0, callbacks=[stats])
    # The gradient of the kernel is the input for each unit, that of the bias is 1.
    assert_statistics(stats.history[0]["layers"]["both"], np.append(np.repeat(x, 2), [1.0, 1.0]))


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_the_norm_of_weights_is_numpys_unless_one_is_not_finite(train_by, bad):
    def initializer(shape, dtype=None):
        weights = np.arange(math.prod(shape), dtype="float32").reshape(shape)
        if bad is not None:
            weights[..., -1:] = bad
        return keras.ops.convert_to_tensor(weights)

    stats = GradientStats(on_verdict=ignored)
    train_by(stats, [SAMPLE, OTHER], initializer=initializer)
    for row, shape in zip(stats.history[0]["variables"].values(), ((7, 5), (3,)), strict=True):
        norm = np.linalg.norm(np.arange(math.prod(shape)))
        assert row["weight_norm"] == (pytest.approx(norm, rel=1e-5) if bad is None else None)
