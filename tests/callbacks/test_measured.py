"""What a step measured, worked out outside of it."""

import math

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

BACKEND = keras.config.backend()


def odd_model():
    """Weights of many sizes: more than are looked at, fewer, and one that gets no gradient."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(300, activation="relu", name="a")(inputs)
    x = keras.layers.Dense(40, activation="relu", name="b")(x)
    x = keras.layers.Dense(700, activation="relu", use_bias=False, name="c")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="d")(x))
    model.unused = model.add_weight(shape=(2, 2), name="unused")
    model.compile("sgd", "mse")
    return model


def ignored(verdict):
    """A policy that does nothing."""


# The weight without a gradient is a verdict, and on some backends a warning of Keras.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"clipped": True}], ids=str)
def test_rows_are_the_same_whether_each_step_is_waited_for_or_not(train, options):
    # A policy that may stop the training has each step recorded before the next.
    histories = []
    for policy in ("warn", ignored):
        keras.utils.clear_session()  # the same names again
        keras.utils.set_random_seed(0)
        stats = GradientStats(on_verdict=policy, **options)
        train(odd_model(), stats, epochs=3)
        histories.append([row | {"run": None} for row in stats.history])
    assert len(histories[0]) == 9
    assert histories[0] == histories[1]


# --- the logs of `fit` --------------------------------------------------------------------------

NORMS = ("grad_norm", "grad_norm_min", "grad_norm_max")


def test_the_logs_hold_the_norms_of_the_record(train):
    rows = []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: rows.append(logs))
    stats = GradientStats()
    train(odd_model(), stats, note)
    for logs, record in zip(rows, stats.history, strict=True):
        layers = [layer["norm"] for layer in record["layers"].values() if layer["connected"]]
        expected = (record["grad_norm"], min(layers), max(layers))
        np.testing.assert_allclose([logs[key] for key in NORMS], expected, rtol=1e-5)


def test_a_layer_without_a_gradient_is_none_with_a_small_one(train):
    logs = train(odd_model(), GradientStats()).history
    smallest = 0 if BACKEND == "jax" else 1e-6  # JAX gives zeros for what is not used
    assert logs["grad_norm_min"][0] >= smallest


@pytest.mark.parametrize("factor", [None, 8.0])
def test_the_norms_for_the_logs_are_those_of_model_and_layers(train_by, factor):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape) for shape in ((400, 200), (40, 50), (2, 2), (700,), ())]
    gradients[2][:, 0] = 0  # some zeros are no reason for a closer look
    optimizer = keras.optimizers.SGD(0.0, loss_scale_factor=factor)
    (logs,) = train_by(GradientStats(on_verdict=ignored), gradients, optimizer=optimizer)
    norms = [np.linalg.norm(gradient) for gradient in gradients]
    expected = [math.hypot(*norms), min(norms), max(norms)]
    np.testing.assert_allclose([logs[key] for key in NORMS], expected, rtol=1e-5)


ODD = [(row, bad) for row in range(3) for bad in (np.nan, np.inf, 1e-25, 1e18, 0.0)]


def odd_gradients(row, bad):
    """Ones for a large, a middle and a small kernel; `bad` for one of them."""
    gradients = [np.ones(shape) for shape in ((400, 200), (40, 50), (2, 2))]
    gradients[row] *= bad
    return gradients


@pytest.fixture(scope="module")
def logs_of_odd_steps(train_by):
    """The logs of one training, a step for each of the odd cases."""
    steps = [odd_gradients(*case) for case in ODD]
    return dict(zip(ODD, train_by(GradientStats(on_verdict=ignored), *steps), strict=True))


@pytest.mark.parametrize(("row", "bad"), ODD)
def test_the_logs_hold_odd_norms_too(logs_of_odd_steps, row, bad):
    logs = logs_of_odd_steps[row, bad]
    norms = [np.linalg.norm(gradient) for gradient in odd_gradients(row, bad)]
    expected = [math.hypot(*norms), min(norms), max(norms)]
    if not math.isfinite(bad) or (row, bad) == (0, 1e18):  # its squares have no sum in float32
        expected = [math.inf] * 3
    np.testing.assert_allclose([logs[key] for key in NORMS], expected, rtol=1e-5)


# --- statistics -----------------------------------------------------------------------------------


def recorded(train_by, *gradients, **options):
    """The rows of variables with the given gradients."""
    stats = GradientStats(on_verdict=ignored)
    train_by(stats, gradients, **options)
    return [*stats.history[0]["variables"].values()]


BIG = np.random.default_rng(1).normal(0.5, 1.0, (400, 200))
ENTRIES = 2048  # that are looked at of a variable that has many more
STANDARD_ERRORS = 5 / ENTRIES**0.5  # five of a mean of that many numbers


LARGE = {
    "ordinary": BIG,
    "half_zero": np.where(BIG < 0, 0, BIG),
    "one_nan": np.where(np.arange(BIG.size).reshape(BIG.shape) == 17 * 200 + 23, np.nan, BIG),
    "tiny": BIG * 1e-25,
}


@pytest.fixture(scope="module")
def large(train_by):
    """The row of each large gradient, from one training: a step for each."""
    stats = GradientStats(on_verdict=ignored)
    train_by(stats, *([gradient] for gradient in LARGE.values()))
    rows = (row["variables"]["0/kernel"] for row in stats.history)
    return dict(zip(LARGE, rows, strict=True))


def test_the_norm_of_a_large_gradient_is_exact(large):
    assert large["ordinary"]["norm"] == pytest.approx(np.linalg.norm(BIG), rel=1e-5)


def test_the_rest_of_a_large_gradient_is_estimated(large):
    kept, found = LARGE["half_zero"], large["half_zero"]
    assert found["count"] == BIG.size
    assert found["mean"] == pytest.approx(kept.mean(), abs=STANDARD_ERRORS * kept.std())
    assert found["zero_fraction"] == pytest.approx(np.mean(kept == 0), abs=STANDARD_ERRORS / 2)
    assert 0 <= found["min"] <= found["max"] <= kept.max()


def test_nothing_is_estimated_on_demand(train_by):
    stats = GradientStats(exact=True, on_verdict=ignored)
    train_by(stats, [BIG], initializer="glorot_uniform")
    found = stats.history[0]["variables"]["0/kernel"]
    expected = {"mean": BIG.mean(), "min": BIG.min(), "max": BIG.max(), "std": BIG.std()}
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)


def test_more_entries_than_float32_counts_are_read_on_demand(train_by):
    """Their number is odd and above 2 ** 24."""
    large, small = np.ones((4097, 4097), "float32"), np.array([2.0, 3.0])
    stats = GradientStats(exact=True, on_verdict=ignored)
    train_by(stats, [large, small])
    found, behind = stats.history[0]["variables"].values()
    assert (found["count"], found["mean"]) == (large.size, pytest.approx(1.0))
    assert (behind["min"], behind["max"]) == (2.0, 3.0)


def test_one_bad_entry_of_a_large_gradient_is_noticed(large):
    assert large["one_nan"]["non_finite"] >= 1
    assert math.isfinite(large["one_nan"]["norm"])


def test_a_large_gradient_of_tiny_numbers_has_a_norm(large):
    assert large["tiny"]["norm"] == pytest.approx(np.linalg.norm(BIG) * 1e-25, rel=0.1)


def test_variables_of_all_sizes_keep_their_order(train_by):
    shapes = ((700,), (3,), (100, 90), (), (512,), (1, 513), (80, 80))
    gradients = [np.random.default_rng(n).normal(n, 1, shape) for n, shape in enumerate(shapes)]
    gradients[0][5] = np.nan
    rows = recorded(train_by, *gradients)
    for row, gradient in zip(rows, gradients, strict=True):
        known = gradient[np.isfinite(gradient)]
        assert row["count"] == gradient.size
        assert row["norm"] == pytest.approx(np.linalg.norm(known), rel=1e-5)
        assert row["mean"] == pytest.approx(known.mean(), rel=1e-5, abs=STANDARD_ERRORS)
        assert row["non_finite"] == gradient.size - known.size


def test_a_loss_scale_is_divided_out_of_all_statistics(train_by):
    gradients = [BIG, BIG[0], BIG[1, :3]]
    plain, scaled = (
        recorded(
            train_by,
            *gradients,
            optimizer=keras.optimizers.SGD(0.1, loss_scale_factor=factor),
            initializer="ones",
        )
        for factor in (None, 8.0)
    )
    for left, right in zip(plain, scaled, strict=True):
        assert left.pop("histogram") == right.pop("histogram")
        assert left == pytest.approx(right, rel=1e-4)


def test_nothing_is_counted_of_a_variable_without_a_gradient(train):
    if BACKEND == "jax":
        return  # JAX gives zeros for what is not used
    stats = GradientStats()
    train(odd_model(), stats)
    found = stats.history[0]["variables"]["unused"]
    names = ("count", "mean", "rms", "std", "zero_fraction", "norm")
    assert [found[name] for name in names] == [0.0] * 6


def test_a_histogram_takes_about_256_entries(train_by):
    sizes = [(20, 10), (500,), (700,), (80, 80), (300, 400)]
    rows = recorded(train_by, *(np.ones(size) for size in sizes))
    for size, row in zip(sizes, rows, strict=True):
        counted = sum(row["histogram"])
        assert 256 <= counted <= 1.5 * 256 or counted == math.prod(size) <= 512


# --- weights --------------------------------------------------------------------------------------


def test_what_was_read_is_not_what_the_update_writes_into(train):
    # One tensor of each size: no copy may be saved where nothing is joined.
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(3, use_bias=False, name="dense")]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse")
    stats = GradientStats()
    train(model, stats, epochs=2)
    assert all(record["variables"]["dense/kernel"]["update_ratio"] > 0 for record in stats.history)


@pytest.mark.skipif(BACKEND != "torch", reason="only torch writes into weights")
@pytest.mark.parametrize("whole", [True, False])
def test_weights_are_read_where_they_are_now(whole):
    import torch

    dense = keras.layers.Dense(300, use_bias=False, kernel_initializer="ones", name="dense")
    model = keras.Sequential([keras.Input((200,)), dense])
    model.compile(keras.optimizers.SGD(0.0), "mse")

    class Move(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            value = dense.kernel.value
            if batch == 0 and not whole:
                value.data = torch.ones(300, 200).T
            if batch == 1:
                with torch.no_grad():
                    value += 1.0  # in place, as an update
            if batch == 2:
                value.data = torch.full((200, 300), 5.0)  # as when a model changes its device

    stats = GradientStats(on_verdict=ignored)
    x, y = np.ones((3, 200), "float32"), np.ones((3, 300), "float32")
    model.fit(x, y, batch_size=1, verbose=0, callbacks=[stats, Move()])
    rows = [row["variables"]["dense/kernel"] for row in stats.history]
    expected = [size * 60_000**0.5 for size in (1, 2, 5)]
    assert [row["weight_norm"] for row in rows] == pytest.approx(expected, rel=1e-5)
    assert [row["update_ratio"] for row in rows] == [0.0] * 3


class Sometimes(keras.layers.Layer):
    """Uses its kernel in some steps only."""

    used = True

    def build(self, shape):
        self.kernel = self.add_weight(shape=(3, 4), name="kernel")

    def call(self, inputs):
        return inputs + keras.ops.sum(self.kernel) if self.used else inputs


def test_a_variable_may_have_a_gradient_in_some_steps_only(train):
    layer = Sometimes(name="sometimes")
    model = keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(3, name="other")])
    model.compile("sgd", "mse", run_eagerly=True)

    class Switch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            layer.used = batch != 1

    stats = GradientStats(on_verdict=ignored)
    train(model, stats, Switch())
    rows = [row["variables"]["sometimes/kernel"] for row in stats.history]
    assert [row["norm"] > 0 for row in rows] == [True, False, True]
    assert [row["connected"] for row in rows] == [True, BACKEND == "jax", True]
    assert all(row["layers"]["other"]["norm"] > 0 for row in stats.history)
