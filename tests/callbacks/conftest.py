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
    """Has a kernel whose gradient is the input, as long as the loss is the sum of the outputs."""

    def __init__(self, initializer, **options):
        super().__init__(**options)
        self.initializer = initializer

    def build(self, shape):
        self.kernel = self.add_weight(shape=shape[1:], initializer=self.initializer, name="kernel")

    def call(self, inputs):
        return keras.ops.sum(
            keras.ops.reshape(self.kernel * inputs, (1, -1)), axis=1, keepdims=True
        )


@pytest.fixture(scope="session")
def train_by():
    """Trains on kernels `0/kernel`, `1/kernel`, ... that get the given gradients, step by step.

    One argument for each step: the gradients of all kernels. Returns the logs of each step.
    """

    def fit(stats, *steps, optimizer=None, initializer="zeros"):
        data = [np.stack(each).astype("float32") for each in zip(*steps, strict=True)]
        inputs = [keras.Input(each.shape[1:]) for each in data]
        outputs = [Given(initializer, name=str(n))(each) for n, each in enumerate(inputs)]
        model = keras.Model(inputs, sum(outputs))
        model.compile(optimizer or keras.optimizers.SGD(0.0), lambda y, y_pred: y_pred[:, 0])
        told = []

        class Note(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                told.append(logs)

        options = {"batch_size": 1, "shuffle": False, "verbose": 0, "callbacks": [stats, Note()]}
        model.fit(data, np.zeros((len(steps), 1), "float32"), **options)
        return told

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
