"""What does not fit together: output, loss and targets. From plain values, and from models."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.signals import Remedy, Signals, judge

from .records import measured_head

LABELS = np.arange(60) % 6
NORMAL = np.random.default_rng(0).standard_normal((60, 1))
SPARSE, BINARY, ONE_HOT = (
    f"{kind}_crossentropy" for kind in ("sparse_categorical", "binary", "categorical")
)


def verdicts_on(y, *, loss, units=1, activation=None):
    """What is said of an output from 0 to 1 and its targets alone."""
    one = measured_head(np.asarray(y), units=units, activation=activation, loss=loss)
    one = dataclasses.replace(one, low=0.0, high=1.0, is_twice=False)
    return judge(Signals((), 60, 1.0, 0, loss=1.0, heads=(one,)))


# targets, loss, units, activation -> cause, beginning of the fix
MISFITS = {
    "prices in a sigmoid": (2e5 + NORMAL, BINARY, 1, "sigmoid", "bad_targets", "model.get_layer("),
    "-1 and 1": (np.sign(NORMAL), BINARY, 1, "sigmoid", "bad_targets", "y = (y + 1) / 2"),
    "1 and 2": (LABELS % 2 + 1, BINARY, 1, "sigmoid", "bad_targets", "y = y - 1"),
    "bytes": (np.arange(256), BINARY, 1, "sigmoid", "bad_targets", "y = y / 255.0"),
    "classes in one unit": (LABELS, BINARY, 1, "sigmoid", "bad_targets", "# for 6 classes"),
    "labels from 1": (LABELS + 1, SPARSE, 6, "softmax", "bad_targets", "y = y - 1"),
    "labels below 0": (LABELS - 1, SPARSE, 6, "softmax", "bad_targets", "y = y + 1"),
    "too few units": (LABELS, SPARSE, 4, "softmax", "bad_targets", "# give out 6 units"),
    "one-hot, sparse loss": (np.eye(6)[LABELS], SPARSE, 6, "softmax", "bad_targets",
                             "model.compile(model.optimizer, loss=keras.losses.Categorical"),
    "labels, one-hot loss": (LABELS, ONE_HOT, 6, "softmax", "bad_targets",
                             "model.compile(model.optimizer, loss=keras.losses.SparseCategorical"),
    "fractions as labels": (NORMAL, SPARSE, 6, "softmax", "bad_targets", "# a regression"),
    "sigmoid, mse": (15 + NORMAL, "mse", 1, "sigmoid", "bad_targets",
                     "model.get_layer('out').activation = keras.activations.linear"),
    "relu, negative": (-5 + NORMAL, "mse", 1, "relu", "bad_targets",
                       "model.get_layer('out').activation = keras.activations.linear"),
    "tanh, large": (9 * NORMAL, "huber", 1, "tanh", "bad_targets", "model.get_layer('out')"),
    "1e8": (1e8 * NORMAL, "mse", 1, None, "bad_targets", "y = (y - y.mean("),
    "zeros, mape": (LABELS % 2, "mape", 1, None, "bad_targets",
                    "model.compile(model.optimizer, loss='mae')"),
    "one unit": (LABELS % 2, ONE_HOT, 1, "sigmoid", "bad_loss",
                 "model.compile(model.optimizer, loss=keras.losses.BinaryCrossentropy()"),
    "logits": (LABELS, SPARSE, 6, None, "bad_loss",
               "model.compile(model.optimizer, loss=keras.losses.SparseCategoricalCrossentropy("
               "from_logits=True))"),
    "softmax over one unit": (LABELS % 2, BINARY, 1, "softmax", "constant_output",
                              "model.get_layer('out').activation = keras.activations.sigmoid"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_misfit_is_named_with_a_line_that_mends_it(name):
    y, loss, units, activation, cause, fix = MISFITS[name]
    first, *_ = verdicts_on(y, loss=loss, units=units, activation=activation)
    assert (first.cause, first.fix[: len(fix)]) == (cause, fix)


FITS = {
    "labels": (LABELS, SPARSE, 6, "softmax"),
    "one-hot": (np.eye(6)[LABELS], ONE_HOT, 6, "softmax"),
    "smoothed": (0.9 * np.eye(6)[LABELS] + 0.1 / 6, ONE_HOT, 6, "softmax"),
    "0 and 1": (LABELS % 2, BINARY, 1, "sigmoid"),
    "grey values": (np.abs(np.tanh(NORMAL)), BINARY, 1, "sigmoid"),
    "several labels": (np.eye(6)[LABELS] + np.eye(6)[::-1][LABELS], BINARY, 6, "sigmoid"),
    "thousands": (5000 + 1000 * NORMAL, "mse", 1, None),
    "0 and 1, mse": (LABELS % 2, "mse", 1, "sigmoid"),
    "counts, relu": (LABELS, "mse", 1, "relu"),
    "a few outliers": (np.r_[np.zeros(59), 2.0], "mse", 1, "sigmoid"),
    "-1 and 1, hinge": (np.sign(NORMAL), "hinge", 1, "tanh"),
}


@pytest.mark.parametrize("name", FITS)
def test_what_fits_is_left_alone(name):
    y, loss, units, activation = FITS[name]
    assert verdicts_on(y, loss=loss, units=units, activation=activation) == ()


def test_a_class_that_is_ignored_is_no_label():
    y = np.where(LABELS == 3, -1, LABELS)
    loss = keras.losses.SparseCategoricalCrossentropy
    assert measured_head(y, units=6, loss=loss()).targets.low == -1
    assert measured_head(y, units=6, loss=loss(ignore_class=-1)).targets.low == 0


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError(), "mean_squared_error"])
def test_a_loss_has_one_name_in_all_its_forms(loss):
    assert measured_head(NORMAL, loss=loss).loss == "meansquarederror"


def test_a_target_that_is_no_number_is_found_by_its_sample():
    y = NORMAL.copy()
    y[41] = np.nan
    first, *_ = verdicts_on(y, loss="mse")
    assert (first.cause, first.where) == ("non_finite", "targets")
    assert "sample 41 (batch 1 of 32" in first.evidence


def small(units, activation, loss, seed=0):
    keras.utils.set_random_seed(seed)
    stack = [layers.Dense(16, "relu"), layers.Dense(units, activation, name="head")]
    model = keras.Sequential([keras.Input((8,)), *stack])
    model.compile("adam", loss)
    return model


APPLIED = {
    "logits": (6, None, "sparse_categorical_crossentropy", LABELS),
    "one_hot": (6, "softmax", "sparse_categorical_crossentropy", np.eye(6)[LABELS]),
    "from_one": (6, "softmax", "sparse_categorical_crossentropy", LABELS + 1),
    "signs": (1, "sigmoid", "binary_crossentropy", np.sign(NORMAL)),
    "range": (1, "tanh", "mse", 7 + NORMAL),
    "prices": (1, "sigmoid", "binary_crossentropy", 3e5 + 1e5 * NORMAL),
}


@pytest.mark.parametrize("name", APPLIED)
def test_the_printed_line_mends_the_program(name):
    units, activation, loss, y = APPLIED[name]
    model, x = small(units, activation, loss), np.random.default_rng(1).standard_normal((60, 8))
    found = kerasinit.diagnose(model, x, y)
    assert found.verdicts[0].cause in ("bad_targets", "bad_loss")
    program = {"model": model, "x": x, "y": y, "keras": keras, "np": np}
    exec(found.verdicts[0].fix, program)
    assert kerasinit.diagnose(model, program["x"], program["y"]).healthy


def test_assert_healthy_raises_with_all_verdicts():
    model, x = small(6, None, "sparse_categorical_crossentropy"), np.ones((60, 8))
    x = x + NORMAL
    with pytest.raises(AssertionError, match=r"not healthy\.\nbad_loss at head"):
        kerasinit.diagnose(model, x, LABELS).assert_healthy()
    small(6, "softmax", "sparse_categorical_crossentropy")
    kerasinit.diagnose(small(6, "softmax", "sparse_categorical_crossentropy"), x).assert_healthy()


WRAPPED = {  # output behind a wrapper, whether it gives probabilities
    "softmax": (lambda: layers.TimeDistributed(layers.Dense(3, "softmax")), True),
    "stack": (
        lambda: layers.TimeDistributed(
            keras.Sequential([layers.Dense(4, "relu"), layers.Dense(3), layers.Softmax()])
        ),
        True,
    ),
    "spectral": (lambda: layers.SpectralNormalization(layers.Dense(3, "softmax")), True),
    "logits": (lambda: layers.TimeDistributed(layers.Dense(3)), False),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_activation_of_an_output_is_found_behind_a_wrapper(name):
    head, is_share = WRAPPED[name]
    model = keras.Sequential([keras.Input((4, 5)), layers.Dense(6, "tanh"), head()])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).standard_normal((60, 4, 5)).astype("float32")
    diagnosis = kerasinit.diagnose(model, x, np.arange(240).reshape(60, 4) % 3)
    assert [verdict.cause for verdict in diagnosis.verdicts] == ([] if is_share else ["bad_loss"])


def test_an_output_that_starts_at_one_and_learns_is_no_softmax():
    head = layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((5,)), head, layers.Lambda(keras.ops.exp)])
    model.compile("adam", "poisson")
    diagnosis = kerasinit.diagnose(model, np.ones((60, 5)), LABELS[:, None])
    assert "softmax" not in str(diagnosis.verdicts)


def test_large_embeddings_are_no_state_that_grows():
    words = layers.Embedding(6, 4, embeddings_initializer=keras.initializers.Constant(50.0))
    model = keras.Sequential([keras.Input((3,), dtype="int32"), words, layers.Flatten()])
    model.add(layers.Dense(1))
    diagnosis = kerasinit.diagnose(model, np.tile(LABELS[:, None], 3))
    assert "recurrent_initializer" not in str(diagnosis.verdicts)


def test_a_constant_rate_replaces_a_schedule_behind_loss_scaling():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(schedule))
    model.compile(scaled, "mse")
    exec(Remedy("constant_rate", 1e-3).line, {"model": model})
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


TWO = {"one": "mse", "two": "sparse_categorical_crossentropy"}  # losses, by the name of the output
FORMS = {  # of outputs, losses and targets
    "by name": (dict, dict, dict),
    "in order, losses by name": (list, dict, list),
    "in order": (list, list, list),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", ["one", "two", None])
def test_each_output_has_its_own_loss_and_targets(form, wrong):
    inputs = keras.Input((4,))
    hidden = layers.Dense(8, "tanh")(inputs)
    outputs = {"one": layers.Dense(1, name="one")(hidden)}
    activation = None if wrong == "two" else "softmax"  # logits, where shares are wanted
    outputs["two"] = layers.Dense(3, activation, name="two")(hidden)
    rng = np.random.default_rng(0)
    targets = {"one": rng.standard_normal((60, 1)), "two": np.arange(60) % 3}
    if wrong == "one":
        targets["one"] = 1e7 * targets["one"]
    given = [kind(one) if kind is dict else list(one.values())
             for kind, one in zip(FORMS[form], (outputs, TWO, targets), strict=True)]  # fmt: skip
    model = keras.Model(inputs, given[0])
    model.compile("adam", given[1])
    x = rng.standard_normal((60, 4)).astype("float32")
    verdicts = kerasinit.diagnose(model, x, given[2]).verdicts
    assert bool(verdicts) == bool(wrong)
    for verdict in verdicts:
        assert wrong in verdict.where
        assert f"# of {wrong}: " in verdict.fix or ".activation = " in verdict.fix
