"""Whatever happens in trainings inside trainings, nothing of a callback is left behind."""

import contextlib
import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasinit.callbacks import GradientStats

COMPILED = keras.config.backend() == "jax"  # XLA takes long on TensorFlow
STEPS, BATCH = 3, 2
X = np.random.default_rng(0).normal(size=(STEPS * BATCH, 4)).astype("float32")
Y = X[:, :1] * X[:, 1:2]
HOOKS = (
    *("on_train_begin", "on_epoch_begin", "on_train_batch_begin"),
    *("on_train_batch_end", "on_epoch_end", "on_train_end"),
)


def made(name):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name=name)
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=COMPILED)
    fit(model)
    return model


def fit(model, *callbacks):
    options = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    return model.fit(X, Y, callbacks=list(callbacks), **options).history


class World:
    """Two models and three callbacks that all examples share, so that little is compiled."""

    def __init__(self):
        self.models = [made("one"), made("other")]
        options = {"on_verdict": lambda verdict: None, "history_size": 100_000}
        self.stats = [GradientStats(every, **options) for every in (1, 2, 3)]

    def held(self):
        """All attributes of models and optimizers."""
        owners = [*self.models, *(model.optimizer for model in self.models)]
        return [dict(vars(owner)) for owner in owners]

    def changed(self, play):
        """Which attributes another value, or none, stands under after `play`."""
        before = self.held()
        play()
        return [
            {key for key in was.keys() | now.keys() if was.get(key, was) is not now.get(key, was)}
            for was, now in zip(before, self.held(), strict=True)
        ]


@pytest.fixture(scope="module")
def world():
    return World()


class Hook(keras.callbacks.Callback):
    """Does something at one place of a training."""

    def __init__(self, hook, index, action):
        super().__init__()
        self._index, self._action = index, action
        setattr(self, hook, self._act)

    def _act(self, index, logs=None):
        if index == self._index or not isinstance(index, int):
            # To look for `model` brings the weights of a running training into it, on JAX.
            self._action(self.model)


# A training is a number of the model, a list of callbacks, and the number of the `GradientStats` in
# whose block it is, if any. A callback is the number of a `GradientStats`, or a hook, the number of
# the batch or epoch, and what is done there: raise, or train, too.
errors = st.sampled_from([KeyboardInterrupt, ValueError])
numbers = st.integers(0, 2)


def trainings(actions):
    hooks = st.tuples(st.sampled_from(HOOKS), st.integers(0, 1), actions)
    callbacks = st.lists(st.one_of(numbers, numbers, hooks), min_size=1, max_size=5)
    return st.tuples(st.integers(0, 1), callbacks, st.none() | numbers)


inner = trainings(errors)
anything = trainings(st.one_of(errors, inner))


def run(world, training, *, watched):
    """Runs a training, in a `with` block of `watching` if it says so; its errors end with it."""
    number, callbacks, watching = training
    model = world.models[number]

    def act(action, running):
        if isinstance(action, type):
            raise action("stop here")
        run(world, action, watched=watched)

    made = []
    for callback in callbacks:
        if not isinstance(callback, int):
            hook, index, action = callback
            made.append(Hook(hook, index, functools.partial(act, action)))
        elif watched:
            made.append(world.stats[callback])
    with contextlib.suppress(KeyboardInterrupt, ValueError):
        in_block = watching is not None
        own = in_block and watched
        with world.stats[watching].watching(model) if own else contextlib.nullcontext():
            if in_block:
                model.train_on_batch(X[:BATCH], Y[:BATCH])
            fit(model, *made)


@settings(max_examples=12)
@given(training=anything)
def test_nothing_is_left_of_any_training(world, training):
    keras_changes = world.changed(lambda: run(world, training, watched=False))
    changes = world.changed(lambda: run(world, training, watched=True))
    for ours, usual in zip(changes, keras_changes, strict=True):
        assert ours <= usual
    recorded = [len(stats.history) for stats in world.stats]
    for model in world.models:
        assert [*fit(model)] == ["loss"]
        assert np.ndim(model.train_on_batch(X, Y)) == 0
    assert [len(stats.history) for stats in world.stats] == recorded


@settings(max_examples=6)
@given(
    callbacks=st.permutations([0, 1, 2, "plain", "plain"]),
    repeated=numbers,
    before=st.none() | anything,
)
def test_each_callback_records_its_steps_wherever_it_stands(world, callbacks, repeated, before):
    if before is not None:
        run(world, before, watched=True)
    model = world.models[0]
    began = int(model.optimizer.iterations)
    seen = [len(stats.history) for stats in world.stats]
    several = [keras.callbacks.Callback() if c == "plain" else world.stats[c] for c in callbacks]
    fit(model, *several, world.stats[repeated])
    steps = range(began, began + 2 * STEPS)
    for stats, count, every in zip(world.stats, seen, (1, 2, 3), strict=True):
        new = [row["step"] for row in stats.history][count:]
        assert new == [*steps[::every]]


def test_the_law_notices_what_is_left_behind(world):
    model = world.models[0]
    plain = vars(model)["train_function"]

    def forget():
        vars(model)["train_function"] = lambda *arguments: plain(*arguments)

    try:
        assert "train_function" in world.changed(forget)[0]
    finally:
        vars(model)["train_function"] = plain
