"""The first step of the optimizer, against what each optimizer is defined to do."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasinit.signals import _first_update as module
from kerasinit.signals._first_update import first_update, is_scheduled

O = keras.optimizers  # noqa: E741
RATE = 0.01


def compiled(optimizer, *, weights=None, dtypes=(None, None)):
    """Two Dense layers: kernels (3, 2) and (2, 4) and their biases."""
    stack = [layers.Dense(2, dtype=dtypes[0]), layers.Dense(4, dtype=dtypes[1])]
    model = keras.Sequential([keras.Input((3,)), *stack])
    model.compile(optimizer, "mse")
    if weights is not None:
        model.set_weights([np.full(w.shape, weights) for w in model.get_weights()])
    return model


def gradients_of(model, scale=1.0):
    rng = np.random.default_rng(0)
    return [scale * rng.uniform(0.5, 2.0, w.shape) for w in model.get_weights()]


def step_of(optimizer, scale=1.0, **options):
    model = compiled(optimizer, weights=2.0, **options)
    given = gradients_of(model, scale)
    return model, given, first_update(model, list(given))


CLOSED = {  # optimizer, its first step as a function of the gradient
    "sgd": (lambda: O.SGD(RATE), lambda g: RATE * g),
    "momentum": (lambda: O.SGD(RATE, momentum=0.9), lambda g: RATE * g),
    "nesterov": (lambda: O.SGD(RATE, momentum=0.9, nesterov=True), lambda g: 1.9 * RATE * g),
    "decay": (lambda: O.SGD(RATE, weight_decay=0.5), lambda g: RATE * (g + 0.5 * 2.0)),
    "adam": (lambda: O.Adam(RATE), lambda g: RATE * np.sign(g)),
    "adamax": (lambda: O.Adamax(RATE), lambda g: RATE * np.sign(g)),
    "lion": (lambda: O.Lion(RATE), lambda g: RATE * np.sign(g)),
    "rmsprop": (lambda: O.RMSprop(RATE), lambda g: RATE * np.sign(g) / 0.1**0.5),
    "clipvalue": (lambda: O.SGD(RATE, clipvalue=1.0), lambda g: RATE * np.minimum(g, 1.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_the_step_is_that_of_the_definition(name):
    make, change = CLOSED[name]
    _, given, update = step_of(make())
    for gradient, after, ratio in zip(given, update.after, update.ratios, strict=True):
        np.testing.assert_allclose(after, 2.0 - change(gradient), rtol=1e-4)
        rms = np.sqrt(np.mean(change(gradient) ** 2))
        assert ratio == pytest.approx(rms / 2.0, rel=1e-3)
    promised = sum(np.sum(change(gradient) * gradient) for gradient in given)
    assert update.promised_drop == pytest.approx(promised, rel=1e-3)
    assert (update.rate, update.optimizer) == (pytest.approx(RATE), type(make()).__name__)


@pytest.mark.parametrize("which", ["clipnorm", "global_clipnorm"])
def test_gradients_are_clipped_by_the_norm_of_each_weight_or_of_all(which):
    _, given, update = step_of(O.SGD(RATE, **{which: 0.5}))
    total = np.sqrt(sum(np.sum(g**2) for g in given))
    for gradient, after in zip(given, update.after, strict=True):
        norm = np.linalg.norm(gradient) if which == "clipnorm" else total
        np.testing.assert_allclose(after, 2.0 - RATE * 0.5 * gradient / norm, rtol=1e-5)


def test_layers_of_different_precision_take_their_own_steps():
    _, given, update = step_of(O.SGD(RATE), dtypes=("float32", "bfloat16"))
    for gradient, after in zip(given, update.after, strict=True):
        np.testing.assert_allclose(after, 2.0 - RATE * gradient, atol=0.02)


@pytest.mark.parametrize("name", ["Normed", "SGD"])
def test_steps_of_an_optimizer_that_is_not_keras_are_taken_array_by_array(name):
    class Normed(O.SGD):
        """Steps of one length for each weight: its values are not moved one by one."""

        def update_step(self, gradient, variable, learning_rate):
            norm = keras.ops.sqrt(keras.ops.sum(keras.ops.square(gradient)))
            super().update_step(gradient / norm, variable, learning_rate)

    Normed.__name__ = name
    _, given, update = step_of(Normed(RATE))
    for gradient, after in zip(given, update.after, strict=True):
        expected = 2.0 - RATE * gradient / np.linalg.norm(gradient)
        np.testing.assert_allclose(after, expected, rtol=1e-5)


@pytest.mark.parametrize("block", [1, 6, 7, 8, 9, 2**20])
def test_the_size_of_a_block_changes_nothing(monkeypatch, block):
    _, _, whole = step_of(O.Adam(RATE))
    monkeypatch.setattr(module, "BLOCK", block)
    _, _, parts = step_of(O.Adam(RATE))
    for one, other in zip(whole.after, parts.after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert parts.ratios == whole.ratios
    assert parts.promised_drop == pytest.approx(whole.promised_drop)


def test_blocks_hold_as_many_values_as_fit_and_one_weight_at_least(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 8)
    weights = compiled(O.SGD()).trainable_variables  # of 6, 2, 8 and 4 values
    assert module._blocks(weights) == [2, 1, 1]
    monkeypatch.setattr(module, "BLOCK", 7)
    assert module._blocks(weights) == [1, 1, 1, 1]
    monkeypatch.setattr(module, "BLOCK", 16)
    assert module._blocks(weights) == [3, 1]


def test_the_gradients_are_taken_out_of_the_list():
    model = compiled(O.SGD())
    given = gradients_of(model)
    assert first_update(model, given) is not None
    assert given == []


def test_a_weight_of_zeros_has_no_relative_change():
    model = compiled(O.SGD(RATE), weights=0.0)
    update = first_update(model, gradients_of(model))
    assert update.ratios == [None] * 4
    assert all((after < 0).all() for after in update.after)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_of_gradients_that_are_no_numbers_nothing_is_told(bad):
    model = compiled(O.SGD())
    given = gradients_of(model)
    given[2][0, 0] = bad
    assert first_update(model, given) is None


def test_without_an_optimizer_or_weights_nothing_is_told():
    plain = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert first_update(plain, [np.ones((3, 2)), np.ones(2)]) is None
    frozen = compiled(O.SGD())
    frozen.trainable = False
    assert first_update(frozen, []) is None


def test_an_optimizer_that_fails_tells_nothing():
    class Fails(O.SGD):
        def update_step(self, gradient, variable, learning_rate):
            raise ValueError("on purpose")

    model = compiled(Fails())
    assert first_update(model, gradients_of(model)) is None


@pytest.mark.parametrize(
    ("momentum", "gain"), [(0.0, 1.0), (0.5, 2.0), (0.9, 10.0), (0.99, 100.0), (0.999, 100.0)]
)
def test_momentum_multiplies_the_steps_up_to_a_hundred_times(momentum, gain):
    assert step_of(O.SGD(RATE, momentum=momentum))[2].momentum_gain == pytest.approx(gain)


def test_an_optimizer_without_momentum_has_no_gain():
    assert step_of(O.Adam(RATE))[2].momentum_gain == 1.0


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
    _, given, update = step_of(O.SGD(schedule))
    assert (update.rate, update.is_scheduled) == (pytest.approx(highest), True)
    np.testing.assert_allclose(update.after[0], 2.0 - highest * given[0], rtol=1e-5)


def test_a_number_is_no_schedule_also_behind_loss_scaling():
    assert not is_scheduled(O.Adam(RATE))
    assert not is_scheduled(O.LossScaleOptimizer(O.Adam(RATE)))
    assert is_scheduled(O.LossScaleOptimizer(O.Adam(SCHEDULES["falls"][0])))
    assert not step_of(O.Adam(RATE))[2].is_scheduled


def test_accumulated_gradients_are_applied_at_once():
    _, given, update = step_of(O.SGD(RATE, gradient_accumulation_steps=4))
    np.testing.assert_allclose(update.after[0], 2.0 - RATE * given[0], rtol=1e-5)
