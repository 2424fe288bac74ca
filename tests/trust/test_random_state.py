"""Looking at a model leaves every global source of random numbers as it was."""

import random

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit.callbacks import GradientStats

BACKEND = keras.config.backend()
RECURRENT = (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)


@keras.saving.register_keras_serializable("tests")
class Wild(keras.layers.Layer):
    """Draws from all global generators, as layers of strangers do."""

    def call(self, x):
        random.random()
        np.random.rand()  # noqa: NPY002
        if BACKEND == "torch":
            import torch

            torch.rand(2)
            return x + keras.random.normal((1,)) * 0.01
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def drawn():
    """The next numbers of all global generators, which stay where they are."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    numbers = [random.random(), np.random.rand()]  # noqa: NPY002
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    numbers += keras.ops.convert_to_numpy(GLOBAL.state).tolist()
    if BACKEND == "torch":
        import torch

        numbers += torch.get_rng_state().tolist()
    return numbers


keras.random.uniform((1,))  # makes Keras' global generator
from keras.src.random.seed_generator import global_seed_generator  # noqa: E402

GLOBAL = global_seed_generator()


def wild():
    made = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), Wild(),
                             keras.layers.Dropout(0.5), keras.layers.Dense(2)])  # fmt: skip
    return made, (16, 5)


def recurrent(kind):
    layer = kind(4, dropout=0.5, recurrent_dropout=0.3)
    return keras.Sequential([keras.Input((5, 3)), layer, keras.layers.Dense(2)]), (16, 5, 3)


@pytest.fixture(params=["wild", *RECURRENT], ids=lambda p: getattr(p, "__name__", p))
def make(request):
    """Makes the compiled model and its data; the same every time."""

    def build():
        keras.utils.set_random_seed(3)
        model, shape = wild() if request.param == "wild" else recurrent(request.param)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        x = np.random.default_rng(0).standard_normal(shape).astype("float32")
        return model, x, np.arange(len(x)) % 2

    return build


LOOKS = {
    "diagnose": lambda model, x, y: kerasinit.diagnose(model, x),
    "diagnose with y": kerasinit.diagnose,
    "initialize": lambda model, x, y: kerasinit.initialize(model, seed=1),
    "initialize with data": lambda model, x, y: kerasinit.initialize(model, seed=1, data=x),
    "reset": lambda model, x, y: kerasinit.reset(model, seed=1),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_the_global_state_stays(make, look):
    model, x, y = make()
    before = drawn()
    look(model, x, y)
    assert drawn() == before


def test_a_diagnosis_that_makes_layers_anew_draws_nothing():
    codes = keras.layers.Dense(4, dtype="int8_from_float32")  # it kept no initializer of its scale
    model = keras.Sequential([keras.Input((5,)), codes, keras.layers.Dense(2)])
    before = drawn()
    assert not kerasinit.diagnose(model, np.eye(5)).healthy  # all codes are zero
    assert drawn() == before


def test_a_fresh_seed_differs_from_the_one_before(make):
    model, _, _ = make()
    assert kerasinit.initialize(model).seed != kerasinit.initialize(model).seed


def test_the_probe_of_a_training_draws_nothing(make):
    found = []
    for callbacks in ([], [GradientStats(activations_every=1)]):
        model, x, y = make()
        GLOBAL.state.assign([5, 0])
        model.fit(x, y, epochs=2, batch_size=4, verbose=0, callbacks=callbacks)
        found.append((model.get_weights(), drawn()))
    (plain, state), (watched, state_of_watched) = found
    for one, other in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(one, other)
    assert state == state_of_watched
