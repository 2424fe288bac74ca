"""After a training, however it ended, model and optimizer are as they were."""

import contextlib
import threading
import warnings

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientError, GradientStats, GradientWarning


def fingerprint(model):
    """Every attribute of the model, the optimizer and their classes, by identity."""
    found = {}
    for owner in (model, model.optimizer):
        for key, value in vars(owner).items():
            found[type(owner).__name__, key] = id(value) if callable(value) else type(value)
    return found


def raiser(hook, error):
    callback = keras.callbacks.Callback()

    def fail(index, logs=None):
        if index == 1:
            raise error("stop here")

    setattr(callback, hook, fail)
    return callback


def test_nothing_is_left_behind(make_model, train):
    model = make_model()
    train(model)
    before = fingerprint(model)
    train(model, GradientStats(2, activations_every=3), epochs=2)
    assert fingerprint(model) == before


@pytest.fixture(scope="module")
def trained(make_model, train):
    """A model that was trained once, and a callback, for all errors that may come."""
    model = make_model()
    train(model)
    return model, GradientStats()


@pytest.mark.parametrize("ours_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("hook", "error"),
    [
        ("on_train_batch_begin", RuntimeError),
        ("on_train_batch_end", KeyboardInterrupt),
        ("on_epoch_begin", KeyboardInterrupt),
        ("on_epoch_end", RuntimeError),
    ],
)
def test_an_exception_leaves_nothing_behind(trained, train, hook, error, ours_first):
    model, stats = trained
    before = fingerprint(model)
    callbacks = [stats, raiser(hook, error)] if ours_first else [raiser(hook, error), stats]
    with pytest.raises(error, match="stop here"):
        train(model, *callbacks, epochs=3)
    assert fingerprint(model) == before
    assert "grad_norm" not in train(model).history


def test_a_training_that_may_stop_knows_of_each_step_before_the_next(make_model, train):
    stats, known = GradientStats(on_verdict="stop"), []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: known.append(len(stats.history))
    )
    train(make_model(), stats, look, epochs=2)
    assert known == [0, 1, 2, 3, 4, 5]


def bare(grads):
    """The gradients, whether or not each is in a tuple."""
    return [grad[0] if isinstance(grad, tuple) else grad for grad in grads]


class Paired(keras.optimizers.SGD):
    """Takes gradients in a form of its own: each in a tuple."""

    def apply(self, grads, trainable_variables=None):
        return super().apply(bare(grads), trainable_variables)

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        return super().stateless_apply(optimizer_variables, bare(grads), trainable_variables)


def paired(own_model, **options):
    model = own_model()
    model.form = lambda gradients: [(gradient,) for gradient in gradients]
    model.compile(Paired(0.1, **options), "mse")
    return model


def paired_and_accumulated(own_model):
    return paired(own_model, gradient_accumulation_steps=2)


class Timid(keras.layers.Layer):
    """Can do nothing but train, once it has been built."""

    armed = False

    def call(self, inputs, training=None):
        if self.armed and training is False:
            raise IndexError("only in training")
        return inputs


def timid(own_model):
    model = keras.Sequential([keras.Input((6,)), Timid(), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.evaluate(np.ones((1, 6)), np.ones((1, 3)), verbose=0)
    model.layers[0].armed = True
    return model


@pytest.mark.parametrize(
    ("make", "cause", "recorded"),
    [
        (paired, "(Attribute|Type)Error", 0),
        (paired_and_accumulated, "(Attribute|Type|Value)Error", None),  # some add a tuple, later
        (timid, "only in training", 6),
    ],
    ids=["gradient", "accumulated gradient", "probe"],
)
def test_a_step_that_cannot_be_measured_is_one_warning(train, own_model, make, cause, recorded):
    weights = []
    for callbacks in ([], [GradientStats(activations_every=1)]):
        keras.utils.set_random_seed(0)
        model = make(own_model)
        warned = pytest.warns(GradientWarning, match=f"cannot be measured.*{cause}")
        with warned if callbacks else contextlib.nullcontext() as seen:
            train(model, *callbacks, epochs=2)
        weights.append(model.get_weights())
    assert len(said(seen)) == 1
    assert recorded in (None, len(callbacks[0].history))
    for expected, actual in zip(*weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_each_callback_says_why_a_step_cannot_be_measured(train, own_model):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        train(paired(own_model), GradientStats(), GradientStats(2))
    told = said(seen)
    assert len(told) == 2
    assert len(set(told)) == 1


def test_an_exception_inside_the_step_restores_the_optimizer(data):
    class Broken(keras.layers.Layer):
        def call(self, inputs):
            if self.broken:
                raise RuntimeError("stop here")
            return inputs

    layer = Broken()
    layer.broken = False
    model = keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    x, y = data
    model.fit(x, y, verbose=0)
    before = fingerprint(model)
    layer.broken = True
    with pytest.raises(RuntimeError, match="stop here"):
        model.fit(x, y, verbose=0, callbacks=[GradientStats()])
    assert fingerprint(model) == before


def test_training_goes_on_after_an_exception_with_the_same_callback(make_model, train):
    model, stats = make_model(), GradientStats()
    with pytest.raises(RuntimeError, match="stop here"):
        train(model, stats, raiser("on_train_batch_end", RuntimeError))
    train(model, stats)
    assert stats.history[-1]["step"] >= 4


# --- verdicts ---------------------------------------------------------------------------------


def exploding_model(make_model):
    return make_model(optimizer=keras.optimizers.SGD(1e4), activation="linear")


@pytest.fixture(scope="module")
def exploded(make_model, train):
    """A callback after a training with verdicts, the logs, and our warnings."""
    stats = GradientStats()
    with pytest.warns(GradientWarning, match="Step .*Fix:") as seen:
        history = train(exploding_model(make_model), stats, epochs=6).history
    return stats, history, said(seen)


def test_a_verdict_is_one_warning(exploded):
    stats, _, warned = exploded
    named = [(v.cause, v.where) for v in stats.verdicts]
    assert stats.verdicts
    assert len(named) == len(set(named))
    assert [message.split(": ")[1] for message in warned] == [f"{c} at {w}" for c, w in named]


def test_the_number_of_verdicts_is_in_the_logs(exploded):
    stats, history, _ = exploded
    assert history["grad_verdicts"][-1] == len(stats.verdicts)


def test_a_healthy_training_has_no_verdict(make_model, train):
    stats = GradientStats()
    train(make_model(), stats, epochs=10)
    assert stats.verdicts == []


def said(seen):
    """Our warnings among those that were seen."""
    return [str(warning.message) for warning in seen if warning.category is GradientWarning]


@pytest.fixture(scope="module")
def stopped(make_model, train):
    """The weights of a model before a training that a verdict stopped, it, its epochs, warnings."""
    model, stats = exploding_model(make_model), GradientStats(on_verdict="stop")
    first = [np.array(w) for w in model.get_weights()]
    with pytest.warns(GradientWarning) as seen:
        history = train(model, stats, epochs=50)
    return first, model, history.epoch, said(seen)


def test_stop_ends_the_training_with_finite_weights(stopped):
    _, model, epochs, warned = stopped
    assert "with the weights from before" in warned[0]
    assert len(epochs) < 50
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.evaluate(np.ones((4, 6)), np.ones((4, 3)), verbose=0))


def test_stop_gives_the_weights_that_training_had_then(stopped):
    first, model, _, warned = stopped
    assert "from before step 0" in warned[0]
    for left, right in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_raise_names_the_verdict(make_model, train):
    with pytest.raises(GradientError, match="Step") as seen:
        train(exploding_model(make_model), GradientStats(on_verdict="raise"), epochs=50)
    assert seen.value.verdict.where


def test_a_function_decides(make_model, train):
    seen = []
    stats = GradientStats(on_verdict=seen.append)
    train(exploding_model(make_model), stats, epochs=6)
    assert seen == stats.verdicts != []


def test_a_function_may_stop(make_model, train):
    stats = GradientStats(on_verdict=lambda verdict: "stop")
    with pytest.warns(GradientWarning) as seen:
        assert len(train(exploding_model(make_model), stats, epochs=50).epoch) < 50
    assert "Training stops" in said(seen)[0]


def test_a_function_that_decides_nonsense_is_an_error(make_model, train):
    stats = GradientStats(on_verdict=lambda verdict: "explode")
    with pytest.raises(ValueError, match=r"`on_verdict` must be one of.*'explode'"):
        train(exploding_model(make_model), stats, epochs=6)


def test_no_thread_is_left_behind(make_model, train):
    model = make_model()
    train(model)
    before = set(threading.enumerate())
    train(model, GradientStats(every=2), epochs=2)
    assert set(threading.enumerate()) <= before


def test_keras_may_write_the_logs_in_a_thread(make_model, train):
    class Waits(keras.callbacks.Callback):
        async_safe = True  # as `GradientStats`, so that Keras uses a thread where it can

        def on_train_batch_end(self, batch, logs=None):
            found[batch] = logs["grad_norm"]

    found, stats = {}, GradientStats()
    train(make_model(), stats, Waits(), batch_size=8)
    expected = {row["step"]: row["grad_norm"] for row in stats.history}
    assert len(expected) == 6
    assert found == pytest.approx(expected, rel=1e-6)
