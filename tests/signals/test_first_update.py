"""The first step of the optimizer, against what each optimizer is defined to do."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.signals import measure

pytestmark = pytest.mark.usefixtures("quick_compilation")

O = keras.optimizers  # noqa: E741
RATE = 0.01
START = 2.0  # of every weight
X = np.random.default_rng(0).uniform(0.5, 2.0, (16, 3)).astype("float32")
Y = np.ones((16, 4), "float32")


def compiled(optimizer, *, start=START, dtype=None):
    """One linear layer whose weights are all the same; its loss is half of a sum of squares."""
    only = layers.Dense(4, name="only", dtype=dtype)
    model = keras.Sequential([keras.Input((3,)), only])
    model.compile(optimizer, lambda y, y_pred: keras.ops.sum((y_pred - y) ** 2) / 2)
    model.set_weights([np.full(weight.shape, start) for weight in model.get_weights()])
    return model


def weights_of(start):
    return np.full((3, 4), start), np.full(4, start)


def loss_of(kernel, bias):
    return float(np.sum((X.astype("float64") @ kernel + bias - Y) ** 2) / 2)


def gradients_of(start=START):
    """Of kernel and bias, in closed form: all are above 0."""
    kernel, bias = weights_of(start)
    error = X.astype("float64") @ kernel + bias - Y
    return [X.astype("float64").T @ error, error.sum(axis=0)]


def assert_step(signals, changes, start=START, rel=1e-4):
    """Raises unless the loss and the weights move as by these changes of kernel and bias."""
    after = [old - change for old, change in zip(weights_of(start), changes, strict=True)]
    assert signals.updated_loss == pytest.approx(loss_of(*after), rel=rel)
    (layer,) = signals.layers
    rms = np.sqrt(np.mean(changes[0] ** 2))
    assert layer.update_ratio == pytest.approx(rms / start, rel=rel)
    promised = sum(np.sum(c * g) for c, g in zip(changes, gradients_of(start), strict=True))
    assert signals.promised_drop == pytest.approx(promised, rel=rel)


CLOSED = {  # optimizer, its first step as a function of the gradient
    "sgd": (lambda: O.SGD(RATE), lambda g: RATE * g),
    "momentum": (lambda: O.SGD(RATE, momentum=0.9), lambda g: RATE * g),
    "nesterov": (lambda: O.SGD(RATE, momentum=0.9, nesterov=True), lambda g: 1.9 * RATE * g),
    "decay": (lambda: O.SGD(RATE, weight_decay=0.5), lambda g: RATE * (g + 0.5 * START)),
    "adam": (lambda: O.Adam(RATE), lambda g: RATE * np.sign(g)),
    "adamax": (lambda: O.Adamax(RATE), lambda g: RATE * np.sign(g)),
    "lion": (lambda: O.Lion(RATE), lambda g: RATE * np.sign(g)),
    "rmsprop": (lambda: O.RMSprop(RATE), lambda g: RATE * np.sign(g) / 0.1**0.5),
    "clipvalue": (lambda: O.SGD(RATE, clipvalue=1.0), lambda g: RATE * np.minimum(g, 1.0)),
    "accumulated": (lambda: O.SGD(RATE, gradient_accumulation_steps=4), lambda g: RATE * g),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_the_step_is_that_of_the_definition(name):
    make, change = CLOSED[name]
    signals = measure(compiled(make()), X, Y)
    assert_step(signals, [change(gradient) for gradient in gradients_of()])
    assert (signals.learning_rate, signals.optimizer) == (
        pytest.approx(RATE),
        type(make()).__name__,
    )


@pytest.mark.parametrize("which", ["clipnorm", "global_clipnorm"])
def test_gradients_are_clipped_by_the_norm_of_each_weight_or_of_all(which):
    signals = measure(compiled(O.SGD(RATE, **{which: 0.5})), X, Y)
    given = gradients_of()
    total = np.sqrt(sum(np.sum(g**2) for g in given))
    norms = [np.linalg.norm(g) if which == "clipnorm" else total for g in given]
    assert_step(signals, [RATE * 0.5 * g / norm for g, norm in zip(given, norms, strict=True)])


@pytest.mark.parametrize("name", ["Normed", "SGD"])
def test_steps_of_an_optimizer_that_is_not_keras_are_taken_array_by_array(name):
    class Normed(O.SGD):
        """Steps of one length for each weight: its values are not moved one by one."""

        def update_step(self, gradient, variable, learning_rate):
            norm = keras.ops.sqrt(keras.ops.sum(keras.ops.square(gradient)))
            super().update_step(gradient / norm, variable, learning_rate)

    Normed.__name__ = name
    signals = measure(compiled(Normed(RATE)), X, Y)
    assert_step(signals, [RATE * g / np.linalg.norm(g) for g in gradients_of()])


def two_layers(optimizer, *dtypes):
    stack = [layers.Dense(5, "tanh", dtype=dtypes[0]), layers.Dense(4, dtype=dtypes[1])]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), *stack])
    model.compile(optimizer, "mse")
    return model


def test_layers_of_different_precision_take_their_own_steps():
    def kernels():
        return [layer.get_weights()[0].astype("float32") for layer in model.layers]

    model = two_layers(O.SGD(3e-3), "float32", "bfloat16")
    told, before = measure(model, X, Y), kernels()
    model.train_on_batch(X, Y)
    for row, old, new in zip(told.layers, before, kernels(), strict=True):
        ratio = np.linalg.norm(new - old) / np.linalg.norm(old)
        assert row.update_ratio == pytest.approx(ratio, rel=1e-2)


@pytest.mark.parametrize("block", [1, 15, 16, 20, 21, 39])  # of weights of 15, 5, 20 and 4 values
def test_the_size_of_a_block_changes_nothing(monkeypatch, block):
    whole = measure(two_layers(O.Adam(RATE), None, None), X, Y)
    monkeypatch.setattr("kerasinit.signals._first_update.BLOCK", block)
    parts = measure(two_layers(O.Adam(RATE), None, None), X, Y)
    assert parts.updated_loss == whole.updated_loss
    ratios = ([row.update_ratio for row in one.layers] for one in (whole, parts))
    assert next(ratios) == next(ratios)
    assert parts.promised_drop == pytest.approx(whole.promised_drop)


@pytest.mark.parametrize("optimizer", ["adam", "adafactor"])  # value by value, and not
def test_the_first_step_leaves_the_weights_alone(optimizer):
    model = compiled(optimizer)
    before = model.get_weights()
    assert measure(model, X, Y).layers[0].update_ratio > 0
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_weight_of_zeros_has_no_relative_change():
    signals = measure(compiled(O.SGD(RATE), start=0.0), X, Y)
    assert signals.layers[0].update_ratio is None
    assert signals.updated_loss < signals.loss


class Fails(O.SGD):
    def update_step(self, gradient, variable, learning_rate):
        raise ValueError("on purpose")


def told(model, y=Y):
    """What is known of the first step."""
    signals = measure(model, X, y)
    return (
        signals.learning_rate, signals.updated_loss, signals.promised_drop,
        signals.layers[0].update_ratio,
    )  # fmt: skip


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_of_gradients_that_are_no_numbers_nothing_is_told(bad):
    y = Y.copy()
    y[2, 0] = bad
    assert told(compiled(O.SGD()), y) == (None,) * 4


def test_without_an_optimizer_or_weights_nothing_is_told():
    plain = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    assert told(plain) == (None,) * 4
    frozen = compiled(O.SGD())
    frozen.trainable = False
    assert told(frozen) == (None,) * 4


def test_an_optimizer_that_fails_tells_nothing():
    assert told(compiled(Fails())) == (None,) * 4


@pytest.mark.parametrize(
    ("momentum", "gain"), [(0.0, 1.0), (0.5, 2.0), (0.9, 10.0), (0.99, 100.0), (0.999, 100.0)]
)
def test_momentum_multiplies_the_steps_up_to_a_hundred_times(momentum, gain):
    signals = measure(compiled(O.SGD(RATE, momentum=momentum)), X, Y)
    assert signals.momentum_gain == pytest.approx(gain)


def test_an_optimizer_without_momentum_has_no_gain():
    assert measure(compiled(O.Adam(RATE)), X, Y).momentum_gain == 1.0


SCHEDULES = {  # schedule, the highest rate
    "falls": (O.schedules.ExponentialDecay(0.02, 10, 0.5), 0.02),
    "rises": (O.schedules.PiecewiseConstantDecay([5, 500], [1e-3, 3e-3, 7e-3]), 7e-3),
    "at 1": (O.schedules.PiecewiseConstantDecay([0, 1], [1e-3, 7e-3, 2e-3]), 7e-3),
    "at 10": (O.schedules.PiecewiseConstantDecay([9, 10], [1e-3, 7e-3, 2e-3]), 7e-3),
    "at 100": (O.schedules.PiecewiseConstantDecay([99, 100], [1e-3, 7e-3, 2e-3]), 7e-3),
    "at 1000": (O.schedules.PiecewiseConstantDecay([999, 1000], [1e-3, 7e-3, 2e-3]), 7e-3),
    "at 10000": (O.schedules.PiecewiseConstantDecay([9999, 10000], [1e-3, 7e-3, 2e-3]), 7e-3),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_of_a_schedule_the_highest_rate_is_taken(name):
    schedule, highest = SCHEDULES[name]
    signals = measure(compiled(O.SGD(schedule)), X, Y)
    assert (signals.learning_rate, signals.is_scheduled) == (pytest.approx(highest), True)
    assert_step(signals, [highest * g for g in gradients_of()])


def test_a_number_is_no_schedule_also_behind_loss_scaling():
    def is_scheduled(optimizer):
        return measure(compiled(optimizer), X, Y).is_scheduled

    assert not is_scheduled(O.Adam(RATE))
    assert not is_scheduled(O.LossScaleOptimizer(O.Adam(RATE)))
    assert is_scheduled(O.LossScaleOptimizer(O.Adam(SCHEDULES["falls"][0])))
