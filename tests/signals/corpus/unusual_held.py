"""Odd but healthy designs of the part that was never looked at while rules were written."""

import keras
import numpy as np
from case import PLAIN, Case, accuracy, explained
from families_open import clusters, curve, finish, images, stack, tokens, waves
from keras import layers, ops
from unusual import unusual


@unusual(held=True)
def blank_rows():
    """Many inputs are 0 everywhere, and that is one of the classes."""
    x, y = clusters(classes=4)
    x[y == 2] = 0
    inputs = keras.Input((16,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 2, 32), PLAIN, 4, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y))


@unusual(held=True)
def own_train_step():
    x, y = curve()
    inputs = keras.Input((8,))

    class Model(keras.Model):
        def train_step(self, data):
            found = super().train_step(data)
            return {"loss": found["loss"], "twice": 2 * found["loss"]}

    outputs = finish(stack(inputs, PLAIN, 2, 48), PLAIN, 1, None)
    return Case(Model(inputs, outputs), x, y, "mse", explained(y), rate=5e-3)


@unusual(held=True)
def stateful():
    x, y = waves()
    inputs = keras.Input(batch_shape=(32, 12, 3))
    z = layers.LSTM(16, stateful=True, name="lstm")(inputs)
    model = keras.Model(inputs, finish(z, PLAIN, 1, None))
    case = Case(model, x, y, "mse", explained(y), rate=5e-3)
    case.score = lambda found: explained(y)(found)
    return case


@unusual(held=True)
def tied_words():
    """A model of text whose head is the table of its words."""
    x, _ = tokens(384, length=6, words=8)
    rng = np.random.default_rng(3)
    x = np.sort(x + rng.integers(0, 1, x.shape), 1)
    inputs = keras.Input((5,), dtype="int32")
    table = layers.ReversibleEmbedding(8, 16, name="table")
    z = layers.GRU(16, return_sequences=True, name="gru")(table(inputs))
    model = keras.Model(inputs, layers.Softmax()(table(z, reverse=True)))
    target = x[:, 1:]
    loss = "sparse_categorical_crossentropy"
    return Case(model, x[:, :-1], target, loss, accuracy(target), rate=1e-2, heads=())


@unusual(held=True)
def variational():
    rng = np.random.default_rng(5)
    x = (rng.standard_normal((512, 3)) @ rng.standard_normal((3, 16)) / 1.7).astype("float32")

    class Draw(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.generator = keras.random.SeedGenerator(1)

        def call(self, mean, log_variance):
            self.add_loss(1e-3 * ops.mean(ops.exp(log_variance) + mean**2 - 1 - log_variance))
            noise = keras.random.normal(ops.shape(mean), seed=self.generator)
            return mean + ops.exp(0.5 * log_variance) * noise

    inputs = keras.Input((16,))
    h = layers.Dense(32, "relu", name="encode")(inputs)
    z = Draw(name="draw")(layers.Dense(4, name="mean")(h), layers.Dense(4, name="log_variance")(h))
    z = layers.Dense(32, "relu", name="decode")(z)
    model = keras.Model(inputs, finish(z, PLAIN, 16, None))
    return Case(model, x, x, "mse", explained(x), rate=5e-3, steps=640)


@unusual(held=True)
def several_losses():
    """Weighted losses, one of them 1000 times the other."""
    x, y = curve()
    inputs = keras.Input((8,))
    z = stack(inputs, PLAIN, 2, 48)
    parts = layers.Dense(1, name="small")(z), layers.Dense(1, name="large")(z)
    model = keras.Model(inputs, list(parts))
    case = Case(
        model,
        x,
        [y, 30 * y],
        ["mse", "mse"],
        lambda found: min(explained(y)(found[0]), explained(y)(found[1] / 30)),
        rate=5e-3,
        steps=480,
        heads=("small", "large"),
    )
    case.compiled = {"loss_weights": [1.0, 1e-3]}
    return case


@unusual(held=True)
def normalized_inputs():
    """Raw bytes behind a Normalization layer."""
    x, y = clusters()
    x = 128 + 60 * x
    inputs = keras.Input((16,))
    norm = layers.Normalization()
    norm.adapt(x)
    z = stack(norm(inputs), PLAIN, 2, 32)
    model = keras.Model(inputs, finish(z, PLAIN, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y))


@unusual(held=True)
def label_smoothing():
    x, y = clusters()
    inputs = keras.Input((16,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 2, 32), PLAIN, 5, None))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    return Case(model, x, np.eye(5, dtype="float32")[y], loss, accuracy(y), steps=800)


@unusual(held=True)
def separable():
    """Depthwise, grouped, dilated: kernels of few inputs."""
    x, y = images()
    inputs = keras.Input((8, 8, 1))
    z = layers.Conv2D(12, 3, padding="same", activation="relu", name="first")(inputs)
    z = layers.SeparableConv2D(16, 3, padding="same", activation="relu", name="separable")(z)
    z = layers.Conv2D(16, 3, groups=4, padding="same", activation="relu", name="grouped")(z)
    z = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same", name="dilated")(z)
    z = layers.GlobalMaxPooling2D()(layers.ReLU()(z))
    model = keras.Model(inputs, finish(z, PLAIN, 4, "softmax"))
    loss = "sparse_categorical_crossentropy"
    return Case(model, x, y, loss, accuracy(y), rate=1e-2, steps=240)


@unusual(held=True)
def mixture_of_experts():
    x, y = curve()
    inputs = keras.Input((8,))
    gate = layers.Dense(4, "softmax", name="gate")(inputs)
    experts = [stack_of(inputs, i) for i in range(4)]
    z = ops.sum(ops.stack(experts, 1) * gate[..., None], 1)
    model = keras.Model(inputs, z)
    heads = tuple(f"expert_{i}_out" for i in range(4))
    return Case(model, x, y, "mse", explained(y), rate=1e-2, steps=400, heads=heads)


def stack_of(x, number):
    z = layers.Dense(24, "relu", name=f"expert_{number}")(x)
    return layers.Dense(1, name=f"expert_{number}_out")(z)


@unusual(held=True)
def bidirectional():
    x, y = waves()
    inputs = keras.Input((12, 3))
    z = layers.Bidirectional(layers.GRU(12, return_sequences=True), name="both")(inputs)
    z = layers.TimeDistributed(layers.Dense(8, "tanh"), name="each")(z)
    z = layers.GlobalAveragePooling1D()(z)
    return Case(
        keras.Model(inputs, finish(z, PLAIN, 1, None)), x, y, "mse", explained(y), rate=5e-3
    )
