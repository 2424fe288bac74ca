"""A change that fails or is interrupted leaves weights, optimizer and seeds as they were."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


@pytest.fixture
def model():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, "relu", name="first"), layers.Dense(2, name="last")]
    )
    model.compile(keras.optimizers.Adam(), "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    return model


def everything(model):
    held = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in held]


def assert_as_before(model, before):
    for old, new in zip(before, everything(model), strict=True):
        np.testing.assert_array_equal(old, new)


class Interrupted:
    """Raises at the second kernel."""

    def __init__(self, error):
        self.error, self.calls = error, 0

    def __call__(self, shape, dtype=None):
        self.calls += 1
        if self.calls > 1:
            raise self.error
        return np.ones(shape, "float32")


@pytest.mark.parametrize(
    ("error", "seen"),
    [(KeyboardInterrupt("no"), KeyboardInterrupt), (RuntimeError("no"), ValueError)],
    ids=["ctrl-c", "error"],
)
def test_an_interrupted_draw_changes_nothing(model, error, seen):
    before, seed = everything(model), keras.random.SeedGenerator(3)
    state = np.array(keras.ops.convert_to_numpy(seed.state))
    with pytest.raises(seen, match="no"):
        kerasinit.initialize(
            model, [("kernel", Interrupted(error))], seed=seed, reset_optimizer=True
        )
    assert_as_before(model, before)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(seed.state), state)


def no_folder():
    raise FileNotFoundError("No usable temporary directory found")


def full_disk():
    return Path("/dev/full").open("r+b")


@pytest.mark.parametrize("file", [no_folder, full_disk])
@pytest.mark.filterwarnings("ignore:The model holds learned weights")
def test_the_disk_need_not_take_the_old_weights(model, file, monkeypatch):
    if file is full_disk and not Path("/dev/full").exists():
        pytest.skip("a feature of Linux")
    monkeypatch.setattr(tempfile, "TemporaryFile", file)
    before = everything(model)
    with pytest.raises(KeyboardInterrupt, match="no"):
        kerasinit.initialize(model, [("kernel", Interrupted(KeyboardInterrupt("no")))], seed=1)
    assert_as_before(model, before)
    kerasinit.initialize(model, "ones", seed=1)
    kernel = keras.ops.convert_to_numpy(model.get_layer("first").kernel)
    np.testing.assert_array_equal(kernel, np.ones((4, 5)))


@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
@pytest.mark.filterwarnings("ignore:The model holds learned weights")
def test_an_assignment_that_is_interrupted_changes_nothing(model, call, monkeypatch):
    before = everything(model)

    def assign(self, value):
        raise KeyboardInterrupt("here")

    variable = model.get_layer("last").kernel
    monkeypatch.setitem(vars(variable), "assign", assign.__get__(variable))
    with pytest.raises(KeyboardInterrupt, match="here"):
        call(model, seed=1)
    monkeypatch.undo()
    assert_as_before(model, before)


def test_the_optimizer_starts_anew_after_a_layer_was_frozen(model):
    model.get_layer("first").trainable = False
    kernel = model.get_layer("first").get_weights()[0]
    kerasinit.initialize(model, "he_normal", reset_optimizer=True)
    np.testing.assert_array_equal(model.get_layer("first").get_weights()[0], kernel)
    slots = [v for v in model.optimizer.variables if v.name != "learning_rate"]
    assert not any(np.any(keras.ops.convert_to_numpy(slot)) for slot in slots)


def test_an_optimizer_that_cannot_be_made_anew_changes_nothing(model):
    class Needy(keras.optimizers.SGD):
        def __init__(self, needed, **options):
            super().__init__(**options)

    model.compile(Needy(3, momentum=0.9), "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    before = everything(model)
    with pytest.raises(ValueError, match=r"no new Needy can be made from its config.*Nothing was"):
        kerasinit.initialize(model, reset_optimizer=True)
    assert_as_before(model, before)
