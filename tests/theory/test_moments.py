"""Moment rules of the layers without weights, against closed forms and Keras' own layers."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.theory import (
    Moments,
    after_activation,
    after_add,
    after_average,
    after_average_pooling,
    after_concatenate,
    after_dropout,
    after_max_pooling,
    after_multiply,
)

moments = st.builds(Moments, st.floats(-3, 3), st.floats(0, 5))
SIZE = 400_000  # draws: a second moment is known to about 0.5 %


def draw(mean, variance, shape=(SIZE,), seed=0):
    values = mean + math.sqrt(variance) * np.random.default_rng(seed).standard_normal(shape)
    return values.astype("float32")


def assert_moments(values, expected):
    values = keras.ops.convert_to_numpy(values).astype("float64")
    actual = (float(values.mean()), float(values.var()))
    wanted = (expected.mean, expected.variance)
    assert actual == pytest.approx(wanted, rel=0.02, abs=0.01), f"actual {actual}"


def test_dropout_counts_the_mean():
    assert after_dropout(Moments(0.4, 1.0), 0.3).variance == pytest.approx(1.4971, abs=5e-5)
    assert after_dropout(Moments(0.4, 0.34), 0.5).variance == pytest.approx(0.84, abs=1e-12)


def test_keras_dropout_has_these_moments():
    outputs = keras.layers.Dropout(0.3, seed=0)(draw(0.4, 1.0), training=True)
    assert_moments(outputs, after_dropout(Moments(0.4, 1.0), 0.3))


def test_keras_spatial_dropout_has_these_moments():
    # The noise is one per sample and channel: many short signals.
    layer = keras.layers.SpatialDropout1D(0.25, seed=0)
    outputs = layer(draw(1.0, 0.5, (SIZE // 8, 2, 4)), training=True)
    assert_moments(outputs, after_dropout(Moments(1.0, 0.5), 0.25))


def test_the_dropout_check_notices_a_forgotten_mean():
    outputs = keras.layers.Dropout(0.3, seed=0)(draw(0.4, 1.0), training=True)
    with pytest.raises(AssertionError, match="actual"):
        assert_moments(outputs, Moments(0.4, 1 / 0.7))


def test_average_pooling_has_these_moments():
    outputs = keras.layers.AveragePooling2D(2)(draw(0.5, 2.0, (100, 64, 64, 1)))
    assert_moments(outputs, after_average_pooling(Moments(0.5, 2.0), 4))


@pytest.mark.parametrize("size", [2, 3])
def test_max_pooling_has_these_moments(size):
    outputs = keras.layers.MaxPooling2D(size)(draw(0.5, 2.0, (100, 64, 64, 1)))
    assert_moments(outputs, after_max_pooling(Moments(0.5, 2.0), size**2))


def test_the_largest_of_two_and_three_has_its_closed_form():
    two, three = after_max_pooling(Moments(), 2), after_max_pooling(Moments(), 3)
    assert two.mean == pytest.approx(1 / math.sqrt(math.pi), rel=1e-12)
    assert two.variance == pytest.approx(1 - 1 / math.pi, rel=1e-12)
    assert three.mean == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-12)


def test_equal_entries_pool_to_themselves():
    assert after_average_pooling(Moments(1.0, 2.0), 9, correlation=1.0).variance == pytest.approx(2)
    alone = after_max_pooling(Moments(1.0, 2.0), 1)
    assert (alone.mean, alone.variance) == pytest.approx((1.0, 2.0), rel=1e-12)


def test_merge_layers_have_these_moments():
    one, two = Moments(0.5, 1.0), Moments(-1.0, 2.0)
    x, y = draw(0.5, 1.0, (1000, 400)), draw(-1.0, 2.0, (1000, 400), seed=1)
    assert_moments(keras.layers.Add()([x, y]), after_add([one, two]))
    assert_moments(keras.layers.Average()([x, y]), after_average([one, two]))
    assert_moments(keras.layers.Multiply()([x, y]), after_multiply([one, two]))
    joined = keras.layers.Concatenate()([x, y[:, :100]])
    assert_moments(joined, after_concatenate([one, two], [400, 100]))


@given(moments, moments)
def test_order_does_not_matter(a, b):
    for merge in (after_add, after_average, after_multiply):
        assert merge([a, b]).variance == pytest.approx(merge([b, a]).variance, abs=1e-9)


@given(moments)
def test_one_signal_alone_is_unchanged(a):
    for merged in (
        after_add([a]),
        after_average([a]),
        after_multiply([a]),
        after_concatenate([a], [5]),
        after_dropout(a, 0.0),
        after_activation(a, "linear"),
    ):
        assert merged.mean == pytest.approx(a.mean, abs=1e-9)
        assert merged.variance == pytest.approx(a.variance, rel=1e-9, abs=1e-9)


def test_selu_has_klambauers_jacobian():
    step = 1e-4

    def derivative(which):
        high = after_activation(Moments(step * (which == 0), 1 + step * (which == 1)), "selu")
        low = after_activation(Moments(-step * (which == 0), 1 - step * (which == 1)), "selu")
        return [
            (high.mean - low.mean) / (2 * step),
            (high.variance - low.variance) / (2 * step),
        ]

    # Columns: by the weight mean's effect on the input mean (0 there) and by the variance.
    by_variance = derivative(1)
    assert by_variance == pytest.approx([0.0888348, 0.7826479], abs=1e-6)
    jacobian = np.array([[0, by_variance[0]], [0, by_variance[1]]])
    assert np.linalg.norm(jacobian, 2) == pytest.approx(0.7876734, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Moments(0.0, -1.0), "finite variance >= 0.*variance=-1.0"),
        (lambda: Moments(math.nan, 1.0), "finite mean"),
        (lambda: after_dropout(Moments(), 1.0), r"`rate` must lie in \[0, 1\).*rate=1.0"),
        (lambda: after_average_pooling(Moments(), 0), "`size` must be an integer >= 1"),
        (lambda: after_average_pooling(Moments(), 4, correlation=2.0), "`correlation` must lie"),
        (lambda: after_max_pooling(Moments(), -1), "`size` must be an integer >= 1"),
        (lambda: after_add([]), "at least one signal"),
        (lambda: after_concatenate([Moments()], [1, 2]), "2 sizes for 1 signals"),
        (lambda: after_concatenate([Moments()], [0]), "`sizes` must be an integer"),
    ],
)
def test_impossible_signals_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
