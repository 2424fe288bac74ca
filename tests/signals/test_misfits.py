"""Output, loss and targets, from plain numbers: the edges of each rule, and its lines of code."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.signals import Signals, judge

from .records import head_of, measured_head
from .records import targets_of as targets

INF = math.inf
SPARSE, SHARES, BINARY, FOCAL = (
    f"{kind}crossentropy" for kind in ("sparsecategorical", "categorical", "binary", "binaryfocal")
)
MSE, MAPE, MSLE = "meansquarederror", "meanabsolutepercentageerror", "meansquaredlogarithmicerror"
PROBABILITIES = {"activation": "softmax", "reach": (0.0, 1.0)}


def head(loss, units=1, *, y=None, **fields):
    usual = {
        "name": "out", "shape": (units,), "is_layer": True, "switch": "out", "high": 1.0,
        "targets": y,
    }  # fmt: skip
    return head_of(loss=loss, **usual | fields)


def verdict(*heads, **model):
    found = judge(Signals((), 60, 1.0, 0, **{"loss": 1.0, "heads": heads} | model))
    return found[0] if found else None


def cause(*heads, **model):
    found = verdict(*heads, **model)
    return None if found is None else found.cause


# --- output and loss ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "low", "named"),
    [
        ("poisson", -0.1, True), ("poisson", 0.0, False), ("kldivergence", -0.1, True),
        ("kldivergence", 0.0, False), (MSE, -0.1, False),
    ],
)  # fmt: skip
def test_a_loss_with_a_logarithm_takes_outputs_from_zero_on(loss, low, named):
    found = verdict(head(loss, 2, low=low))
    assert (found is not None) is named
    if named:
        wanted = "softplus" if loss == "poisson" else "softmax"
        assert (found.cause, found.remedy.value, found.remedy.where) == ("bad_loss", wanted, "out")
        assert "which falls to -0.1" in found.evidence


@pytest.mark.parametrize(("units", "logits"), [(1, False), (1, True), (2, False)])
def test_one_unit_takes_no_categorical_loss(units, logits):
    found = verdict(head(SHARES, units, from_logits=logits, **PROBABILITIES | {"activation": "t"}))
    if units == 1:
        code = "from_logits=True" if logits else ""
        assert found.remedy.value == f"keras.losses.BinaryCrossentropy({code})"
        assert "always 1" in found.evidence
    else:
        assert found is None


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "model.get_layer('out').activation = keras.activations.linear"),
        ({"switch": None}, "loss=keras.losses.SparseCategoricalCrossentropy())"),
        ({"activation": None, "reach": (-INF, INF), "is_layer": False, "sums_to_one": True,
          "switch": None}, "loss=keras.losses.SparseCategoricalCrossentropy())"),
        ({"is_twice": False}, None),
        ({"reach": (0.0, 6.0)}, None),
        ({"from_logits": False, "is_twice": False}, None),
    ],
    ids=["switch", "loss", "sums", "once", "other", "no logits"],
)  # fmt: skip
def test_probabilities_are_not_taken_for_logits(fields, line):
    usual = {"from_logits": True, "is_twice": True} | PROBABILITIES
    found = verdict(head(SPARSE, 3, **usual | fields))
    assert (found and found.fix) == line or line in found.fix
    if line:
        name = fields.get("activation", "softmax") or "a softmax"
        assert f"the output went through {name} already" in found.evidence


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (PROBABILITIES, False),
        (PROBABILITIES | {"high": 1.0009}, False), (PROBABILITIES | {"high": 1.0011}, True),
        (PROBABILITIES | {"low": -0.0009}, False), (PROBABILITIES | {"low": -0.0011}, True),
        ({"activation": None}, True),
        ({"activation": None, "is_layer": False}, False),
        ({"activation": "relu", "reach": (0.0, INF)}, True),
        ({"activation": "tanh", "reach": (-1.0, 1.0)}, True),
        ({"activation": "relu6", "reach": (0.0, 6.0)}, False),
        ({"activation": "relu6", "reach": (0.0, 6.0), "high": 3.0}, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_class_loss_takes_probabilities(fields, named):
    assert (cause(head(SPARSE, 3, **fields)) == "bad_loss") is named


@pytest.mark.parametrize(
    ("loss", "name"),
    [(SPARSE, "SparseCategorical"), (SHARES, "Categorical"), (BINARY, "Binary"),
     (FOCAL, "BinaryFocal"), ("categoricalfocalcrossentropy", "CategoricalFocal")],
)  # fmt: skip
def test_logits_are_told_to_the_loss(loss, name):
    found = verdict(head(loss, 3, low=-2.5, high=4.0))
    line = f"loss=keras.losses.{name}Crossentropy(from_logits=True))"
    assert line in found.fix
    assert "the output runs from -2.5 to 4" in found.evidence


@pytest.mark.parametrize(("loss", "wanted"), [(BINARY, "sigmoid"), (SPARSE, "softmax")])
def test_another_activation_is_replaced_by_the_one_that_the_loss_takes(loss, wanted):
    found = verdict(head(loss, 3, activation="relu", reach=(0.0, INF), high=7.0))
    assert (found.remedy.value, found.remedy.where) == (wanted, "out")
    assert found.evidence.endswith("from 0 to 7, after relu")
    assert f"# use {wanted} on the output" in found.fix


def test_a_loss_that_cannot_be_computed_is_said_in_its_own_words():
    found = verdict(loss_error="it broke", loss=None)
    assert (found.cause, found.where) == ("bad_loss", "loss")
    assert found.evidence == "the loss or its gradient cannot be computed: it broke"


# --- labels ---------------------------------------------------------------------------------------

OF_LABELS = {
    "fit": (targets(high=4.0), 5, None),
    "one too high": (targets(high=5.0), 5, "# give out 6 units, one for each class"),
    "shifted": (targets(low=1.0, high=5.0), 5, "y = y - 1"),
    "shifted by 3": (targets(low=3.0, high=7.0), 5, "y = y - 3"),
    "below": (targets(low=-1.0, high=3.0), 5, "y = y + 1"),
    "too many": (targets(low=1.0, high=6.0), 5, "give out 7 units, one for each class"),
    "too many below": (
        targets(low=-1.0, high=5.0), 5, "`ignore_class=-1` in the loss leaves those out; or give "
        "out 7 units",
    ),
    "two in one": (targets(), 1, "loss=keras.losses.BinaryCrossentropy(from_logits=True))"),
    "all one": (targets(low=1.0), 1, "y = y - 1"),
    "one-hot": (
        targets(shape=(5,), sums_to_one=True), 5, "keras.losses.CategoricalCrossentropy(), ",
    ),
    "two one-hot": (
        targets(shape=(2,), sums_to_one=True), 2, "keras.losses.CategoricalCrossentropy(), ",
    ),
    "one-hot of others": (targets(shape=(4,), sums_to_one=True), 5, None),
    "fractions": (targets(high=3.5, whole=False), 5, "# a regression has a linear output"),
    "fractions, one unit": (
        targets(high=3.5, whole=False), 1,
        "model.get_layer('out').activation = None; model.compile(model.optimizer, 'mse') ",
    ),
    "prices, one unit": (
        targets(high=3.5, whole=False, rms=1.1e5), 1, "None; y = (y - y.mean(axis=0)) / ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_are_whole_numbers_from_zero_to_the_number_of_units(name):
    y, units, line = OF_LABELS[name]
    activation = PROBABILITIES | ({"activation": "own"} if units == 1 else {})
    found = verdict(head(SPARSE, units, y=y, **activation))
    if line is None:
        assert found is None
    else:
        assert (found.cause, found.where) == ("bad_targets", "targets")
        assert line in found.fix
        assert f"numbers of classes from 0 to {units - 1}, and the targets" in found.evidence


@pytest.mark.parametrize(
    ("units", "switch", "kind"), [(1, "out", "regression"), (1, None, None), (3, "out", None)]
)
def test_a_regression_is_one_unit_whose_activation_can_be_changed(units, switch, kind):
    y = targets(high=3.5, whole=False)
    found = verdict(head(SPARSE, units, y=y, activation="own", switch=switch))
    assert (found.remedy and found.remedy.kind) == kind


@pytest.mark.parametrize(("activation", "code"), [("sigmoid", ""), ("tanh", "from_logits=True")])
def test_two_classes_in_one_unit_take_what_the_activation_gives(activation, code):
    found = verdict(head(SPARSE, 1, y=targets(), activation=activation))
    assert found.remedy.value == f"keras.losses.BinaryCrossentropy({code})"


# --- shares ---------------------------------------------------------------------------------------

OF_SHARES = {
    "fit": (targets(shape=(5,)), 5, SHARES, None),
    "a little out": (targets(shape=(5,), low=-0.0009, high=1.0009, whole=False), 5, SHARES, None),
    "out": (targets(shape=(5,), high=1.0011, whole=False), 5, SHARES, "# a regression"),
    "below": (targets(shape=(5,), low=-0.0011, whole=False), 5, SHARES, "# a regression"),
    "numbers": (targets(shape=(), high=4.0), 5, SHARES, "SparseCategoricalCrossentropy(), "),
    "column": (targets(shape=(1,), high=4.0), 5, SHARES, "SparseCategoricalCrossentropy(), "),
    "column of 0 and 1": (targets(shape=(1,)), 5, SHARES, "SparseCategoricalCrossentropy(), "),
    "negative numbers": (targets(shape=(), low=-1.0, high=4.0), 5, SHARES, "# a regression"),
    "signs": (targets(low=-1.0), 1, BINARY, "y = (y + 1) / 2"),
    "fractions of signs": (targets(low=-1.0, whole=False), 1, BINARY, "None; model.compile("),
    "1 and 2": (targets(low=1.0, high=2.0), 1, BINARY, "y = y - 1"),
    "-1 and 0": (targets(low=-1.0, high=0.0), 1, BINARY, "y = y + 1"),
    "1 and 3": (targets(low=1.0, high=3.0), 1, BINARY, "# for 4 classes: a unit for each"),
    "99 classes": (targets(high=99.0), 1, BINARY, "# for 100 classes"),
    "100 and more": (targets(high=100.0), 1, BINARY, "None; model.compile("),
    "in two units": (targets(shape=(2,), high=3.0), 2, BINARY, "# a regression"),
    "negative classes": (targets(low=-2.0, high=3.0), 1, BINARY, "None; model.compile("),
    "bytes": (targets(high=255.0), 1, BINARY, "y = y / 255.0"),
    "negative bytes": (targets(low=-1.0, high=255.0), 1, BINARY, "None; model.compile("),
    "fractions of bytes": (targets(high=255.0, whole=False), 1, BINARY, "None; model.compile("),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_SHARES)
def test_shares_lie_between_zero_and_one(name):
    y, units, loss, line = OF_SHARES[name]
    found = verdict(head(loss, units, y=y, **PROBABILITIES | {"activation": "own"}))
    if line is None:
        assert found is None
    else:
        assert (found.cause, found.where) == ("bad_targets", "targets")
        assert line in found.fix


@pytest.mark.parametrize(("low", "high"), [(-1e-3, 1.0), (0.0, 1.001), (-1e-3, 1.001)])
def test_half_precision_may_miss_zero_and_one_by_a_thousandth(low, high):
    y = targets(shape=(3,), low=low, high=high, whole=False)
    assert verdict(head(SHARES, 3, y=y, low=low, high=high, **PROBABILITIES)) is None


@pytest.mark.parametrize(
    ("shape", "named"), [((7,), True), ((7, 1), True), ((7, 2), False), ((), False), ((1,), False)]
)
def test_numbers_of_classes_have_the_positions_of_the_output(shape, named):
    y = targets(shape=shape, high=4.0)
    one = head(SHARES, shape=(7, 5), is_layer=False, switch=None, y=y, **PROBABILITIES)
    assert ("SparseCategorical" in str(verdict(one))) is named


def test_logits_stay_logits_where_the_loss_changes():
    labels = targets(shape=(), high=4.0)
    found = verdict(head(SHARES, 5, y=labels, from_logits=True))
    assert found.remedy.value == "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
    one_hot = targets(shape=(5,), sums_to_one=True)
    found = verdict(head(SPARSE, 5, y=one_hot, from_logits=True))
    assert found.remedy.value == "keras.losses.CategoricalCrossentropy(from_logits=True)"


# --- values ---------------------------------------------------------------------------------------

OF_VALUES = {
    "fit": (targets(), {}, None),
    "outside of few": (targets(outside_share=0.05), {}, None),
    "outside of more": (targets(outside_share=0.051), {}, "activation = keras.activations.linear"),
    "bytes": (targets(outside_share=0.9, high=255.0), {"reach": (0.0, 1.0)}, "y = y / 255.0"),
    "bytes, tanh": (targets(outside_share=0.9, high=255.0), {"reach": (-1.0, 1.0)}, "y = y / 255"),
    "bytes, relu6": (targets(outside_share=0.9, high=255.0), {"reach": (0.0, 6.0)}, "linear"),
    "up to 254": (targets(outside_share=0.9, high=254.0), {"reach": (0.0, 1.0)}, "linear"),
    "shape": (targets(shape=(2,)), {}, "# give targets and output one shape"),
    "without the last axis": (targets(shape=()), {}, None),
    "large": (targets(rms=1.1e5), {}, "y = (y - y.mean(axis=0)) / (y.std(axis=0) + 1e-7)"),
    "not so large": (targets(rms=0.9e5), {}, None),
    "large, logarithmic": (targets(rms=1.1e5), {"loss": MSLE}, None),
    "zeros": (targets(zero_share=0.01), {"loss": MAPE}, "loss='mae'"),
    "a quarter of zeros": (targets(zero_share=0.25), {"loss": MAPE}, "loss='mae'"),
    "exactly large": (targets(rms=1e5), {}, None),
    "positions": (targets(shape=(7, 1)), {"shape": (7,)}, None),
    "other positions": (targets(shape=(6, 1)), {"shape": (7,)}, "# give targets and output one"),
    "no zeros": (targets(zero_share=0.0), {"loss": MAPE}, None),
    "zeros, squares": (targets(zero_share=0.5), {}, None),
    "-1": (targets(low=-1.0), {"loss": MSLE}, "loss='mse'"),
    "-0.9": (targets(low=-0.9), {"loss": MSLE}, None),
    "counts": (targets(low=-0.1), {"loss": "poisson"}, "# use counts, or another loss"),
    "no counts": (targets(low=0.0), {"loss": "poisson"}, None),
    "unknown loss": (targets(rms=1e9, outside_share=1.0), {"loss": "own"}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_VALUES)
def test_a_regression_takes_values_that_the_output_can_reach(name):
    y, fields, line = OF_VALUES[name]
    found = verdict(head(**{"loss": MSE, "y": y} | fields))
    if line is None:
        assert found is None
    else:
        assert (found.cause, found.where) == ("bad_targets", "targets")
        assert line in found.fix


def test_zeros_are_told_in_percent():
    found = verdict(head(MAPE, y=targets(zero_share=0.25)))
    assert "25 % of them are 0" in found.evidence


def test_one_unit_of_a_softmax_is_constant_and_its_targets_are_not_to_blame():
    found = judge(
        Signals((), 60, 1.0, 0, loss=1.0, heads=(head(MSE, y=targets(), **PROBABILITIES),))
    )
    assert [one.cause for one in found] == ["constant_output"]


@pytest.mark.parametrize(
    ("units", "sums", "activation", "named"),
    [
        (2, False, "softmax", True),
        (3, False, "softmax", True),
        (3, True, "softmax", False),
        (3, False, "sigmoid", False),
    ],
)
def test_targets_of_a_softmax_sum_to_one(units, sums, activation, named):
    y = targets(shape=(units,), sums_to_one=sums)
    found = cause(head(MSE, units, y=y, activation=activation))
    assert (found == "bad_targets") is named


@pytest.mark.parametrize(
    ("shape", "whole", "line"),
    [
        ((), True, "SparseCategoricalCrossentropy())"), ((1,), True, "SparseCategorical"),
        ((2, 2), True, "# give"), ((), False, "# give"),
    ],
    ids=str,
)  # fmt: skip
def test_numbers_of_classes_meet_a_softmax(shape, whole, line):
    y = targets(shape=shape, whole=whole)
    found = verdict(head(MSE, 3, y=y, activation="softmax"))
    assert line in found.fix
    if "give" in line:
        told = "(batch, 2, 2)" if shape else "(batch,)"
        assert f"targets of shape {told} meet an output of shape (batch, 3)" in found.evidence


# --- several outputs ------------------------------------------------------------------------------


def test_of_several_outputs_the_change_is_told_and_not_applied():
    fine = head(MSE, name="fine", switch=None, high=0.0, y=targets())
    found = verdict(fine, head(BINARY, y=targets(low=-1.0), **PROBABILITIES | {"activation": "s"}))
    assert (found.cause, found.where) == ("bad_targets", "targets of out")
    assert found.remedy is None
    assert found.fix == "# of out: y = (y + 1) / 2; 0 and 1 instead of -1 and 1"
    logits = verdict(fine, head(SPARSE, 3))
    assert (logits.where, logits.remedy) == ("out", None)
    assert logits.fix.startswith("# of out: loss keras.losses.SparseCategoricalCrossentropy(from")
    # An activation is that of one layer, whatever else there is.
    relu = verdict(fine, head("poisson", low=-1.0))
    assert relu.remedy.value == "softplus"


def test_the_size_of_targets_is_that_of_numpy():
    found = measured_head(np.array([[-2.0], [0.0], [7.0]])).targets
    assert (found.low, found.high, found.zero_share) == (-2.0, 7.0, pytest.approx(1 / 3))


@pytest.mark.parametrize("steps", [3, 5])
def test_one_target_a_sequence_asks_for_the_last_step(steps):
    lstm = layers.LSTM(8, return_sequences=True)
    model = keras.Sequential([keras.Input((steps, 4)), lstm, layers.Dense(3)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, steps, 4)), rng.standard_normal((8, 3))
    found = kerasinit.diagnose(model, x, y).verdicts
    assert "`return_sequences=False`" in found[0].fix
