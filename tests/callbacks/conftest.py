"""Small models and data that every test of the callback trains on."""

import keras
import numpy as np
import pytest

FEATURES, CLASSES, SAMPLES, BATCH = 6, 3, 48, 16


@pytest.fixture(scope="session")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, FEATURES)).astype("float32")
    y = np.eye(CLASSES, dtype="float32")[np.argmax(x[:, :CLASSES], axis=1)]
    return x, y


@pytest.fixture(scope="session")
def make_model():
    def make(*, optimizer="adam", activation="tanh", seed=0, **options):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [
                keras.Input((FEATURES,)),
                keras.layers.Dense(8, activation=activation, name="first"),
                keras.layers.Dense(CLASSES, name="last"),
            ],
            name="net",
        )
        model.compile(optimizer, "mse", **options)
        return model

    return make


@pytest.fixture(scope="session")
def train(data):
    """Trains a model on the shared data, always in the same order."""

    def fit(model, *callbacks, epochs=1, **options):
        x, y = data
        options = {"batch_size": BATCH, "shuffle": False, "verbose": 0} | options
        return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **options)

    return fit
