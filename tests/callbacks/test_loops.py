"""Loops of one's own, around `train_on_batch`, are recorded as they are."""

import contextlib
import gc
import warnings
import weakref

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientError, GradientStats, GradientWarning

BATCH = 16
COMPILED = keras.config.backend() == "jax"  # XLA takes long on TensorFlow
X = np.random.default_rng(0).normal(size=(BATCH, 6)).astype("float32")
Y = X[:, :3] * X[:, 3:]


def made(rate=0.5):
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "tanh")
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(rate), "mse", jit_compile=COMPILED)
    return model


@pytest.mark.parametrize("in_a_list", [True, False], ids=["list", "alone"])
def test_a_row_has_the_loss_that_train_on_batch_returns(in_a_list):
    model, stats = made(), GradientStats()
    hooks = keras.callbacks.CallbackList([stats], model=model) if in_a_list else stats
    stats.set_model(model)
    hooks.on_train_begin()
    returned = []
    for batch in range(4):
        hooks.on_train_batch_begin(batch)
        returned.append(float(model.train_on_batch(X, Y)))
        hooks.on_train_batch_end(batch, {})
    hooks.on_train_end()
    assert returned[3] < 0.9 * returned[0]
    assert [row["loss"] for row in stats.history] == pytest.approx(returned, rel=1e-6)


def compiled_inside(model, stats):
    with stats.watching(model):
        model.train_on_batch(X, Y)
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=COMPILED)
        model.train_on_batch(X, Y)


def test_what_is_compiled_inside_the_block_stays():
    model, stats = made(), GradientStats()
    with pytest.warns(GradientWarning, match="compiled anew, and the steps after it were not seen"):
        compiled_inside(model, stats)
    kernel = model.layers[0].get_weights()[0]
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], kernel)
    assert [row["step"] for row in stats.history] == [0]


def discriminated(order):
    """The causes that a discriminator's batches of real and of made samples lead to."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "relu")
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", jit_compile=COMPILED)
    rng = np.random.default_rng(0)
    with GradientStats(on_verdict=lambda verdict: None).watching(model) as stats:
        for kind in order:
            x = rng.normal(0.3 * kind, 1.0, (BATCH, 6)).astype("float32")
            model.train_on_batch(x, np.full((BATCH, 1), float(kind), "float32"))
    return [verdict.cause for verdict in stats.verdicts]


def test_real_and_generated_batches_in_turn_are_not_called_sorted():
    assert "bad_targets" not in discriminated([0, 1] * 40)


def test_batches_of_one_class_after_those_of_the_other_are_called_sorted():
    assert "bad_targets" in discriminated([*[0] * 20, *[1] * 20] * 2)


class FitByBatches(keras.Sequential):
    """Has a `fit` of its own, which takes batches one by one."""

    def fit(self, callbacks):
        hooks = keras.callbacks.CallbackList(callbacks, model=self)
        hooks.on_train_begin()
        returned = []
        for batch in range(4):
            hooks.on_train_batch_begin(batch)
            returned.append(float(self.train_on_batch(X, Y)))
            hooks.on_train_batch_end(batch, {})
        hooks.on_train_end()
        return returned


def test_a_fit_of_ones_own_reports_the_loss_of_each_batch():
    model = FitByBatches([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=COMPILED)
    stats = GradientStats()
    returned = model.fit([stats])
    assert [row["loss"] for row in stats.history] == pytest.approx(returned, rel=1e-6)


def test_a_fit_inside_the_block_is_recorded():
    model, stats = made(), GradientStats()
    with stats.watching(model):
        model.fit(X, Y, batch_size=4, verbose=0)
        model.train_on_batch(X, Y)
    assert [row["step"] for row in stats.history] == [0, 1, 2, 3, 4]
    assert np.isfinite(model.train_on_batch(X, Y))


def test_models_that_take_turns_are_warned_of_once():
    stats, models = GradientStats(), [made(), made()]
    for model in models:
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for model in 3 * models:
            model.fit(X, Y, batch_size=1, verbose=0, callbacks=[stats])
    told = [str(one.message) for one in said if issubclass(one.category, GradientWarning)]
    assert len(told) == len(stats.verdicts) > 0


def exploding():
    """A model compiled as usual, whose units are alike: a verdict comes after some 20 steps."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "relu", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    return model


def loop_of_batches(model, epochs):
    for batch in [*range(BATCH)] * epochs:
        model.train_on_batch(X[batch : batch + 1], Y[batch : batch + 1])


def loop_of_fits(model, epochs):
    for _ in range(epochs):
        model.fit(X, Y, batch_size=1, shuffle=False, verbose=0)


def weights_of(model):
    return [np.array(weight) for weight in model.get_weights()]


def assert_equal(ours, usual):
    for one, other in zip(ours, usual, strict=True):
        np.testing.assert_array_equal(one, other)


LOOPS = pytest.mark.parametrize("loop", [loop_of_batches, loop_of_fits])


@LOOPS
def test_a_policy_sees_the_weights_and_no_step_is_lost(loop):
    plain, model, seen = exploding(), exploding(), []
    loop(plain, 3)

    def policy(verdict):
        seen.append((len(stats.history), weights_of(model)))

    with (stats := GradientStats(on_verdict=policy)).watching(model):
        loop(model, 3)
    assert_equal(weights_of(model), weights_of(plain))
    ((steps, told),), again = seen, exploding()
    for step in range(steps):
        batch = slice(step % BATCH, step % BATCH + 1)
        again.train_on_batch(X[batch], Y[batch])
    assert_equal(told, weights_of(again))


@LOOPS
def test_a_stop_brings_back_weights_that_can_be_trained_on(loop):
    model = exploding()
    model.layers[0].kernel.assign(np.random.default_rng(0).normal(size=(6, 8)))
    model.optimizer.learning_rate = 1e-4
    with GradientStats(on_verdict="stop").watching(model):
        loop(model, 2)
        largest = max(np.abs(weight).max() for weight in weights_of(model))
        model.optimizer.learning_rate = 1e3
        with pytest.warns(GradientWarning, match="Training stops with the weights from before"):
            loop(model, 3)
    assert max(np.abs(weight).max() for weight in weights_of(model)) < 10 * largest
    model.optimizer.learning_rate = 0.01
    assert np.isfinite(model.train_on_batch(X, Y))


@LOOPS
def test_an_error_of_a_verdict_leaves_weights_that_can_be_trained_on(loop):
    model = exploding()
    with pytest.raises(GradientError), GradientStats(on_verdict="raise").watching(model):
        loop(model, 3)
    assert all(np.isfinite(weight).all() for weight in weights_of(model))
    assert np.isfinite(model.train_on_batch(X, Y))


@pytest.mark.parametrize("steps", [1] if keras.config.backend() == "torch" else [1, 2])
def test_rows_of_a_fit_in_the_block_are_those_of_a_fit_with_the_callback(steps):
    found = []
    for watched in (False, True):
        model, stats = made(0.1), GradientStats()
        model.compile("sgd", "mse", steps_per_execution=steps, jit_compile=COMPILED)
        with stats.watching(model) if watched else contextlib.nullcontext():
            hooks = [] if watched else [stats]
            fit = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0}
            model.fit(X[:12], Y[:12], callbacks=hooks, **fit)
        found.append([(row["step"], row["epoch"], row["loss"]) for row in stats.history])
    assert [row[:2] for row in found[1]] == [row[:2] for row in found[0]]
    assert [row[2] for row in found[1]] == pytest.approx([row[2] for row in found[0]])


def test_weights_that_are_set_after_a_step_that_failed_stay():
    model = made(rate=0.0)
    model.train_on_batch(X, Y)
    with pytest.raises(Exception, match=r"(?i)shape|size"):
        model.train_on_batch(X[:, :2], Y)
    new = [weight + 1 for weight in weights_of(model)]
    model.set_weights(new)
    with GradientStats(on_verdict="stop").watching(model):
        model.train_on_batch(X, Y)
    assert_equal(weights_of(model), new)


def steps_of(stats):
    return [row["step"] for row in stats.history]


def test_a_block_and_the_callbacks_of_a_fit_in_it_record_each_step():
    model = made()
    outer, inner = GradientStats(), GradientStats(every=2, exact=True)
    with outer.watching(model):
        model.train_on_batch(X, Y)
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[inner])
        model.train_on_batch(X, Y)
    assert steps_of(outer) == [0, 1, 2, 3, 4, 5]
    assert steps_of(inner) == [1, 3]


@pytest.mark.parametrize("earlier", [0, 8])
def test_a_callback_that_watches_a_block_and_a_fit_in_it_records_each_step_once(earlier):
    model, stats = made(), GradientStats()
    for _ in range(earlier):
        model.train_on_batch(X, Y)
    with stats.watching(model):
        model.train_on_batch(X, Y)
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[stats])
        for _ in range(2):
            model.train_on_batch(X, Y)
    assert steps_of(stats) == [*range(earlier, earlier + 7)]
    assert {row["epoch"] for row in stats.history} == {0}


def test_a_block_that_is_opened_in_a_fit_reads_what_it_asks_for():
    model, outer, inner = made(), GradientStats(), GradientStats(clipped=True)
    with contextlib.ExitStack() as stack:

        class Opens(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if not batch:
                    stack.enter_context(inner.watching(model))

        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[outer, Opens()])
    assert (steps_of(outer), steps_of(inner)) == ([0, 1, 2, 3], [1, 2, 3])
    assert all(
        "clipped" in row["variables"][name] for row in inner.history for name in row["variables"]
    )


def test_a_block_in_a_block_of_the_same_callback_records_each_step_once():
    model, stats = made(), GradientStats()
    with stats.watching(model):
        model.train_on_batch(X, Y)
        with stats.watching(model):
            model.train_on_batch(X, Y)
        model.train_on_batch(X, Y)
    assert steps_of(stats) == [0, 1, 2]


def test_a_block_keeps_nothing_of_the_loop_that_opened_it():
    model, batch = made(), np.array(X)
    kept = weakref.ref(batch)
    with GradientStats().watching(model):
        model.train_on_batch(batch, Y)
        model.train_on_batch(X, Y)
    del batch
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("first", [0, 1], ids=["outer", "inner"])
def test_blocks_end_in_any_order_and_leave_nothing(first):
    model, several = made(), [GradientStats(clipped=True), GradientStats(exact=True)]
    model.train_on_batch(X, Y)
    held = dict(vars(model))
    blocks = [stats.watching(model) for stats in several]
    for block in blocks:
        block.__enter__()
    model.train_on_batch(X, Y)
    blocks[first].__exit__(None, None, None)
    model.train_on_batch(X, Y)
    blocks[1 - first].__exit__(None, None, None)
    model.train_on_batch(X, Y)
    assert steps_of(several[first]) == [1]
    assert steps_of(several[1 - first]) == [1, 2]
    assert "clipped" in next(iter(several[0].history[0]["variables"].values()))
    now = vars(model)
    assert {key for key in held.keys() | now.keys() if held.get(key) is not now.get(key)} <= {
        "_jax_state",
        "_jax_state_synced",
    }
