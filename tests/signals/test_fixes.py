"""Fixes are lines of code that run, and what they run on is named."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.signals import LayerStep, Setup, TrainingStep, judge_window

X = np.random.default_rng(0).standard_normal((64, 8)).astype("float32")
CLASSES = np.arange(64) % 4


def compiled(*stack, loss="sparse_categorical_crossentropy", optimizer="adam"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), *stack])
    model.compile(optimizer, loss)
    return model


def first_of(model, x=X, y=CLASSES):
    return kerasinit.diagnose(model, x, y).verdicts[0]


def run(verdict, model, x=X, y=CLASSES):
    """Runs the line as a user would; returns what it left of `x`."""
    names = {"model": model, "x": x, "y": y, "np": np, "keras": keras, "kerasinit": kerasinit}
    exec(verdict.fix.partition("  #")[0], names)
    return names["x"]


def causes_of(model, x=X, y=CLASSES):
    return [verdict.cause for verdict in kerasinit.diagnose(model, x, y).verdicts]


def test_a_penalty_is_taken_away():
    strong = {"kernel_regularizer": keras.regularizers.L2(10.0)}
    hidden = layers.Dense(16, "relu", activity_regularizer=keras.regularizers.L2(10.0), **strong)
    model = compiled(hidden, layers.Dense(4, "softmax", **strong))
    verdict = first_of(model)
    assert verdict.cause == "unexpected_loss"
    run(verdict, model)
    assert causes_of(model) == []
    assert not model.losses


@pytest.mark.parametrize("rank", [0, 2])
def test_an_output_far_too_large_is_scaled(rank):
    head = layers.Dense(
        4, "softmax", name="head", kernel_initializer=keras.initializers.RandomNormal(stddev=50.0)
    )
    model = compiled(layers.Dense(16, "relu"), layers.Dense(16, "relu"), head)
    if rank:  # its `kernel` is computed from the base and the two factors
        head.enable_lora(rank)
        model.compile("adam", "sparse_categorical_crossentropy")
    verdicts = [v for v in kerasinit.diagnose(model, X, CLASSES).verdicts if "weights" in v.fix]
    assert [v.cause for v in verdicts] == ["unexpected_loss"]
    run(verdicts[0], model)
    assert kerasinit.diagnose(model, X, CLASSES).signals.loss < 6


def test_softmax_in_hidden_layers_is_replaced():
    model = compiled(
        *(layers.Dense(64, "softmax") for _ in range(3)), layers.Dense(4, "softmax", name="head")
    )
    verdict = first_of(model)
    assert verdict.cause == "vanishing"
    run(verdict, model)
    assert "vanishing" not in causes_of(model)


def test_zero_embeddings_are_drawn():
    stack = (
        layers.Embedding(9, 16, embeddings_initializer="zeros", name="words"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(8, "relu"),
        layers.Dense(4, "softmax"),
    )
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *stack])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).integers(0, 9, (64, 5))
    verdict = first_of(model, x)
    assert (verdict.cause, verdict.where) == ("symmetric", "words")
    run(verdict, model, x)
    assert "symmetric" not in causes_of(model, x)


def test_several_inputs_are_scaled_by_one_line():
    a, b = keras.Input((8,)), keras.Input((8,))
    hidden = layers.Dense(16, "relu")(layers.Concatenate()([a, b]))
    model = keras.Model([a, b], layers.Dense(4, "softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    far = [1e4 * X + 3e4, 1e4 * X]
    verdict = first_of(model, far)
    assert verdict.cause == "unscaled_input"
    assert causes_of(model, run(verdict, model, far)) == []


def test_a_state_that_runs_away_is_kept():
    steps = np.random.default_rng(0).standard_normal((64, 60, 8)).astype("float32")
    grown = keras.initializers.RandomNormal(stddev=0.5)
    model = keras.Sequential(
        [
            keras.Input((60, 8)),
            layers.SimpleRNN(16, activation="relu", recurrent_initializer=grown, name="loop"),
            layers.Dense(4, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    verdict = next(v for v in kerasinit.diagnose(model, steps, CLASSES).verdicts if v.remedy)
    assert (verdict.cause, verdict.where) == ("exploding", "loop")
    run(verdict, model, steps)
    assert "exploding" not in causes_of(model, steps)


# --- what is named ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "metric", "y"),
    [
        ("sparse_categorical_crossentropy", "sparse_categorical_accuracy", np.eye(4)[CLASSES]),
        ("categorical_crossentropy", "categorical_accuracy", CLASSES),
    ],
    ids=["one-hot", "numbers"],
)
def test_a_loss_of_other_targets_comes_without_the_metrics_of_the_old_ones(loss, metric, y):
    model = compiled(layers.Dense(16, "relu"), layers.Dense(4, "softmax"))
    model.compile("adam", loss, metrics=[metric])
    run(first_of(model, y=y), model, y=y)
    assert causes_of(model, y=y) == []
    assert 0 < max(model.fit(X, y, epochs=9, verbose=0).history["accuracy"]) <= 1


def test_samples_that_are_all_the_same_are_named():
    verdict = first_of(compiled(layers.Dense(16, "relu"), layers.Dense(4, "softmax")), 0 * X)
    assert (verdict.cause, verdict.where) == ("constant_output", "input")


def test_the_same_input_for_the_same_target_is_nothing_to_name():
    model = compiled(layers.Dense(16, "relu"), layers.Dense(1), loss="mse")
    verdicts = kerasinit.diagnose(model, np.ones_like(X), np.ones((64, 1), "float32")).verdicts
    assert "input" not in [verdict.where for verdict in verdicts]


def test_a_divergence_of_negative_outputs_is_named():
    model = compiled(layers.Dense(16, "relu"), layers.Dense(4, name="head"), loss="kl_divergence")
    shares = np.eye(4, dtype="float32")[CLASSES]
    verdict = first_of(model, X, shares)
    assert (verdict.cause, verdict.where) == ("bad_loss", "head")
    run(verdict, model, X, shares)
    assert causes_of(model, X, shares) == []


def test_shares_that_are_given_to_a_loss_of_logits_are_named():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Behind the last layer, TensorFlow's losses do not find the logits themselves.
    stack = (layers.Dense(16, "relu"), layers.Dense(4), layers.Softmax(), layers.Rescaling(1.0))
    assert first_of(compiled(*stack, loss=loss)).cause == "bad_loss"


def steps_of(ratios, losses):
    return [
        TrainingStep(k, loss, (LayerStep("one", 1.0, 1.0, update_ratio=ratio),))
        for k, (ratio, loss) in enumerate(zip(ratios, losses, strict=True))
    ]


@pytest.mark.parametrize(("end", "named"), [(0.8, True), (0.1, False)])
def test_a_schedule_that_runs_out_is_named_where_the_training_has_not_come_far(end, named):
    ratios = [1e-2 * 0.3**k for k in range(60)]
    steps = steps_of(ratios, [2.0 * end + 2.0 * (1 - end) * 0.3**k for k in range(60)])
    verdicts = judge_window(steps[-20:], opening=steps[:20], best_loss=2.0 * end)
    assert ("small_updates" in [verdict.cause for verdict in verdicts]) == named


def test_a_factor_of_the_rate_is_put_on_a_schedule_by_a_line():
    steps = steps_of([1e-2, 0.2, 0.4, 2.0, 40.0], [2.0, 2.0, 2.0, 2.0, float("nan")])
    verdict, *_ = judge_window(steps, first_loss=2.0, setup=Setup(is_scheduled=True))
    assert (verdict.cause, "/ 10" in verdict.fix) == ("large_updates", True)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
    model = compiled(layers.Dense(4, "softmax"), optimizer=keras.optimizers.SGD(schedule))
    run(verdict, model)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
