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


class Own(keras.Model):
    """A train step of one's own, in the way of each backend.

    Gradients enter the optimizer, and losses are reported, as `form` and `told` make them.
    """

    form = staticmethod(list)
    told = staticmethod(lambda loss: loss)

    def __init__(self, reported="my_loss"):
        super().__init__()
        self.reported = reported
        self.last = keras.layers.Dense(CLASSES)

    def call(self, inputs):
        return self.last(inputs)

    def train_step(self, *inputs):
        if keras.config.backend() == "jax":
            return self.jax_step(*inputs)
        x, y = inputs[0]
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x))
            gradients = self.form(tape.gradient(loss, self.trainable_weights))
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        else:
            import torch

            self.zero_grad()
            loss = self.compute_loss(x, y, self(x))
            loss.backward()
            with torch.no_grad():
                gradients = self.form([v.value.grad for v in self.trainable_weights])
                self.optimizer.apply(gradients, self.trainable_weights)
        return {self.reported: self.told(loss)}

    def jax_step(self, state, data):
        import jax

        trainable, others, optimizer, metrics = state
        x, y = data

        def loss_of(trainable):
            y_pred, new = self.stateless_call(trainable, others, x)
            return self.compute_loss(x, y, y_pred), new

        (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable)
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, self.form(gradients), trainable
        )
        return {self.reported: self.told(loss)}, (trainable, others, optimizer, metrics)


@pytest.fixture(scope="session")
def own_model():
    """Makes models that have a train step of their own; its loss goes by the name `reported`."""
    return Own
