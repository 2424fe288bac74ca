"""An advised learning rate trains well, is explained, and changes nothing."""

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit.preparation import RateCurve
from kerasinit.preparation._rate_rule import FACTOR, chosen, going_on, rates_around

from .models import CLASSES, X, classifier, state_of


def test_the_advice_says_what_it_was_chosen_from_and_changes_nothing():
    model = classifier(metrics=["accuracy"])
    before = state_of(model)
    advice = kerasinit.learning_rate(model, X, CLASSES)
    assert state_of(model) == before
    low, high = advice.range
    assert low <= advice.rate <= high
    assert advice.rate in [curve.rate for curve in advice.curves]
    assert advice.cost.steps <= 150
    text = str(advice)
    assert f"{advice.rate:.2g}" in text
    assert "150" not in text or str(advice.cost.steps) in text
    assert str(advice.cost) in " ".join(text.split())
    assert "<pre>" in advice._repr_html_()
    assert advice.to_dict()["optimizer"] == "SGD"


def test_the_same_question_has_the_same_answer():
    first, second = (kerasinit.learning_rate(classifier(depth=0), X, CLASSES) for _ in range(2))
    assert first.range == second.range


def test_a_model_that_is_not_compiled_is_given_what_it_trains_with():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    before = {name: id(value) for name, value in vars(model).items()}
    options = {"loss": "mse", "optimizer": keras.optimizers.Adam(1e-9)}
    advice = kerasinit.learning_rate(model, X, X.sum(axis=1), **options)
    assert {name: id(value) for name, value in vars(model).items()} == before
    assert advice.own_rate == pytest.approx(1e-9)
    assert advice.rate > 1e-4


def test_the_plot_has_a_line_for_each_rate():
    pytest.importorskip("plotly", reason="an extra")
    advice = kerasinit.learning_rate(classifier(depth=0), X, CLASSES)
    assert len(advice.plot().data) == len(advice.curves)


def model_with_two_optimizers():
    model = classifier()
    model.d_optimizer = keras.optimizers.Adam()
    return model


def without_weights():
    model = classifier()
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda: keras.Sequential([keras.layers.Dense(1)]), {}, "no weights yet"),
        (lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)]), {}, "not compiled"),
        (classifier, {"loss": "mse"}, "for a model that is not compiled"),
        (model_with_two_optimizers, {}, "several optimizers.*Adam, SGD"),
        (without_weights, {}, "Nothing in .* is trainable"),
    ],
    ids=["unbuilt", "uncompiled", "both", "gan", "frozen"],
)
def test_what_cannot_be_answered_is_refused(make, options, words):
    with pytest.raises(ValueError, match=words):
        kerasinit.learning_rate(make(), X, CLASSES, **options)


def test_rates_lie_around_the_usual_one():
    rates = rates_around(0.01)
    assert len(rates) == 12
    assert np.allclose(np.divide(rates[:-1], rates[1:]), FACTOR)
    assert any(np.isclose(rate, 0.01) for rate in rates)


def test_copies_that_diverged_are_given_up_first():
    losses = np.array([[1.0, np.nan], [1.0, 0.5], [1.0, 2.0], [1.0, 0.9]])
    assert going_on(losses, 2) == [1, 3]


def test_a_rate_that_diverges_is_never_chosen():
    curves = [RateCurve(1.0, (2.0, float("nan"))), RateCurve(0.1, (2.0, 1.0))]
    assert chosen(curves)[0] == 0.1
