"""The scalar that the probe differentiates."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasinit.signals._probe_loss import chance_loss, doubles_with_batch, guessed_loss, projection

PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize(
    ("y", "y_pred", "name"),
    [
        (np.array([0, 2]), PROBABILITIES, "sparse_categorical_crossentropy"),
        (np.array([[0], [2]]), PROBABILITIES, "sparse_categorical_crossentropy"),
        (np.eye(3)[:2], PROBABILITIES, "categorical_crossentropy"),
        (np.array([0, 1]), PROBABILITIES[:, :1], "binary_crossentropy"),
        (np.array([[0, 1, 1], [1, 1, 0]]), PROBABILITIES, "binary_crossentropy"),
        (np.array([0.3, 1.7]), PROBABILITIES[:, :1], "mean_squared_error"),
        (np.array([[0.3, 1.7, -2.0]] * 2), PROBABILITIES, "mean_squared_error"),
    ],
)
def test_the_loss_is_guessed_from_targets_and_outputs(y, y_pred, name):
    assert guessed_loss(y, y_pred).name == name


@pytest.mark.parametrize(
    ("outputs", "logits"), [(PROBABILITIES, False), (np.log(PROBABILITIES), True)]
)
def test_outputs_that_are_no_probabilities_are_logits(outputs, logits):
    assert guessed_loss(np.array([0, 2]), outputs).get_config()["from_logits"] is logits


def test_several_outputs_cannot_be_guessed():
    with pytest.raises(ValueError, match="several outputs cannot be guessed"):
        guessed_loss([np.zeros(2)], [np.zeros(2)])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("sparse_categorical_crossentropy", np.log(3)),
        (keras.losses.CategoricalCrossentropy(), np.log(3)),
        (keras.losses.categorical_crossentropy, np.log(3)),
        ("binary_crossentropy", np.log(2)),
        ("mse", None),
        ({"a": "mse"}, None),
    ],
)
def test_chance_is_the_logarithm_of_the_number_of_classes(loss, expected):
    assert chance_loss(loss, PROBABILITIES) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(("reduction", "doubles"), [("sum", True), ("sum_over_batch_size", False)])
def test_a_sum_doubles_with_the_batch(reduction, doubles):
    loss = keras.losses.MeanSquaredError(reduction=reduction)
    y, y_pred = ops.zeros((4, 2)), ops.ones((4, 2))
    assert doubles_with_batch(loss, y, y_pred) is doubles


def test_the_projection_is_the_same_each_time_and_never_blind():
    outputs = ops.zeros((4, 3))
    assert float(projection(outputs)) == 0.0
    one = float(projection(outputs + 1.0))
    assert one == float(projection(outputs + 1.0)) != 0.0
