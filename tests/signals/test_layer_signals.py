"""The numbers of one layer, against closed forms."""

import json

import numpy as np
import pytest

from kerasinit.signals import LayerSignals, layer_signals


@pytest.fixture
def row():
    z = np.array([[3.0, -4.0], [-3.0, 4.0]], "float32")
    return layer_signals(
        name="dense",
        kind="Dense",
        activation="relu",
        output=np.maximum(z, 0),
        preactivation=z,
        gradient=np.full_like(z, 0.5),
        weights={"kernel": np.full((3, 2), 2.0), "bias": np.ones(2)},
        weight_gradients={"kernel": np.full((3, 2), 3.0), "bias": np.zeros(2)},
        layer_input=np.full((2, 3), 2.0),
    )


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
        ("input_rms", 2.0),
        ("gradient_rms", 0.5),
        ("gradient_norm", 1.0),
        ("weight_norm", 26**0.5),
        ("weight_gradient_norm", 54**0.5),
        ("non_finite_weights", 0),
        ("dead_share", None),
        ("duplicate_share", None),
    ],
)
def test_a_field_has_its_closed_form(row, field, expected):
    assert getattr(row, field) == (None if expected is None else pytest.approx(expected))


def test_variance_over_inputs_leaves_out_what_all_inputs_share():
    shared = np.tile([5.0, -5.0], (8, 1))
    row = layer_signals(
        name="dense",
        kind="Dense",
        activation=None,
        output=shared,
        preactivation=shared,
        gradient=shared,
        weights={},
    )
    assert row.preactivation_mean_square == 25.0
    assert row.preactivation_variance == 0.0


def test_nan_is_counted_and_raises_no_warning():
    bad = np.array([[np.nan, np.inf, 1.0]])
    row = layer_signals(
        name="dense",
        kind="Dense",
        activation=None,
        output=bad,
        preactivation=bad,
        gradient=bad,
        weights={"kernel": bad},
    )
    assert (row.non_finite_outputs, row.non_finite_weights) == (2, 2)


def test_histograms_hold_every_value_that_is_not_zero(row):
    assert sum(row.activation_histogram) == 2
    assert sum(row.gradient_histogram) == 4


def test_the_record_goes_through_json(row):
    assert (
        LayerSignals(
            **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in json.loads(json.dumps(row.to_dict())).items()
            }
        )
        == row
    )
