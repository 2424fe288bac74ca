"""The numbers of one layer, against closed forms."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.signals import LayerSignals, measure

pytestmark = pytest.mark.usefixtures("quick_compilation")

KERNEL = np.array([[3.0, -4.0], [2.0, 2.0]], "float32")


def row_of(x, kernel=KERNEL, activation=None):
    """What is told of the one layer of a model whose loss is half of the sum of its outputs."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, activation, name="only")])
    model.layers[0].set_weights([kernel, np.zeros(2)])
    model.compile("sgd", lambda y_true, y_pred: 0.5 * ops.sum(y_pred))
    (row,) = measure(model, np.array(x, "float32"), np.zeros((len(x), 2), "float32")).layers
    return row


@pytest.fixture(scope="module")
def row():
    """Its pre-activations are 3, -4 and -3, 4."""
    return row_of([[1.0, 0.0], [-1.0, 0.0]], activation="relu")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("units", 2),
        ("samples", 2),
        ("activation_mean", 7 / 4),
        ("activation_rms", (25 / 4) ** 0.5),
        ("activation_std", (25 / 4 - (7 / 4) ** 2) ** 0.5),
        ("preactivation_mean_square", 12.5),
        ("preactivation_variance", 12.5),
        ("input_rms", 0.5**0.5),
        ("gradient_rms", 0.125**0.5),
        ("gradient_norm", 0.5**0.5),
        ("weight_norm", 33**0.5),
        ("weight_gradient_norm", 1.0),
        ("non_finite_weights", 0),
        ("dead_share", 0.0),
        ("saturated_share", 0.0),
        ("duplicate_share", 0.0),
    ],
)
def test_a_field_has_its_closed_form(row, field, expected):
    assert getattr(row, field) == pytest.approx(expected)


def test_variance_over_inputs_leaves_out_what_all_inputs_share():
    row = row_of([[1.0, 1.0]] * 8, kernel=np.diag([5.0, -5.0]))
    assert row.preactivation_mean_square == 25.0
    assert row.preactivation_variance == 0.0


def test_nan_is_counted_and_raises_no_warning():
    row = row_of([[1.0, 1.0]], kernel=np.array([[np.nan, np.inf], [1.0, 1.0]]))
    assert (row.non_finite_outputs, row.non_finite_weights) == (2, 2)


def test_the_record_goes_through_json(row):
    assert LayerSignals(**json.loads(json.dumps(row.to_dict()))) == row
