"""What a row says of the whole model, and what is judged at once."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from kerasinit.callbacks import GradientError, GradientStats


def ignored(verdict):
    """A policy that does nothing."""


def test_the_norm_of_a_row_is_that_of_all_its_variables(make_model, train):
    stats = GradientStats(activations_every=2)
    train(make_model(), stats, epochs=2)
    assert len(stats.history) == 6
    for row in stats.history:
        expected = math.hypot(*(part["norm"] for part in row["variables"].values()))
        assert row["grad_norm"] == pytest.approx(expected, rel=1e-6)


class Capped(keras.layers.Layer):
    """An infinite weight of it does no harm to anything else."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(2, 2), initializer="ones", name="kernel")

    def call(self, inputs):
        return inputs * ops.mean(ops.clip(self.kernel, -1.0, 1.0))


@pytest.mark.parametrize("broken", ["gradient", "weight"])
def test_what_is_not_finite_is_judged_at_once(broken):
    model = keras.Sequential([keras.Input((2,)), Capped(name="capped"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    x, y = np.ones((6, 2), "float32"), np.ones((6, 1), "float32")
    if broken == "gradient":
        x[3] = np.nan

    class Break(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 3 and broken == "weight":
                self.model.layers[0].kernel.assign(np.full((2, 2), np.inf))

    stats = GradientStats(on_verdict="raise")
    fit = {"batch_size": 1, "shuffle": False, "verbose": 0}
    with pytest.raises(GradientError, match="Step 3: non_finite"):
        model.fit(x, y, callbacks=[stats, Break()], **fit)
    assert [row["grad_norm"] is None for row in stats.history] == [False, False, False, True]
    weight = stats.history[-1]["variables"]["capped/kernel"]
    assert (weight["weight_norm"] is None) == (broken == "weight")
    counted = sum(part["non_finite"] for part in stats.history[-1]["variables"].values())
    assert (counted > 0) == (broken == "gradient")


class Rounded(keras.constraints.Constraint):
    def __call__(self, w):
        return keras.ops.round(w)


@pytest.mark.parametrize("constraint", [None, "non_neg", Rounded()])
def test_new_weights_are_advised_unless_a_constraint_undoes_them(constraint):
    zeros = {"kernel_initializer": "zeros", "kernel_constraint": constraint}
    stack = [keras.layers.Dense(32, "relu", **zeros) for _ in range(2)]
    model = keras.Sequential([keras.Input((32,)), *stack, keras.layers.Dense(1, **zeros)])
    model.compile("sgd", "mse")
    stats = GradientStats(on_verdict=ignored)
    model.fit(np.ones((8, 32)), np.ones((8, 1)), epochs=8, verbose=0, callbacks=[stats])
    first = stats.verdicts[0]
    assert first.cause == "symmetric"
    assert first.fix.startswith(
        "kerasinit.diagnose" if isinstance(constraint, Rounded) else "kerasinit.initialize"
    )


@pytest.mark.parametrize("size", [2e-38, 3e38])
def test_numbers_at_the_ends_of_float32_are_judged(train_by, size):
    stats = GradientStats(on_verdict=ignored)
    # A judgement that fails would be a warning, and so an error here.
    train_by(stats, *[[np.full((4, 3), size), np.full((2, 2), size)]] * 6)
    for row in stats.history:
        assert row["grad_norm"] == pytest.approx(size * 4, rel=1e-6)


def test_a_training_is_judged_by_the_loss_of_the_data():
    regularizer = keras.regularizers.L2(50.0)
    inner = keras.layers.Dense(4, kernel_regularizer=regularizer, activity_regularizer="l2")
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = np.ones((60 * 8, 3), "float32"), np.ones((60 * 8, 1), "float32")
    stats = GradientStats(on_verdict=ignored)
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[stats])
    (said,) = [one.evidence for one in stats.verdicts if one.cause == "unexpected_loss"]
    told = re.search(r"activations, (\S+) of the loss.*the data went from (\S+) to", said)
    whole = float(model.evaluate(x, y, verbose=0))
    data = float(np.mean((ops.convert_to_numpy(model(x)) - 1) ** 2))
    penalties = [float(ops.convert_to_numpy(one)) for one in model.losses]
    known = whole - data if keras.backend.backend() != "jax" else penalties[-1]
    assert float(told[1]) == pytest.approx(known, rel=1e-2)
    assert float(told[2]) == pytest.approx(whole - known, rel=1e-2)


@pytest.mark.parametrize("kind", ["pixels", "frozen", "batch"])
def test_only_a_norm_that_sees_one_value_makes_a_lone_sample_the_root(kind):
    off = {"activation": "relu", "bias_initializer": keras.initializers.Constant(-20.0)}
    norm = keras.layers.BatchNormalization(trainable=kind != "frozen")
    if kind == "pixels":
        hidden = [keras.layers.Conv2D(4, 3, **off), norm, keras.layers.GlobalAveragePooling2D()]
        shape = (6, 6, 2)
    else:
        hidden = [keras.layers.Dense(8, **(off if kind == "frozen" else {})), norm]
        shape = (6,)
    model = keras.Sequential([keras.Input(shape), *hidden, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).standard_normal((16, *shape)).astype("float32")
    stats = GradientStats(on_verdict=ignored)
    model.fit(x, np.arange(16.0), batch_size=1, verbose=0, callbacks=[stats])
    causes = [verdict.cause for verdict in stats.verdicts]
    assert ("single_sample" in causes) == (kind == "batch")


def test_a_rate_that_ruins_regularized_weights_is_named():
    stack = [keras.layers.Dense(512, "relu", kernel_regularizer="l2") for _ in range(2)]
    model = keras.Sequential([keras.Input((16,)), *stack, keras.layers.Dense(4, "softmax")])
    model.compile(keras.optimizers.Adam(1.0), "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).standard_normal((512, 16)).astype("float32")
    stats = GradientStats(on_verdict=ignored)
    model.fit(x, np.arange(512) % 4, verbose=0, callbacks=[stats])
    assert stats.verdicts[0].cause == "large_updates"


@pytest.mark.parametrize(("is_soft", "named"), [(False, True), (True, False)])
def test_only_whole_classes_leave_a_loss_at_chance_that_could_be_lower(is_soft, named):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((16, 4)), 4, axis=0).astype("float32")
    labels = np.arange(64) % 4  # each of them once for every sample: nothing can be learned
    targets = 0.1 * np.eye(4, dtype="float32")[labels] + 0.225
    keras.utils.set_random_seed(0)
    start = keras.initializers.RandomNormal(stddev=0.6, seed=0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, "softmax", kernel_initializer=start)]
    )
    loss = "categorical_crossentropy" if is_soft else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.3), loss)
    stats = GradientStats(every=20, on_verdict=ignored)
    y = targets if is_soft else labels
    order = np.concatenate([rng.permutation(64) for _ in range(160)])
    model.fit(x[order], y[order], batch_size=16, shuffle=False, verbose=0, callbacks=[stats])
    assert [one.cause for one in stats.verdicts] == ["slow"] * named


def test_grey_targets_whose_entropy_is_near_the_first_loss_are_not_slow():
    """Where nothing was learned, `slow` is named: `test_training_rules`."""
    x = np.random.default_rng(0).standard_normal((512, 4)).astype("float32")
    grey = 0.5 + 0.15 * np.tanh(x)  # whose entropy is 0.97 log 2: no loss is below
    keras.utils.set_random_seed(0)
    start = keras.initializers.RandomNormal(stddev=0.2, seed=0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, "sigmoid", kernel_initializer=start)]
    )
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    stats = GradientStats(every=10, on_verdict=ignored)
    again = np.tile(np.arange(512), 20)
    model.fit(x[again], grey[again], batch_size=64, epochs=5, verbose=0, callbacks=[stats])
    assert stats.verdicts == []


def classes_in_order(shares, samples=1600):
    """Targets sorted by class, of so large shares, and inputs that tell them."""
    y = np.repeat(np.arange(len(shares)), [round(share * samples) for share in shares])
    noise = np.random.default_rng(0).normal(0, 0.3, (len(y), 4))
    return (noise + np.eye(4)[y]).astype("float32"), y


def fitted(loss, y, x, **fit):
    units = 1 if loss.startswith("binary") else 4
    hidden = [keras.layers.Dense(16, "relu"), keras.layers.Dense(16, "relu")]
    activation = "sigmoid" if units == 1 else "softmax"
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(units, activation)])
    model.compile("adam", loss)
    stats = GradientStats(on_verdict=ignored)
    target = keras.utils.to_categorical(y, 4) if loss.startswith("categorical") else y
    model.fit(x, target, batch_size=16, verbose=0, callbacks=[stats], **fit)
    return [verdict.cause for verdict in stats.verdicts]


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        ("sparse_categorical_crossentropy", 4),
        ("categorical_crossentropy", 4),
        ("binary_crossentropy", 2),
    ],
)
def test_samples_that_come_sorted_by_class_are_named(loss, classes):
    x, y = classes_in_order([1 / classes] * classes)
    assert fitted(loss, y, x, shuffle=False)[0] == "bad_targets"


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.99, 0.01)], ids=["alike", "one is rare"])
def test_batches_of_one_class_by_chance_are_not_called_sorted(shares):
    x, y = classes_in_order(shares)
    assert "bad_targets" not in fitted("binary_crossentropy", y, x)
