"""What is said of an output, its targets and its loss: exact values, both sides of each edge."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.signals import LayerSignals, Signals, measure
from kerasinit.signals._heads import HeadSignals, loss_name, reach_of
from kerasinit.signals._probe_loss import chance_loss, guessed_loss, labels_out_of_range
from kerasinit.signals._targets import targets_of

INF = math.inf
UNIT = (0.0, 1.0)


# --- activations ----------------------------------------------------------------------------------

REACHES = {
    "linear": (-INF, INF), "relu": (0.0, INF), "sigmoid": UNIT, "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0), "relu6": (0.0, 6.0), "hard_sigmoid": UNIT, "softmax": UNIT,
    "softplus": (0.0, INF), "elu": (-1.0, INF), "exponential": (0.0, INF), "silu": (-0.2785, INF),
    "leaky_relu": (-INF, INF), "log_softmax": (-INF, INF),
}  # fmt: skip


@pytest.mark.parametrize("name", REACHES)
def test_the_reach_of_an_activation_is_what_it_can_give(name):
    low, high = reach_of(keras.activations.get(name))
    assert low == pytest.approx(REACHES[name][0], abs=3e-3)
    assert high == pytest.approx(REACHES[name][1], abs=2e-3)


@pytest.mark.parametrize(("factor", "end"), [(99.0, 99.0), (101.0, INF)])
def test_what_goes_beyond_a_hundred_has_no_end(factor, end):
    low, high = reach_of(lambda x: factor * keras.ops.tanh(x))
    assert (low, high) == (pytest.approx(-end), pytest.approx(end))


def test_without_an_activation_anything_can_come():
    assert reach_of(None) == (-INF, INF)


# --- targets --------------------------------------------------------------------------------------


def test_targets_have_the_statistics_of_their_finite_values():
    y = np.array([[3.0, np.nan], [-4.0, 0.0], [np.inf, 5.0]])
    found = targets_of(y, (-4.0, 4.0))
    assert found.shape == (2,)
    assert (found.low, found.high) == (-4.0, 5.0)
    assert found.rms == pytest.approx(math.sqrt(50 / 4))
    assert found.std == pytest.approx(np.std([3.0, -4.0, 0.0, 5.0]))
    assert (found.zero_share, found.outside_share) == (0.25, 0.25)
    assert (found.non_finite, found.first_non_finite) == (2, 0)
    assert found.whole
    assert not found.sums_to_one


@pytest.mark.parametrize(
    ("y", "whole"),
    [([1.0, 2.0], True), ([1.0, 2.5], False), ([True, False], True), ([1, 2], True)],
    ids=str,
)
def test_whole_numbers_are_told_by_value_or_by_type(y, whole):
    assert targets_of(np.array(y), UNIT).whole is whole


@pytest.mark.parametrize("y", [["a", "b"], [b"a"], [1j]], ids=repr)
def test_of_targets_that_are_no_numbers_nothing_is_told(y):
    assert targets_of(np.array(y), UNIT) is None


def test_of_targets_without_a_finite_value_zeros_are_told():
    found = targets_of(np.array([np.nan, np.inf]), UNIT)
    assert (found.low, found.high, found.rms, found.non_finite) == (0.0, 0.0, 0.0, 2)


@pytest.mark.parametrize(
    ("rows", "sums"),
    [
        ([[0.25, 0.75], [1.0, 0.0]], True),
        ([[0.25, 0.7550]], True),
        ([[0.25, 0.77]], False),
        ([[-0.25, 1.25]], False),
        ([[1.0], [1.0]], False),
        ([0.5, 0.5], False),
        ([[0.5, np.nan], [0.5, 0.5]], False),
        ([[0.5, 0.4], [0.5, 0.5]], False),
    ],
    ids=str,
)
def test_shares_sum_to_one_and_are_not_negative(rows, sums):
    assert targets_of(np.array(rows), UNIT).sums_to_one is sums


@pytest.mark.parametrize(
    ("reach", "value", "outside"),
    [
        (UNIT, 1.0005, 0.0), (UNIT, 1.002, 0.5), (UNIT, -0.0005, 0.0), (UNIT, -0.002, 0.5),
        ((0.0, 6.0), 6.005, 0.0), ((0.0, 6.0), 6.007, 0.5), ((-INF, INF), 1e9, 0.0),
        ((0.0, INF), 1e9, 0.0), ((0.0, INF), -0.002, 0.5),
    ],
    ids=str,
)  # fmt: skip
def test_what_an_activation_cannot_give_is_counted_but_for_rounding(reach, value, outside):
    assert targets_of(np.array([0.5, value]), reach).outside_share == outside


def test_a_class_that_is_ignored_counts_nowhere():
    found = targets_of(np.array([2, 255, 1, 255]), UNIT, ignored=255)
    assert (found.low, found.high, found.outside_share) == (1.0, 2.0, 0.5)
    assert targets_of(np.array([255, 255]), UNIT, ignored=255).high == 0.0


# --- heads ----------------------------------------------------------------------------------------


def head(**fields):
    return HeadSignals(**{"name": "head", "shape": (3,)} | fields)


@pytest.mark.parametrize(
    ("fields", "is_probability"),
    [
        ({"reach": UNIT}, True),
        ({"reach": (0.0, 6.0)}, False),
        ({"sums_to_one": True}, True),
        ({"sums_to_one": True, "is_layer": True}, False),
        ({"sums_to_one": True, "shape": (1,)}, False),
        ({"sums_to_one": True, "shape": ()}, False),
        ({"sums_to_one": True, "shape": (2,)}, True),
        ({"sums_to_one": False}, False),
    ],
    ids=str,
)
def test_a_probability_is_told_by_its_reach_or_by_its_sum(fields, is_probability):
    assert head(**fields).is_probability is is_probability


@pytest.mark.parametrize(
    ("fields", "is_one"),
    [
        ({}, True), ({"is_layer": True}, False), ({"shape": (2,)}, False), ({"shape": ()}, True),
        ({"low": 0.9}, False), ({"high": 1.1}, False),
    ],
    ids=str,
)  # fmt: skip
def test_an_output_that_is_always_one_has_one_unit_and_no_known_end(fields, is_one):
    usual = {"shape": (1,), "low": 1.0, "high": 1.0}
    assert head(**usual | fields).is_always_one is is_one


@pytest.mark.parametrize(
    ("activation", "shape", "lone"),
    [("softmax", (1,), True), ("softmax", (2,), False), ("sigmoid", (1,), False)],
)
def test_a_lone_softmax_has_one_unit(activation, shape, lone):
    assert head(activation=activation, shape=shape).is_always_one is lone


def measured(outputs, **compiled):
    """The head of a model whose output are these values."""
    units = outputs.shape[1]
    only = layers.Dense(units, kernel_initializer="identity", name="only")
    model = keras.Sequential([keras.Input((units,)), only])
    model.compile("sgd", **{"loss": "mse"} | compiled)
    (found,) = measure(model, outputs, np.zeros_like(outputs)).heads
    return found


def test_an_output_has_the_extremes_and_the_spread_of_its_values():
    outputs = np.array([[3.0, 1.0], [-3.0, 1.0], [3.0, 1.0], [-3.0, 1.0]], "float32")
    found = measured(outputs)
    assert (found.name, found.shape, found.units) == ("only", (2,), 2)
    assert (found.low, found.high) == (-3.0, 3.0)
    assert found.spread == pytest.approx(3.0 / math.sqrt(5.0))
    assert (found.is_layer, found.switch, found.activation) == (True, "only", None)


def test_an_output_of_zeros_has_no_spread():
    assert measured(np.zeros((4, 2), "float32")).spread == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_no_number_is_read_where_it_is_one(value):
    outputs = np.array([[value, 2.0], [1.0, -1.0]], "float32")
    found = measured(outputs)
    assert np.isfinite([found.low, found.high]).all()


# --- losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (None, ""), ("nothing like this", ""), ("mse", "meansquarederror"),
        (keras.losses.Huber(), "huber"),
        (keras.losses.SparseCategoricalCrossentropy(), "sparsecategoricalcrossentropy"),
        (keras.losses.sparse_categorical_crossentropy, "sparsecategoricalcrossentropy"),
        (lambda y_true, y_pred: 0.0, "<lambda>"),
    ],
    ids=str,
)  # fmt: skip
def test_a_loss_has_its_name_in_small_letters(loss, name):
    assert loss_name(loss) == name


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 2], None), ([0, 3], "from 0 to 3, and there are 3"),
        ([-1, 2], "from -1 to 2, and there are 3"), ([], None), ([0.0, np.nan], None),
        (["a", "b"], None), ([True, False], None), ([3.0], "from 3 to 3"),
    ],
    ids=str,
)  # fmt: skip
def test_labels_lie_between_zero_and_the_number_of_classes(labels, said):
    found = labels_out_of_range("sparse_categorical_crossentropy", np.array(labels), PROBABILITIES)
    assert found is None if said is None else said in found


def test_labels_of_a_class_that_is_ignored_are_in_range():
    def found(ignore):
        loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=ignore)
        return labels_out_of_range(loss, np.array([0, 255, 2]), PROBABILITIES)

    assert found(255) is None
    assert found(0) == "labels run from 2 to 255, and there are 3 classes"


def test_labels_of_another_loss_are_not_read():
    assert labels_out_of_range("mse", np.array([7]), PROBABILITIES) is None


PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], "float32")


@pytest.mark.parametrize(
    ("y", "y_pred", "name", "logits"),
    [
        ([0, 2], PROBABILITIES, "sparse_categorical_crossentropy", False),
        ([0, 2], 2 * PROBABILITIES, "sparse_categorical_crossentropy", True),
        ([0, 2], PROBABILITIES - 0.05, "sparse_categorical_crossentropy", True),
        ([[0], [2]], PROBABILITIES, "sparse_categorical_crossentropy", False),
        ([[0, 1]] * 3, np.full((3, 2, 4), 0.25), "sparse_categorical_crossentropy", False),
        ([[[0], [3]]] * 3, np.full((3, 2, 4), 0.25), "sparse_categorical_crossentropy", False),
        ([[0, 2, 3]] * 3, np.full((3, 2, 4), 0.25), "mean_squared_error", None),
        ([0.5, 2], PROBABILITIES, "mean_squared_error", None),
        (np.eye(3)[:2], PROBABILITIES, "categorical_crossentropy", False),
        ([[0.5, 0.5, 0.0], [0.2, 0.2, 0.6]], PROBABILITIES - 0.4, "categorical_crossentropy", True),
        ([[0.5, 0.5, 0.1], [0.2, 0.2, 0.6]], PROBABILITIES, "mean_squared_error", None),
        ([[1.5, -0.5, 0.0], [0.2, 0.2, 0.6]], PROBABILITIES, "mean_squared_error", None),
        ([[1, 1, 0], [0, 1, 1]], PROBABILITIES, "binary_crossentropy", False),
        ([[1, 1, 0], [0, 1, 1]], 3 * PROBABILITIES, "binary_crossentropy", True),
        ([[1], [0]], PROBABILITIES[:, :1], "binary_crossentropy", False),
        ([[1], [0]], PROBABILITIES[:, :1] - 0.5, "binary_crossentropy", True),
        ([1, 0], np.array([0.2, 0.9]), "binary_crossentropy", False),
        ([[2], [0]], PROBABILITIES[:, :1], "mean_squared_error", None),
    ],
    ids=str,
)
def test_a_loss_is_guessed_by_what_targets_and_outputs_hold(y, y_pred, name, logits):
    found = guessed_loss(np.array(y), y_pred)
    assert found.name == name
    if logits is not None:
        assert found.get_config()["from_logits"] is logits


@pytest.mark.parametrize(
    ("loss", "outputs", "chance"),
    [
        ("categorical_crossentropy", np.zeros((4, 2)), math.log(2)),
        ("categorical_crossentropy", np.zeros((4, 7, 5)), math.log(5)),
        ("categorical_crossentropy", np.zeros((4, 1)), None),
        ("sparse_categorical_crossentropy", np.zeros(4), None),
        ("binary_crossentropy", np.zeros((4, 1)), math.log(2)),
        ("kl_divergence", np.zeros((4, 3)), None),
        ("binary_crossentropy", [np.zeros((4, 1))], None),
    ],
    ids=str,
)
def test_chance_gives_every_class_the_same_probability(loss, outputs, chance):
    assert chance_loss(loss, outputs) == (chance and pytest.approx(chance))


# --- records of the whole model -------------------------------------------------------------------


@pytest.fixture
def signals():
    """Three layers, the first two hidden."""
    usual = {
        "kind": "Dense", "activation": "relu", "units": 4, "samples": 8, "activation_rms": 1.0,
        "activation_mean": 0.5, "activation_std": 0.8, "preactivation_mean_square": 1.0,
        "preactivation_variance": 1.0, "input_rms": 1.0, "gradient_rms": 0.1, "gradient_norm": 1.0,
        "weight_norm": 1.0, "weight_gradient_norm": 1.0, "non_finite_weights": 0,
        "non_finite_outputs": 0,
    }  # fmt: skip
    rows = [LayerSignals(name, **usual, is_output=name == "c") for name in "abc"]
    return Signals(tuple(rows), 8, 1.0, 0, loss=1.0, chance_loss=1.0)


def with_row(signals, number=0, **fields):
    rows = list(signals.layers)
    rows[number] = dataclasses.replace(rows[number], **fields)
    return dataclasses.replace(signals, layers=tuple(rows))


@pytest.mark.parametrize(
    ("fields", "learned"),
    [
        ({"loss": 0.69}, True), ({"loss": 0.71}, False), ({"loss": 1.19, "penalty": 0.5}, True),
        ({"loss": 0.69, "sum_loss": True}, False), ({"loss": None}, False),
        ({"loss": 0.69, "chance_loss": None}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_model_has_learned_when_its_loss_is_below_70_percent_of_chance(signals, fields, learned):
    usual = {"chance_loss": 1.0, "penalty": None, "sum_loss": None}
    assert dataclasses.replace(signals, **usual | fields).has_learned is learned


def test_the_loss_of_the_data_is_the_loss_without_penalties(signals):
    assert dataclasses.replace(signals, loss=3.0, penalty=1.0).data_loss == 2.0
    assert dataclasses.replace(signals, loss=3.0, penalty=None).data_loss == 3.0
    assert dataclasses.replace(signals, loss=None, penalty=1.0).data_loss is None


def test_more_than_a_quarter_of_the_hidden_layers_must_be_normalized(signals):
    row = dataclasses.replace(signals.layers[0], normalized=False)
    rows = [dataclasses.replace(row, name=f"{k}", normalized=k < 1) for k in range(4)]
    head = dataclasses.replace(signals.layers[-1], normalized=True)
    assert not dataclasses.replace(signals, layers=(*rows, head)).is_normalized
    assert dataclasses.replace(signals, layers=(*rows[:3], head)).is_normalized
    assert not dataclasses.replace(signals, layers=(head,)).is_normalized


def test_hidden_layers_are_those_that_are_no_output(signals):
    assert [row.name for row in signals.hidden] == [row.name for row in signals.layers[:2]]


@pytest.mark.parametrize(("share", "symmetric"), [(0.5, True), (0.49, False), (None, False)])
def test_half_of_the_units_make_a_layer_of_copies(signals, share, symmetric):
    row = dataclasses.replace(signals.layers[0], duplicate_share=share)
    assert row.is_symmetric is symmetric


@pytest.mark.parametrize(
    ("fields", "at_zero"),
    [
        ({"weight_norm": 0.0}, True),
        ({"weight_norm": 0.1}, False),
        ({"weight_norm": 0.0, "weight_gradient_norm": 0.0}, False),
        ({"weight_norm": 0.0, "weight_gradient_norm": None}, False),
        ({"weight_norm": 0.0, "duplicate_share": 1.0}, False),
        ({"weight_norm": 0.0, "duplicate_share": 1.0, "is_output": True}, True),
        ({"has_gain": False, "preactivation_mean_square": 0.0}, True),
        ({"has_gain": True, "preactivation_mean_square": 0.0}, False),
        ({"has_gain": False, "preactivation_mean_square": 0.1}, False),
    ],
    ids=str,
)
def test_a_layer_is_zero_on_purpose_where_it_learns_at_once(signals, fields, at_zero):
    usual = {"weight_norm": 1.0, "weight_gradient_norm": 1.0, "duplicate_share": 0.0}
    assert dataclasses.replace(signals.layers[0], **usual | fields).starts_at_zero is at_zero


@pytest.mark.parametrize(
    ("kind", "has_kernel"), [("Dense", True), ("Conv2D", True), ("LSTM", False), ("MyDense", False)]
)
def test_only_layers_of_one_kernel_have_one(signals, kind, has_kernel):
    assert dataclasses.replace(signals.layers[0], kind=kind).has_kernel is has_kernel


def test_a_lone_softmax_is_found_by_its_name_or_because_nothing_learns(signals):
    one = head(shape=(1,), low=1.0, high=1.0)
    softmax = head(shape=(1,), activation="softmax", is_layer=True)
    learning = dataclasses.replace(signals, heads=(one,))
    assert learning.lone_softmax is None
    stuck = with_row(learning, 0, weight_gradient_norm=0.0)
    stuck = with_row(with_row(stuck, 1, weight_gradient_norm=0.0), 2, weight_gradient_norm=None)
    assert stuck.lone_softmax == one
    assert with_row(stuck, 1, weight_gradient_norm=0.1).lone_softmax is None
    assert dataclasses.replace(signals, heads=(head(), softmax)).lone_softmax == softmax


def test_the_path_of_a_second_call_is_that_of_the_layer(signals):
    row = dataclasses.replace(signals.layers[0], name="block/dense (call 2)")
    assert row.path == "block/dense"


def test_the_size_before_an_activation_is_the_root_of_its_square(signals):
    assert (
        dataclasses.replace(signals.layers[0], preactivation_mean_square=9.0).preactivation_rms == 3
    )
