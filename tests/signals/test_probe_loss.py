"""The scalar that `measure` differentiates."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.signals import measure

PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], "float32")


def showing(outputs, **compiled):
    """A model that shows what it is given, such as `outputs`."""
    units = outputs.shape[1]
    inputs = keras.Input((units,))
    only = layers.Dense(units, kernel_initializer="identity", name="only")
    model = keras.Model(inputs, only(inputs))
    if compiled:
        model.compile("sgd", **compiled)
    return model


@pytest.mark.parametrize(
    ("y", "y_pred", "name"),
    [
        (np.array([0, 2]), PROBABILITIES, "sparse_categorical_crossentropy"),
        (np.array([[0], [2]]), PROBABILITIES, "sparse_categorical_crossentropy"),
        (np.eye(3)[:2], PROBABILITIES, "categorical_crossentropy"),
        (np.array([[0], [1]]), PROBABILITIES[:, :1], "binary_crossentropy"),
        (np.array([[0, 1, 1], [1, 1, 0]]), PROBABILITIES, "binary_crossentropy"),
        (np.array([[0.3], [1.7]]), PROBABILITIES[:, :1], "mean_squared_error"),
        (np.array([[0.3, 1.7, -2.0]] * 2), PROBABILITIES, "mean_squared_error"),
    ],
)
def test_the_loss_is_guessed_from_targets_and_outputs(y, y_pred, name):
    signals = measure(showing(y_pred), y_pred, y)
    expected = np.mean(ops.convert_to_numpy(keras.losses.get(name)(ops.cast(y, "float32"), y_pred)))
    assert signals.loss == pytest.approx(expected, rel=1e-4)
    chance = {"binary_crossentropy": np.log(2), "mean_squared_error": None}.get(name, np.log(3))
    assert signals.chance_loss == (chance and pytest.approx(chance))


@pytest.mark.parametrize("y", [np.array([0, 1]), np.array([0.3, 1.7])], ids=["classes", "values"])
def test_targets_may_lack_the_axis_of_a_single_output(y):
    column = measure(showing(PROBABILITIES[:, :1]), PROBABILITIES[:, :1], y[:, None]).loss
    assert measure(showing(PROBABILITIES[:, :1]), PROBABILITIES[:, :1], y).loss == pytest.approx(
        column, rel=1e-5
    )


@pytest.mark.parametrize("function", [np.array, np.log], ids=["shares", "logits"])
def test_outputs_that_are_no_probabilities_are_logits(function):
    outputs = function(PROBABILITIES)
    found = measure(showing(outputs), outputs, np.array([0, 2])).loss
    assert found == pytest.approx(-np.mean(np.log([0.2, 0.8])), rel=1e-4)


def test_several_outputs_cannot_be_guessed():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layers.Dense(2)(inputs), layers.Dense(2)(inputs)])
    with pytest.raises(ValueError, match="several outputs cannot be guessed"):
        kerasinit.diagnose(model, PROBABILITIES, [np.zeros(2), np.zeros(2)])


@pytest.mark.parametrize(
    ("loss", "y", "expected"),
    [
        ("sparse_categorical_crossentropy", np.array([0, 2]), np.log(3)),
        (keras.losses.CategoricalCrossentropy(), np.eye(3)[:2], np.log(3)),
        (keras.losses.categorical_crossentropy, np.eye(3)[:2], np.log(3)),
        ("binary_crossentropy", np.eye(3)[:2], np.log(2)),
        ("mse", np.eye(3)[:2], None),
        ({"only": "mse"}, np.eye(3)[:2], None),
    ],
    ids=["name", "loss", "function", "binary", "mse", "dict"],
)
def test_chance_is_the_logarithm_of_the_number_of_classes(loss, y, expected):
    signals = measure(showing(PROBABILITIES, loss=loss), PROBABILITIES, y)
    assert signals.chance_loss == (expected and pytest.approx(expected))


@pytest.mark.parametrize(("reduction", "doubles"), [("sum", True), ("sum_over_batch_size", False)])
def test_a_sum_doubles_with_the_batch(reduction, doubles):
    model = showing(PROBABILITIES, loss=keras.losses.MeanSquaredError(reduction=reduction))
    assert measure(model, PROBABILITIES, np.zeros((2, 3))).sum_loss is doubles


@pytest.mark.parametrize("x", [np.zeros((4, 3), "float32"), np.ones((4, 3), "float32")])
def test_without_targets_the_gradient_is_the_same_each_time_and_never_nothing(x):
    first, second = (measure(showing(x), x) for _ in range(2))
    assert first.loss is None
    assert first.layers[0].gradient_norm == second.layers[0].gradient_norm > 0
