"""The bias of an output is the best constant answer, where that is known."""

import keras
import numpy as np
import pytest
from keras import layers, losses

from kerasinit.models._scene import scene_of
from kerasinit.preparation._batches import batches_of
from kerasinit.preparation._label_prior import NEAR, Unsure, narrowing, prior_of
from kerasinit.preparation._output_bias import bias_rows
from kerasinit.preparation._task import task_of
from kerasinit.preparation._trial import outputs_of

FRAUD = np.repeat([1, 0], [492, 284_315])  # the card frauds of keras#20357
THREE = np.array([0, 0, 0, 1, 1, 2, 2, 2])
WEIGHTS = np.array([1, 1, 2, 1, 3, 1, 1, 1])
VALUES = np.array([[1.0, -2.0], [2.0, 0.0], [9.0, 5.0]])


def rows_of(model, x, y, weight=None):
    batches = batches_of(x, y, weight, batch_size=8, steps=2)
    return bias_rows(
        task_of(model), scene_of(model), batches, outputs_of(model, batches.items[0][0])
    )


def test_frauds_start_from_their_log_odds_and_the_loss_from_their_entropy():
    head = layers.Dense(1, "sigmoid", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), head])
    model.compile("adam", "binary_crossentropy")
    x = np.zeros((len(FRAUD), 2), "float32")
    ((bias, row),) = rows_of(model, x, FRAUD)
    assert row.values == pytest.approx((-6.3593593,), abs=1e-6)
    bias.assign(row.values)
    step_0 = model.evaluate(x, FRAUD, batch_size=len(FRAUD), verbose=0)
    assert step_0 == pytest.approx(0.0127147, abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "activation", "targets", "weights", "expected"),
    [
        ("bce", "sigmoid", THREE[:5] > 0, None, [np.log(2 / 3)]),
        (losses.BinaryCrossentropy(from_logits=True), None, THREE[:5] > 0, WEIGHTS[:5], [0.0]),
        ("sparse_categorical_crossentropy", "softmax", THREE, None, np.log([3 / 8, 1 / 4, 3 / 8])),
        ("categorical_crossentropy", "softmax", np.eye(3)[THREE], WEIGHTS,
         np.log([4, 4, 3]) - np.log(11)),
        (losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2), None, THREE, None,
         np.log(np.array([3, 2, 0.5]) / 5.5)),
        (losses.CategoricalCrossentropy(label_smoothing=0.3), "softmax", np.eye(2)[[0, 0, 0, 1]],
         None, np.log([0.675, 0.325])),
        ("mse", None, VALUES, None, [4.0, 1.0]),
        (losses.MeanSquaredError, "linear", VALUES, np.array([1, 1, 2]), [5.25, 2.0]),
        ("mae", None, VALUES, None, [2.0, 0.0]),
        ("mae", None, VALUES, np.array([1, 1, 5]), [9.0, 5.0]),
        ("mae", None, np.arange(4.0), None, [1.5]),
    ],
)  # fmt: skip
def test_the_best_constant(loss, activation, targets, weights, expected):
    values, _ = prior_of(loss, activation, targets, len(expected), weights)
    assert values == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "activation"),
    [("mse", None), ("mae", None), ("bce", "sigmoid"),
     (losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2), None)],
)  # fmt: skip
def test_no_other_constant_has_a_lower_loss(loss, activation):
    targets = np.array([0.0, 1.0, 1.0, 0.2, 1.0])[:, None]
    best, _ = prior_of(loss, activation, targets, 1, None)
    compute, apply = losses.get(loss), keras.activations.get(activation)

    def at(value):
        outputs = apply(keras.ops.full(targets.shape, value))
        return float(np.mean(keras.ops.convert_to_numpy(compute(targets, outputs))))

    assert at(float(best[0])) <= min(at(float(best[0]) + shift) for shift in (-0.05, 0.05)) + 1e-7


@pytest.mark.parametrize(
    ("loss", "activation", "targets", "words"),
    [
        ("bce", None, THREE > 1, "from_logits=False behind 'linear'"),
        (losses.BinaryCrossentropy(from_logits=True), "sigmoid", THREE > 1, "behind 'sigmoid'"),
        ("mse", "tanh", VALUES[:, 0], "mean_squared_error behind 'tanh'"),
        ("bce", "sigmoid", THREE - 1, "targets outside of 0..1"),
        ("sparse_categorical_crossentropy", "softmax", THREE, "labels outside"),
        ("huber", None, VALUES[:, 0], "not known"),
        (lambda y, p: y, None, VALUES[:, 0], "loss of your own"),
    ],
)
def test_what_is_not_sure_is_not_guessed(loss, activation, targets, words):
    with pytest.raises(Unsure, match=words):
        prior_of(loss, activation, targets, 1, None)


@pytest.mark.parametrize(
    ("loss", "targets", "weights", "expected"),
    [
        ("mse", [0.0, 0.2], None, 0.1),
        ("mae", [0.0, 0.2, 90.0], [1, 1, 0], 0.1),
        ("mse", [0.0, 0.2], [1, 3], 0.2 * (3 / 16) ** 0.5),
        ("mse", [5.0, 9.0], None, 1.0),
        ("mse", [0.1] * 3, [0.1, 0.2, 0.4], 1.0),
    ],
    ids=["spread", "padding", "weighted", "wide", "constant"],
)
def test_outputs_start_within_a_share_of_the_weighted_spread(loss, targets, weights, expected):
    weights = None if weights is None else np.array(weights)
    found = narrowing(loss, np.array(targets), 1, weights)
    assert found == pytest.approx(NEAR * expected)


def test_outputs_that_are_not_compared_by_distance_are_not_narrowed():
    assert narrowing("bce", np.array([0.0, 0.2]), 1, None) == 1


def two_heads():
    inputs = keras.Input((4,), dtype="int32")
    hidden = layers.Embedding(5, 3, mask_zero=True)(inputs)
    tags = layers.Dense(3, name="tags")(hidden)
    tags = layers.Activation("softmax", dtype="float32", name="shares")(tags)
    amount = layers.Dense(1, name="amount")(layers.GlobalAveragePooling1D()(hidden))
    return keras.Model(inputs, {"tag": tags, "amount": amount})


def test_each_output_has_its_own_and_masked_positions_do_not_count():
    model = two_heads()
    model.compile("sgd", {"tag": "sparse_categorical_crossentropy", "amount": "mae"})
    x = np.tile([1, 2, 0, 0], (8, 1))
    y = {"tag": np.tile([0, 1, 2, 2], (8, 1)), "amount": np.arange(8.0)}
    weight = {"tag": np.ones(8), "amount": np.repeat([0.0, 1.0], 4)}
    (amount, first), (tags, second) = rows_of(model, x, y, weight)
    assert (amount.path, first.values) == ("amount/bias", (5.5,))
    assert tags.path == "tags/bias"
    assert second.values == pytest.approx(np.log(np.array([16, 16, 0.25]) / 32.25), abs=0.02)


def test_each_batch_has_its_own_mask_behind_a_recurrent_layer():
    words = np.random.default_rng(0).integers(0, 4, (16, 5))
    tags = np.where(words == 0, 2, words % 2)
    hidden = [layers.Embedding(4, 2, mask_zero=True), layers.LSTM(2, return_sequences=True)]
    head = layers.Dense(3, "softmax")
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *hidden, head])
    model.compile("sgd", "sparse_categorical_crossentropy")
    ((_, row),) = rows_of(model, words, tags)  # two batches: each sample once
    counts = np.bincount(tags[words > 0]) / np.sum(words > 0)
    assert np.exp(row.values[:2]) == pytest.approx(counts, rel=0.02)  # a third one: half a label
    assert np.exp(row.values[2]) < 0.02


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (lambda: layers.Dense(1, use_bias=False), "has no bias"),
        (lambda: layers.Dense(1, trainable=False), "frozen|not trainable"),
        (lambda: layers.Dense(1, bias_initializer=keras.initializers.Constant(2.0)), "author"),
        (lambda: layers.GlobalAveragePooling1D(keepdims=True), "no bias|output of shape"),
    ],
    ids=["no-bias", "frozen", "constant", "no-weights"],
)
def test_a_bias_that_is_not_free_is_left_alone(head, words):
    model = keras.Sequential([keras.Input((2, 1)), layers.Dense(1), head()])
    model.compile("sgd", "mse")
    ((bias, row),) = rows_of(model, np.ones((8, 2, 1)), np.ones((8, 2, 1)))
    assert bias is None
    assert row.values is None
    assert keras.ops.sum(model.layers[0].bias) == 0
    assert any(word in row.reason for word in words.split("|")), row.reason


def test_an_output_that_no_layer_makes_is_said_to_be_one():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.ops.add(inputs, layers.Dense(2)(inputs)))
    model.compile("sgd", "mse")
    ((bias, row),) = rows_of(model, np.ones((8, 2)), np.ones((8, 2)))
    assert bias is None
    assert row.reason == "no layer makes it: a plain operation does"


def test_the_bias_inside_a_loop_over_steps_is_found():
    head = layers.TimeDistributed(layers.Dense(3, "softmax", name="head"))
    model = keras.Sequential([keras.Input((2, 1)), head])
    model.compile("sgd", "sparse_categorical_crossentropy")
    ((bias, row),) = rows_of(model, np.ones((4, 2, 1)), np.array([[0, 1], [2, 2], [1, 0], [0, 0]]))
    assert bias is head.layer.bias
    assert row.values == pytest.approx(np.log([0.5, 0.25, 0.25]), abs=0.1)
