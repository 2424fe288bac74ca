"""Architectures and tasks of the part that thresholds may be set on."""

import keras
import numpy as np
from case import PLAIN, Case, accuracy, binary_accuracy, explained
from keras import layers, ops

SAMPLES = 512


def clusters(classes=5, features=16, samples=SAMPLES):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, samples)
    centres = rng.standard_normal((classes, features))
    x = (centres[y] + 0.7 * rng.standard_normal((samples, features))) / 1.2
    return x.astype("float32"), y


def curve(features=8, samples=SAMPLES):
    """A smooth function of three features, standardized."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((samples, features)).astype("float32")
    y = np.sin(1.5 * x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3] + x[:, 3:4]
    return x, ((y - y.mean()) / y.std()).astype("float32")


def images(samples=384):
    """8 x 8 noise with a bright corner: which one?"""
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, samples)
    x = rng.standard_normal((samples, 8, 8, 1))
    for i, corner in enumerate(y):
        x[i, 4 * (corner // 2) :, 4 * (corner % 2) :][:4, :4] += 1.5
    return ((x - x.mean()) / x.std()).astype("float32"), y


def tokens(samples=SAMPLES, length=10, words=40):
    """Does a sentence hold more words of the first half than of the second?"""
    rng = np.random.default_rng(3)
    x = rng.integers(1, words, (samples, length)).astype("int32")
    y = ((x < words // 2).sum(1) > length // 2).astype("int32")
    return x, y


def waves(samples=384, length=12):
    """Sequences of noise and a slow wave: its mean."""
    rng = np.random.default_rng(4)
    level = rng.standard_normal((samples, 1, 1))
    x = level + 0.5 * rng.standard_normal((samples, length, 3))
    return x.astype("float32"), level[:, 0].astype("float32")


def finish(x, knobs, units, own, name="head"):
    """Blocks the gradient if that is asked for, then the head."""
    if knobs.blocked:
        x = ops.stop_gradient(x)
    chosen = own if knobs.output == "own" else knobs.output
    return layers.Dense(units, activation=chosen, name=name)(x)


def stack(x, knobs, depth, width, activation="relu"):
    for i in range(knobs.depth or depth):
        x = layers.Dense(knobs.width or width, name=f"hidden_{i}", **knobs.hidden(activation))(x)
        if knobs.batch_norm:
            x = layers.BatchNormalization()(x)
    return x


def mlp_classes(knobs=PLAIN):
    x, y = clusters()
    inputs = keras.Input((16,))
    outputs = finish(stack(inputs, knobs, 3, 32), knobs, 5, "softmax")
    model = keras.Model(inputs, outputs)
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y))


def mlp_regression(knobs=PLAIN):
    x, y = curve()
    inputs = keras.Input((8,))
    outputs = finish(stack(inputs, knobs, 3, 48, "tanh"), knobs, 1, None)
    return Case(keras.Model(inputs, outputs), x, y, "mse", explained(y), rate=5e-3)


def mlp_binary(knobs=PLAIN):
    x, y = curve()
    y = (y > 0.2).astype("int32")
    inputs = keras.Input((8,))
    outputs = finish(stack(inputs, knobs, 2, 32), knobs, 1, "sigmoid")
    model = keras.Model(inputs, outputs)
    return Case(model, x, y, "binary_crossentropy", binary_accuracy(y), rate=5e-3)


def cnn(knobs=PLAIN):
    x, y = images()
    inputs = z = keras.Input((8, 8, 1))
    for i in range(knobs.depth or 2):
        wide = knobs.width or 12
        z = layers.Conv2D(wide, 3, padding="same", name=f"conv_{i}", **knobs.hidden())(z)
        if knobs.batch_norm:
            z = layers.BatchNormalization()(z)
    z = layers.Flatten()(layers.MaxPooling2D(2)(z))
    model = keras.Model(inputs, finish(z, knobs, 4, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=120)


def lstm(knobs=PLAIN):
    x, y = waves()
    inputs = z = keras.Input((12, 3))
    depth = knobs.depth or 2
    for i in range(depth):
        last = i == depth - 1
        z = layers.LSTM(16, return_sequences=not last, name=f"lstm_{i}")(z)
    model = keras.Model(inputs, finish(z, knobs, 1, None))
    return Case(model, x, y, "mse", explained(y), rate=5e-3, steps=180)


def transformer(knobs=PLAIN):
    x, y = tokens()
    inputs = keras.Input((10,), dtype="int32")
    z = layers.Embedding(40, 16, name="tokens")(inputs)
    for i in range(knobs.depth or 1):
        h = layers.LayerNormalization()(z)
        z = z + layers.MultiHeadAttention(2, 8, name=f"attention_{i}")(h, h)
        h = layers.Dense(32, name=f"wide_{i}", **knobs.hidden("gelu"))(
            layers.LayerNormalization()(z)
        )
        z = z + layers.Dense(16, name=f"narrow_{i}")(h)
    z = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(z))
    model = keras.Model(inputs, finish(z, knobs, 2, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=160)


def autoencoder(knobs=PLAIN):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((SAMPLES, 4)) @ rng.standard_normal((4, 24)) / 2
    x = x.astype("float32")
    inputs = keras.Input((24,))
    z = layers.Dense(32, name="down", **knobs.hidden())(inputs)
    z = layers.Dense(8, name="code", **knobs.hidden())(z)
    z = layers.Dense(32, name="up", **knobs.hidden())(z)
    model = keras.Model(inputs, finish(z, knobs, 24, None))
    return Case(model, x, x, "mse", explained(x), rate=5e-3)


def factorization(knobs=PLAIN):
    """Two embeddings and a dot product."""
    rng = np.random.default_rng(6)
    users, items = (rng.standard_normal((n, 3)) for n in (30, 40))
    i, j = rng.integers(0, 30, (1024, 1)), rng.integers(0, 40, (1024, 1))
    y = np.sum(users[i[:, 0]] * items[j[:, 0]], -1, keepdims=True).astype("float32")
    a, b = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    first, second = layers.Embedding(30, 8, name="user")(a), layers.Embedding(40, 8, name="item")(b)
    outputs = layers.Flatten()(layers.Dot(2)([first, second]))
    model = keras.Model([a, b], outputs)
    x = [i.astype("int32"), j.astype("int32")]
    return Case(model, x, y, "mse", explained(y), rate=2e-2, steps=480, batch=64, heads=())


def dueling(knobs=PLAIN):
    """Values and advantages; the gradient of the latter sums to 0 by construction."""
    x, y = curve()
    targets = np.concatenate([y, 0.5 * x[:, :1], x[:, 1:2] ** 2 - 1], 1).astype("float32")
    inputs = keras.Input((8,))
    z = stack(inputs, knobs, 2, 48)
    value = layers.Dense(1, name="value")(z)
    advantage = layers.Dense(3, name="advantage")(z)
    outputs = value + advantage - ops.mean(advantage, axis=1, keepdims=True)
    model = keras.Model(inputs, outputs)
    heads = ("value", "advantage")
    return Case(model, x, targets, "huber", explained(targets), rate=5e-3, heads=heads)


def two_heads(knobs=PLAIN):
    """A class and a number from one trunk."""
    x, labels = clusters()
    number = (x[:, :1] + 0.5 * x[:, 1:2] ** 2).astype("float32")
    inputs = keras.Input((16,))
    z = stack(inputs, knobs, 2, 48)
    own = "softmax" if knobs.output == "own" else knobs.output
    outputs = [layers.Dense(5, own, name="kind")(z), layers.Dense(1, name="number")(z)]
    model = keras.Model(inputs, outputs)
    scores = accuracy(labels), explained(number)
    return Case(
        model,
        x,
        [labels, number],
        ["sparse_categorical_crossentropy", "mse"],
        lambda found: np.mean([score(part) for score, part in zip(scores, found, strict=True)]),
        heads=("kind", "number"),
        rate=5e-3,
    )


def critic(knobs=PLAIN):
    """The discriminator of a GAN: strided, leaky, with dropout."""
    x, y = images()
    y = (y > 1).astype("int32")[:, None]
    inputs = z = keras.Input((8, 8, 1))
    hidden = knobs.hidden(layers.LeakyReLU(negative_slope=0.2))
    for i in range(2):
        z = layers.Conv2D(12, 3, strides=2, padding="same", name=f"conv_{i}", **hidden)(z)
        z = layers.Dropout(0.2)(z)
    model = keras.Model(inputs, finish(layers.Flatten()(z), knobs, 1, "sigmoid"))
    return Case(model, x, y, "binary_crossentropy", binary_accuracy(y), steps=180)


def residual(knobs=PLAIN):
    """Blocks of Dense and batch normalization beside a shortcut."""
    x, y = clusters()
    inputs = keras.Input((16,))
    z = layers.Dense(32, name="stem")(inputs)
    for i in range(knobs.depth or 3):
        h = layers.Dense(32, name=f"block_{i}_a", **knobs.hidden())(layers.BatchNormalization()(z))
        z = z + layers.Dense(32, name=f"block_{i}_b")(h)
    model = keras.Model(inputs, finish(layers.LayerNormalization()(z), knobs, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=160)


FAMILIES = {
    family.__name__: family
    for family in (
        mlp_classes,
        mlp_regression,
        mlp_binary,
        cnn,
        lstm,
        transformer,
        autoencoder,
        factorization,
        dueling,
        two_heads,
        critic,
        residual,
    )
}
