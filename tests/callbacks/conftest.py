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


class Given(keras.layers.Layer):
    """Has a kernel whose gradient is given, as long as the loss is the mean of the outputs."""

    def __init__(self, gradient, initializer, **options):
        super().__init__(**options)
        self.gradient = np.asarray(gradient, "float32")
        self.initializer = initializer

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=self.gradient.shape, initializer=self.initializer, name="kernel"
        )

    def call(self, inputs):
        return inputs + keras.ops.sum(self.kernel * self.gradient)


@pytest.fixture(scope="session")
def train_by():
    """Trains a step on kernels `0/kernel`, `1/kernel`, ... with the given gradients.

    Returns the logs of `fit`.
    """

    def fit(stats, *gradients, optimizer=None, initializer="zeros", steps=1):
        model = keras.Sequential([keras.Input((1,))])
        for number, gradient in enumerate(gradients):
            model.add(Given(gradient, initializer, name=str(number)))
        model.compile(optimizer or keras.optimizers.SGD(0.0), lambda y, y_pred: y_pred[:, 0])
        x = np.zeros((steps, 1), "float32")
        return model.fit(x, x, batch_size=1, verbose=0, callbacks=[stats]).history

    return fit
