"""Architectures and tasks of the part that was never looked at while rules were written."""

import keras
import numpy as np
from case import PLAIN, Case, accuracy, binary_accuracy, explained
from families_open import clusters, curve, finish, images, stack, tokens, waves
from keras import layers, ops


def gru_words(knobs=PLAIN):
    """Masked tokens, an embedding, two gated layers."""
    x, y = tokens()
    x[:, 7:] *= (np.arange(len(x)) % 2)[:, None]
    inputs = keras.Input((10,), dtype="int32")
    z = layers.Embedding(40, 16, mask_zero=True, name="tokens")(inputs)
    z = layers.GRU(16, return_sequences=True, name="gru_0")(z)
    z = layers.GRU(16, name="gru_1")(z)
    model = keras.Model(inputs, finish(z, knobs, 1, "sigmoid"))
    return Case(model, x, y[:, None], "binary_crossentropy", binary_accuracy(y), rate=1e-2)


def siamese(knobs=PLAIN):
    """Are two points of the same cluster? One encoder for both."""
    x, labels = clusters(samples=1024)
    left, right = x[:512], x[512:]
    right[:256] = x[[np.flatnonzero(labels[:512] == k)[0] for k in labels[:256]]]
    y = (labels[:512] == np.r_[labels[:256], labels[768:]]).astype("int32")[:, None]
    a, b = keras.Input((16,)), keras.Input((16,))
    point = keras.Input((16,))
    encoder = keras.Model(point, stack(point, knobs, 2, 32), name="encoder")
    z = ops.abs(encoder(a) - encoder(b))
    model = keras.Model([a, b], finish(z, knobs, 1, "sigmoid"))
    return Case(model, [left, right], y, "binary_crossentropy", binary_accuracy(y), steps=320)


def flow(knobs=PLAIN):
    """Affine couplings trained by a likelihood that the model adds itself."""

    class Likelihood(layers.Layer):
        def call(self, z, log_det):
            self.add_loss(ops.mean(0.5 * ops.sum(z**2, -1) - log_det))
            return z

    rng = np.random.default_rng(7)
    x = rng.standard_normal((512, 2))
    x[:, 1] = 0.3 * x[:, 1] + x[:, 0] ** 2 - 1
    x = x.astype("float32")
    inputs = z = keras.Input((2,))
    log_det = 0.0
    for i in range(knobs.depth or 4):
        keep, other = z[:, :1], z[:, 1:]
        h = layers.Dense(24, name=f"coupling_{i}", **knobs.hidden("tanh"))(keep)
        s = layers.Dense(1, activation="tanh", name=f"scale_{i}")(h)
        t = layers.Dense(1, name=f"shift_{i}")(h)
        other = other * ops.exp(s) + t
        log_det = log_det + ops.sum(s, -1)
        z = ops.concatenate([other, keep], -1)
    model = keras.Model(inputs, Likelihood(name="likelihood")(z, log_det))

    def gaussian(found):
        """The curve is gone: no correlation of the square of one with the other."""
        if not np.isfinite(found).all():
            return -1.0
        pairs = (found[:, 0] ** 2, found[:, 1]), (found[:, 1] ** 2, found[:, 0])
        return 1 - max(abs(np.corrcoef(*pair)[0, 1]) for pair in pairs)

    heads = tuple(f"{part}_{i}" for part in ("scale", "shift") for i in range(knobs.depth or 4))
    return Case(model, x, None, None, gaussian, rate=5e-3, steps=320, heads=heads)


def generator(knobs=PLAIN):
    """From a code to an image, by transposed convolutions."""
    pictures, corners = images()
    rng = np.random.default_rng(8)
    codes = np.eye(4)[corners] + 0.05 * rng.standard_normal((len(corners), 4))
    means = np.stack([pictures[corners == k].mean(0) for k in range(4)])
    y = np.tanh(means[corners]).astype("float32")
    inputs = keras.Input((4,))
    z = layers.Reshape((2, 2, 16))(layers.Dense(64, name="grow", **knobs.hidden())(inputs))
    z = layers.Conv2DTranspose(12, 3, strides=2, padding="same", name="larger_0", **knobs.hidden())(
        z
    )
    own = "tanh" if knobs.output == "own" else knobs.output
    z = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation=own, name="head")(z)
    return Case(keras.Model(inputs, z), codes.astype("float32"), y, "mse", explained(y), rate=1e-2)


def conv1d(knobs=PLAIN):
    x, y = waves()
    y = np.digitize(y[:, 0], [-0.5, 0.5])
    inputs = z = keras.Input((12, 3))
    for i in range(knobs.depth or 3):
        z = layers.Conv1D(16, 3, padding="causal", name=f"conv_{i}", **knobs.hidden())(z)
    model = keras.Model(inputs, finish(layers.GlobalMaxPooling1D()(z), knobs, 3, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=240)


def translator(knobs=PLAIN):
    """Encoder and decoder; only the encoder's states are used."""
    x, _ = tokens(384, length=5, words=6)
    shifted = np.concatenate([np.zeros((384, 1), "int32"), x[:, :-1]], 1)
    first, second = keras.Input((5,), dtype="int32"), keras.Input((5,), dtype="int32")
    table = layers.Embedding(6, 12, name="tokens")
    _, h, c = layers.LSTM(24, return_state=True, name="encoder")(table(first))
    z = layers.LSTM(24, return_sequences=True, name="decoder")(table(second), initial_state=[h, c])
    model = keras.Model([first, second], finish(z, knobs, 6, "softmax"))
    loss = "sparse_categorical_crossentropy"
    return Case(model, [x, shifted], x, loss, accuracy(x), rate=1e-2, steps=360)


class Transposed(layers.Layer):
    """Uses the kernel of another layer the other way round."""

    def __init__(self, layer, **options):
        super().__init__(**options)
        self.layer = layer

    def build(self, shape):
        self.bias = self.add_weight(shape=(self.layer.kernel.shape[0],), name="bias")

    def call(self, inputs):
        return ops.matmul(inputs, ops.transpose(self.layer.kernel)) + self.bias


def tied(knobs=PLAIN):
    """An autoencoder whose way back has the weights of the way there."""
    rng = np.random.default_rng(9)
    x = np.tanh(rng.standard_normal((512, 3)) @ rng.standard_normal((3, 20))).astype("float32")
    inputs = keras.Input((20,))
    first = layers.Dense(16, name="first", **knobs.hidden("tanh"))
    second = layers.Dense(6, name="second", **knobs.hidden("tanh"))
    z = Transposed(first)(ops.tanh(Transposed(second)(second(first(inputs)))))
    return Case(keras.Model(inputs, z), x, x, "mse", explained(x), rate=5e-3, heads=())


def policy(knobs=PLAIN):
    """A policy gradient: actions weighted by their advantage."""
    x, best = clusters(classes=3)
    rng = np.random.default_rng(10)
    action = rng.integers(0, 3, len(x))
    weight = np.where(action == best, 1.0, 0.1).astype("float32")
    inputs = keras.Input((16,))
    model = keras.Model(inputs, finish(stack(inputs, knobs, 2, 24, "tanh"), knobs, 3, "softmax"))
    case = Case(model, x, action, "sparse_categorical_crossentropy", accuracy(best))
    case.fitted = {"sample_weight": weight}
    return case


def wide_and_deep(knobs=PLAIN):
    """A linear tower beside a deep one, of numbers and categories."""
    x, y = curve()
    group = np.random.default_rng(11).integers(0, 6, (len(x), 1)).astype("int32")
    y = (y + group / 3).astype("float32")
    numbers, kinds = keras.Input((8,)), keras.Input((1,), dtype="int32")
    z = layers.Concatenate()(
        [numbers, layers.Flatten()(layers.Embedding(6, 4, name="kind")(kinds))]
    )
    deep = stack(z, knobs, 3, 32)
    model = keras.Model([numbers, kinds], finish(layers.Concatenate()([deep, z]), knobs, 1, None))
    return Case(model, [x, group], y, "mae", explained(y), rate=5e-3)


def point_cloud(knobs=PLAIN):
    """One Dense for all points, then their maximum."""
    rng = np.random.default_rng(12)
    y = rng.integers(0, 3, 384)
    x = rng.standard_normal((384, 16, 3))
    x[..., 0] *= (1 + 2 * (y == 1))[:, None]
    x[..., 1] *= (1 + 2 * (y == 2))[:, None]
    inputs = keras.Input((16, 3))
    z = layers.GlobalMaxPooling1D()(stack(inputs, knobs, 2, 24))
    model = keras.Model(inputs, finish(z, knobs, 3, "softmax"))
    loss = "sparse_categorical_crossentropy"
    return Case(model, x.astype("float32"), y, loss, accuracy(y), rate=5e-3)


def gated(knobs=PLAIN):
    """Halves of a layer that gate the other halves (GLU)."""
    x, y = curve()
    inputs = z = keras.Input((8,))
    for i in range(knobs.depth or 3):
        value = layers.Dense(32, name=f"value_{i}", **knobs.hidden("linear"))(z)
        z = value * layers.Dense(32, activation="sigmoid", name=f"gate_{i}")(z)
    model = keras.Model(inputs, finish(z, knobs, 1, None))
    return Case(model, x, y, "mse", explained(y), rate=5e-3, steps=320)


def mixer(knobs=PLAIN):
    """Patches of an image, mixed across places and across channels."""
    x, y = images()
    inputs = keras.Input((8, 8, 1))
    z = layers.Conv2D(16, 2, strides=2, name="patches")(inputs)
    z = layers.Reshape((16, 16))(z)
    h = layers.Permute((2, 1))(layers.LayerNormalization()(z))
    h = layers.Dense(16, name="places", **knobs.hidden("gelu"))(h)
    z = z + layers.Permute((2, 1))(h)
    z = z + layers.Dense(16, name="channels", **knobs.hidden("gelu"))(
        layers.LayerNormalization()(z)
    )
    model = keras.Model(inputs, finish(layers.Flatten()(z), knobs, 4, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=120)


FAMILIES = {
    family.__name__: family
    for family in (
        gru_words,
        siamese,
        flow,
        generator,
        conv1d,
        translator,
        tied,
        policy,
        wide_and_deep,
        point_cloud,
        gated,
        mixer,
    )
}
