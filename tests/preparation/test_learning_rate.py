"""An advised learning rate trains well, is explained, and changes nothing."""

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation import RateCurve
from kerasinit.preparation._rate_rule import (
    FACTOR,
    SAFE,
    chosen,
    going_on,
    is_lower,
    rates_around,
)
from kerasinit.preparation._sharpness import PRODUCTS, _largest_eigenvalue, sharpness_of
from kerasinit.preparation._task import task_of
from kerasinit.preparation._trial import outputs_of

from .models import CLASSES, X, classifier, state_of


def test_the_advice_says_what_it_was_chosen_from_and_changes_nothing():
    model = classifier(metrics=["accuracy"])
    before = state_of(model)
    advice = kerasinit.learning_rate(model, X, CLASSES)
    assert state_of(model) == before
    low, high = advice.range
    assert low <= advice.rate <= high
    assert advice.cost.steps == 147
    text = str(advice)
    assert f"{advice.rate:.2g}" in text
    assert str(advice.cost) in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert "<table>" in advice._repr_html_()
    assert advice.to_dict()["optimizer"] == "SGD"


def test_each_column_of_the_table_compares_the_same_steps():
    advice = kerasinit.learning_rate(classifier(depth=0), X, CLASSES)
    lines = str(advice).splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("rate "))
    assert lines[start].split() == ["rate", "step", "4", "steps", "8-9", "steps", "22-28"]
    rows = [line.split() for line in lines[start + 2 : start + 14]]
    for row, curve in zip(rows, advice.curves, strict=True):
        shown = [float(cell) for cell in row[1:]]
        means = [np.mean(curve.losses[part]) for part in (slice(3, 4), slice(7, 9), slice(21, 28))
                 if part.stop <= len(curve.losses)]  # fmt: skip
        assert shown == pytest.approx(means, rel=1e-3)
    assert lines[start + 14].split() == ["untrained", f"{advice.untrained:.4g}"]


def linear(optimizer):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, "mse")
    return model


def test_the_sharpness_of_linear_regression_is_twice_the_largest_variance():
    x = X * np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0], "float32")
    advice = kerasinit.learning_rate(linear("sgd"), x, X[:, 0], batch_size=len(x))
    largest = 2 * np.linalg.eigvalsh(x.T @ x / len(x))[-1]
    assert advice.sharpness == pytest.approx(largest, rel=0.02)
    assert f"stable up to 2 / {advice.sharpness:.3g}" in " ".join(str(advice).split())
    assert advice.rate < advice.stable_below


@pytest.mark.parametrize(
    "optimizer",
    [
        "adam",
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        keras.optimizers.SGD(0.01, clipnorm=1.0),
    ],
    ids=["adam", "nesterov", "clipped"],
)
def test_the_sharpness_sets_no_limit_to_other_optimizers(optimizer):
    advice = kerasinit.learning_rate(linear(optimizer), X, X[:, 0])
    assert advice.sharpness is None
    assert "sharpness" not in str(advice)


def test_momentum_moves_the_limit():
    plain, heavy = (
        kerasinit.learning_rate(linear(keras.optimizers.SGD(0.01, momentum)), X, X[:, 0])
        for momentum in (0.0, 0.9)
    )
    assert heavy.stable_below * heavy.sharpness == pytest.approx(1.9 * 2)
    assert plain.stable_below * plain.sharpness == pytest.approx(2)
    assert f"stable up to 3.8 / {heavy.sharpness:.3g}" in " ".join(str(heavy).split())


def two_layers(std, dtype="float32"):
    start = keras.initializers.RandomNormal(stddev=std, seed=1)
    hidden = keras.layers.Dense(8, kernel_initializer=start, dtype=dtype)
    head = keras.layers.Dense(1, kernel_initializer=start, dtype=dtype)
    model = keras.Sequential([keras.Input((6,)), hidden, head])
    model.compile("sgd", "mse")
    return model


def measured(model, y):
    return sharpness_of(task_of(model), Weights.of(model), (X, y, None), outputs_of(model, X))


def exact_hessian(model, y):
    """Second derivative of the mean square of a net of two linear layers: 2 E[J J' + r J']."""
    first, bias, second, last = (keras.ops.convert_to_numpy(v) for v in model.trainable_variables)
    inputs = np.concatenate([X, np.ones((len(X), 1))], axis=1)  # the bias is one more input
    hidden = X @ first + bias
    by_first = inputs[:, :, None] * second[:, 0]
    rows = [by_first.reshape(len(X), -1), hidden, np.ones((len(X), 1))]
    jacobian = np.concatenate(rows, axis=1)
    hessian = jacobian.T @ jacobian
    weighted = (hidden @ second + last - y).T @ inputs  # d2f / dfirst[i, j] dsecond[j] = inputs[i]
    mixed = np.kron(weighted.T, np.eye(8))
    hessian[:56, 56:64] += mixed
    hessian[56:64, :56] += mixed.T
    return 2 * hessian / len(X)


@pytest.mark.parametrize("std", [0.01, 0.3, 0.0], ids=["small", "usual", "zero"])
def test_the_sharpness_of_two_linear_layers_is_that_of_their_exact_hessian(std):
    y = 3 * X[:, :1] - X[:, 1:2]
    model = two_layers(std)
    largest = np.linalg.eigvalsh(exact_hessian(model, y))[-1]
    assert measured(model, y) == pytest.approx(largest, rel=0.02)


@pytest.mark.parametrize("dtype", ["mixed_float16", "bfloat16"])
def test_half_precision_has_no_sharpness(dtype):
    model = two_layers(0.3, dtype)
    assert measured(model, X[:, :1]) is None


def test_an_eigenvalue_beside_its_negative_is_found():
    values = np.array([5.0, -5.0, *np.linspace(-1, 1, 30)])
    found = _largest_eigenvalue(lambda vector: values * vector, np.ones(32))
    assert found == pytest.approx(5.0, rel=1e-3)
    assert _largest_eigenvalue(lambda vector: -vector, np.ones(PRODUCTS - 2)) == pytest.approx(-1)
    assert _largest_eigenvalue(lambda vector: vector * np.nan, np.ones(4)) == 0


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


def model_with_a_dict_of_optimizers():
    model = classifier()
    model.optimizers = {"of the critic": keras.optimizers.Adam()}
    return model


def without_weights():
    model = classifier()
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda: keras.Sequential([keras.layers.Dense(1)]), {}, "not compiled"),
        (lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)]), {}, "not compiled"),
        (classifier, {"loss": "mse"}, "for a model that is not compiled"),
        (model_with_two_optimizers, {}, "several optimizers.*Adam, SGD"),
        (model_with_a_dict_of_optimizers, {}, "several optimizers.*Adam, SGD"),
        (without_weights, {}, "Nothing in .* is trainable"),
    ],
    ids=["unbuilt", "uncompiled", "both", "gan", "dict", "frozen"],
)
def test_what_cannot_be_answered_is_refused(make, options, words):
    with pytest.raises(ValueError, match=words):
        kerasinit.learning_rate(make(), X, CLASSES, **options)


def test_a_model_of_one_batch_size_is_given_batches_of_that_size():
    inputs = keras.Input((4,), batch_size=6)
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).standard_normal((20, 4)).astype("float32")
    assert kerasinit.learning_rate(model, x, x[:, :1]).batch_size == 6


def test_a_model_that_was_built_by_a_call_is_given_batches_of_the_size_asked_for():
    model = keras.Sequential([keras.layers.Dense(1)])
    model(X[:1])
    model.compile("sgd", "mse")
    assert kerasinit.learning_rate(model, X, X[:, :1], batch_size=16).batch_size == 16


def test_missing_targets_are_named():
    with pytest.raises(ValueError, match=r"compares its outputs with targets\. Received: y=None"):
        kerasinit.learning_rate(classifier(), X)


def test_rates_lie_around_the_usual_one():
    rates = rates_around(0.01)
    assert len(rates) == 12
    assert np.allclose(np.divide(rates[:-1], rates[1:]), FACTOR)
    assert any(np.isclose(rate, 0.01) for rate in rates)


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ((np.nan, 0.5, 2.0, 0.9, 3.0), [1, 2, 3]),
        ((0.4, 400.0, 0.6, 0.5, 3.0), [2, 3, 4]),  # what blew up came back as a constant
        ((2.0, 2.0, 400.0, 0.5, 3.0), [3, 4]),
        ((np.nan, np.inf, 0.6, 0.5, 3.0), [2, 3, 4]),
        ((0.1, 0.2, 0.3, 0.4, 0.5), [0, 1, 2]),
        ((5.0, 4.0, 1.0, 1.0, 1.0), [2, 3, 4]),
        ((5.0, 1.0, 1.0, 1.0, 1.0), [1, 2, 3]),
    ],
)
def test_the_best_and_its_neighbours_go_on_and_the_highest_while_none_is_better(ends, kept):
    assert going_on(np.array([[end] * 4 for end in ends]), 3) == kept


def curves(*ends, steps=8):
    return [RateCurve(FACTOR**-i, (2.0,) * (steps - 2) + (end, end)) for i, end in enumerate(ends)]


STILL = np.full(2, 2.0)


def test_a_mean_over_a_loss_that_is_not_finite_is_infinite_after_any_number_of_steps():
    curve = RateCurve(1.0, (1.0, np.nan, 3.0, 1.0, 2.0, 2.0, 2.0, 4.0))
    assert [curve.end_after(steps) for steps in (1, 2, 8)] == [1.0, np.inf, 3.0]
    assert curve.end == 3.0


def test_the_rate_is_a_share_of_the_highest_that_the_batches_cannot_tell_from_the_best():
    found = [
        RateCurve(1.0, (2.0,) * 6 + (1.0, 1.1)),
        RateCurve(0.5, (2.0,) * 6 + (0.5, 0.9)),  # now better, now worse than the next one
        RateCurve(0.25, (2.0,) * 6 + (0.6, 0.7)),
    ]
    rate, (low, high), why = chosen(found, STILL, 1.0)
    assert why.startswith("at 0.5, the loss after 8 steps is the lowest")
    assert (rate, low) == pytest.approx((SAFE * 0.5, SAFE * 0.5 / FACTOR))
    assert rate < high < 0.5


def test_a_rate_that_diverges_is_never_advised():
    rate, _, why = chosen(curves(float("nan"), 1.0), STILL, 1.0)
    assert rate == pytest.approx(SAFE / FACTOR)
    assert ", the lowest" in why


def after_28_steps(*ends):
    """Curves at rates from 1 downwards, with these losses at the end."""
    return [RateCurve(FACTOR**-i, (1.0,) * 21 + tuple(end)) for i, end in enumerate(ends)]


JUMPING, WORSE, FALLING = [0.45] * 6 + [1e4], [0.9] * 7, np.linspace(0.5, 0.4, 7)
LEVEL = np.resize([0.46, 0.45], 7)  # as low as the lowest within the batches


@pytest.mark.parametrize(
    ("ends", "highest"),
    [
        ((JUMPING, FALLING, FALLING), 1),
        ((LEVEL, WORSE, FALLING, FALLING), 2),
        ((JUMPING, WORSE, FALLING, FALLING), 2),
        ((LEVEL, FALLING, FALLING), 0),
    ],
    ids=["jumps", "behind-a-worse-one", "both", "neither"],
)
def test_the_highest_rate_neither_jumps_nor_lies_behind_a_worse_one(ends, highest):
    rate, _, _ = chosen(after_28_steps(*ends), np.ones(7), 1.0)
    assert rate == pytest.approx(SAFE * FACTOR**-highest)


def test_no_rate_is_advised_above_one_at_which_the_loss_blew_up():
    blown = RateCurve(FACTOR**-1, (2.0, 900.0, *[0.1] * 6))
    found = [RateCurve(1.0, (2.0,) * 6 + (0.1, 0.1)), blown, *curves(0, 0, 1.5, 1.9)[2:]]
    assert chosen(found, STILL, 1.0)[0] == pytest.approx(SAFE * FACTOR**-2)


def test_where_nothing_falls_a_rate_that_jumps_does_harm():
    batches = np.resize([1.0, 1.1], 7)
    found = after_28_steps([*batches[:6], 1e4], batches, batches)
    assert chosen(found, batches, 1.0)[0] == pytest.approx(1 / FACTOR)


def test_where_nothing_falls_the_usual_rate_is_advised_unless_it_harms():
    rate, _, why = chosen(curves(2.0, 2.0, 2.0, 2.0), STILL, 1 / FACTOR)
    assert rate == pytest.approx(1 / FACTOR)
    assert "at no rate does the loss fall" in why
    worse = RateCurve(1 / FACTOR, (3.0,) * 8)
    harmed = [*curves(2.0), worse, *curves(2.0, 2.0, 2.0, 2.0)[2:]]
    assert chosen(harmed, STILL, 1 / FACTOR)[0] == pytest.approx(FACTOR**-2)


def test_losses_are_lower_only_beyond_the_spread_of_the_batches():
    noise = np.random.default_rng(0).standard_normal(12)
    assert is_lower(noise - 0.1, noise)  # the same batches: no spread at all
    assert not is_lower(noise[::-1] - 0.1, noise)
    assert is_lower(noise, np.full(12, np.nan))
    assert not is_lower(np.full(12, np.nan), noise)


@pytest.mark.parametrize("call", [kerasinit.prepare, kerasinit.learning_rate, kerasinit.diagnose])
@pytest.mark.parametrize("model", ["a name", keras.Sequential], ids=["text", "class"])
def test_what_is_no_model_is_told_so(call, model):
    with pytest.raises(TypeError, match="`model` must be a built Keras model"):
        call(model, X, CLASSES)


class OwnNames(keras.Model):
    """Calls a layer `inputs`, and reads the name of an activation."""

    def __init__(self):
        super().__init__()
        self.inputs = keras.layers.Dense(8, "relu")
        self.head = keras.layers.Dense(3, "softmax")

    def call(self, x):
        x = self.inputs(x)
        assert self.inputs.activation.__name__ == "relu"
        return self.head(x)


@pytest.mark.parametrize("call", [kerasinit.prepare, kerasinit.learning_rate, kerasinit.diagnose])
def test_names_that_a_model_uses_for_itself_are_not_taken_for_keras(call):
    model = OwnNames()
    model.compile("adam", "sparse_categorical_crossentropy")
    model(X[:2])
    assert call(model, X, CLASSES) is not None


def test_a_fall_to_equal_shares_of_all_classes_is_no_progress():
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(24, "sigmoid") for _ in range(12)]
    model = keras.Sequential([keras.Input((6,)), *hidden, keras.layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    kerasinit.initialize(model, seed=0)
    labels = np.random.default_rng(1).permutation(np.arange(len(X)) % 3)  # of nothing in X
    advice = kerasinit.learning_rate(model, X, labels)
    assert advice.untrained > np.log(3) + 0.05
    assert not advice.falls
    assert "too few to tell" in advice.reason


def test_copies_of_a_large_model_begin_anew_and_lead_to_the_same_advice(monkeypatch):
    model = classifier()
    kept = kerasinit.learning_rate(model, X, CLASSES)
    monkeypatch.setattr("kerasinit.preparation._rate_search.MOST_BYTES", 0)
    anew = kerasinit.learning_rate(model, X, CLASSES)
    assert (kept.cost.steps, anew.cost.steps) == (147, 202)
    assert anew.rate == kept.rate
    for one, other in zip(anew.curves, kept.curves, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-5)


def test_an_optimizer_that_divides_by_its_rate_is_compared_with_the_untrained_model():
    model = classifier(optimizer=keras.optimizers.Ftrl())
    untrained = kerasinit.learning_rate(model, X, CLASSES).untrained
    model.compile("sgd", model.loss)
    assert untrained == pytest.approx(kerasinit.learning_rate(model, X, CLASSES).untrained)
