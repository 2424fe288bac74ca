"""Small models of the kinds that people build, each with its data and its usual training.

Every function of `PROBLEMS` gives a compiled model with the start of its published example.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import small_data
from keras import layers, ops

FIT = {"batch_size": 64, "verbose": 0}


@dataclass
class Problem:
    """A compiled model and how it is trained and judged."""

    model: Any
    train: Callable[[], Any]
    score: Callable[[], float]  # lower is better


def supervised(model, data, loss, *, steps=300, rate=1e-3, batch=64):
    """Adam for about so many steps; the score is the loss on the test part."""
    (x, y), test = data
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    rows = len(y if not isinstance(y, tuple) else y[0])
    epochs = max(1, round(steps * batch / rows))
    arrange = list if isinstance(x, tuple) else lambda one: one
    return Problem(
        model,
        lambda: model.fit(arrange(x), y, epochs=epochs, batch_size=batch, verbose=0),
        lambda: float(model.evaluate(arrange(test[0]), test[1], batch_size=256, verbose=0)),
    )


def sparse():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def binary():
    return keras.losses.BinaryCrossentropy(from_logits=True)


def images():
    return keras.Input((8, 8, 1))


# --- images -------------------------------------------------------------------------------------


class PixelShuffle(layers.Layer):
    """Depth to space, as in the sub-pixel example."""

    def call(self, x):
        side = x.shape[1]
        x = ops.reshape(x, (-1, side, side, 2, 2, 1))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * side, 2 * side, 1))


def super_resolution():
    """keras.io: image super-resolution with an efficient sub-pixel CNN, 4 x 4 to 8 x 8."""
    options = {"activation": "relu", "kernel_initializer": "orthogonal", "padding": "same"}
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(64, 5, **options)(inputs)
    x = layers.Conv2D(64, 3, **options)(x)
    x = layers.Conv2D(32, 3, **options)(x)
    x = layers.Conv2D(4, 3, **options)(x)
    model = keras.Model(inputs, PixelShuffle()(x))

    def halved(x):
        return x.reshape(-1, 4, 2, 4, 2, 1).mean((2, 4))

    data = tuple((halved(x), x) for x, _ in small_data.digits())
    return supervised(model, data, "mse")


def u_net():
    """Takes noise away from digits."""
    inputs = x = images()
    kept = []
    for width in (16, 32):
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        kept.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    for width in (32, 16):
        x = layers.Conv2DTranspose(width, 2, strides=2)(x)
        x = layers.Concatenate()([x, kept.pop()])
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    return supervised(keras.Model(inputs, layers.Conv2D(1, 1)(x)), noisy(), "mse")


def noisy():
    rng = np.random.default_rng(0)
    return tuple(
        (x + 0.5 * rng.normal(size=x.shape).astype("float32"), x) for x, _ in small_data.digits()
    )


def autoencoder():
    """keras.io: convolutional autoencoder for image denoising."""
    options = {"activation": "relu", "padding": "same"}
    x = inputs = images()
    for _ in range(2):
        x = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(32, 3, **options)(x))
    for _ in range(2):
        x = layers.Conv2DTranspose(32, 3, strides=2, **options)(x)
    x = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(x)
    return supervised(keras.Model(inputs, x), noisy(), "binary_crossentropy")


class Sampling(layers.Layer):
    """A draw from the posterior, and its divergence from N(0, 1) as a loss."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, mean, log_var):
        divergence = -0.5 * ops.mean(1 + log_var - ops.square(mean) - ops.exp(log_var))
        self.add_loss(0.01 * divergence)
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise


def vae():
    """keras.io: variational autoencoder, as one functional model."""
    x = inputs = images()
    for width in (16, 32):
        x = layers.Conv2D(width, 3, activation="relu", strides=2, padding="same")(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    x = Sampling()(layers.Dense(4, name="mean")(x), layers.Dense(4, name="log_var")(x))
    x = layers.Reshape((2, 2, 32))(layers.Dense(2 * 2 * 32, activation="relu")(x))
    for width in (32, 16):
        x = layers.Conv2DTranspose(width, 3, activation="relu", strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(x)
    data = tuple((x, x) for x, _ in small_data.digits())
    return supervised(keras.Model(inputs, x), data, "mse", steps=400)


class GAN(keras.Model):
    """A container, trained from outside."""

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


def dcgan():
    """The score is how far means and covariances of generated pixels are from real ones."""
    leaky = lambda: layers.LeakyReLU(0.2)  # noqa: E731
    generator = keras.Sequential([
        keras.Input((16,)), layers.Dense(2 * 2 * 32), layers.Reshape((2, 2, 32)),
        layers.Conv2DTranspose(32, 4, strides=2, padding="same"), leaky(),
        layers.Conv2DTranspose(64, 4, strides=2, padding="same"), leaky(),
        layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
    ])  # fmt: skip
    discriminator = keras.Sequential([
        images(), layers.Conv2D(16, 4, strides=2, padding="same"), leaky(),
        layers.Conv2D(32, 4, strides=2, padding="same"), leaky(),
        layers.Flatten(), layers.Dropout(0.2), layers.Dense(1),
    ])  # fmt: skip
    model = GAN(generator, discriminator)
    adam = lambda: keras.optimizers.Adam(2e-4, beta_1=0.5)  # noqa: E731
    discriminator.compile(adam(), binary(), jit_compile=False)
    discriminator.train_on_batch(np.zeros((2, 8, 8, 1)), np.zeros((2, 1)))
    discriminator.trainable = False
    both = keras.Sequential([generator, discriminator])
    both.compile(adam(), binary(), jit_compile=False)
    # Traced, with the shapes to come, while one part is frozen.
    both.train_on_batch(np.zeros((64, 16), "float32"), np.ones((64, 1)))
    discriminator.trainable = True
    (real, _), (test, _) = small_data.digits()

    def train():
        rng = np.random.default_rng(0)
        for _ in range(300):
            noise = rng.normal(size=(32, 16)).astype("float32")
            fake = keras.ops.convert_to_numpy(generator(noise))
            batch = np.concatenate([real[rng.integers(0, len(real), 32)], fake])
            discriminator.train_on_batch(batch, np.repeat([[0.9], [0.1]], 32, 0))
            noise = rng.normal(size=(64, 16)).astype("float32")
            both.train_on_batch(noise, np.ones((64, 1)))

    def score():
        noise = np.random.default_rng(1).normal(size=(450, 16)).astype("float32")
        fake = keras.ops.convert_to_numpy(generator(noise)).reshape(-1, 64)
        seen = test.reshape(-1, 64)
        means = np.square(fake.mean(0) - seen.mean(0)).sum()
        return float(means + np.square(np.cov(fake.T) - np.cov(seen.T)).sum())

    problem = Problem(model, train, score)
    problem.optimizers = (discriminator.optimizer, both.optimizer)
    return problem


def attention(x, heads, width, rate=0.1):
    return layers.MultiHeadAttention(heads, width // heads, dropout=rate)(x, x)


def mlp(x, units, rate=0.1):
    for size in units:
        x = layers.Dropout(rate)(layers.Dense(size, activation="gelu")(x))
    return x


class Positions(layers.Layer):
    """Learned positions, added."""

    def build(self, shape):
        self.table = self.add_weight(
            shape=shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.02), name="table"
        )

    def call(self, x):
        return x + self.table


class Patches(layers.Layer):
    """Images as rows of 2 x 2 patches."""

    def call(self, x):
        x = ops.transpose(ops.reshape(x, (-1, 4, 2, 4, 2)), (0, 1, 3, 2, 4))
        return ops.reshape(x, (-1, 16, 4))


def vit():
    """keras.io: image classification with Vision Transformer."""
    inputs = images()
    x = Positions()(layers.Dense(32)(Patches()(inputs)))
    for _ in range(4):
        x = layers.Add()([attention(layers.LayerNormalization()(x), 4, 32), x])
        x = layers.Add()([mlp(layers.LayerNormalization()(x), (64, 32)), x])
    x = layers.Flatten()(layers.LayerNormalization()(x))
    x = mlp(x, (64,), 0.5)
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


class StochasticDepth(layers.Layer):
    """keras.io: a branch is left out for some samples."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x, training=False):
        if not training:
            return x
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = ops.floor(1 - self.rate + keras.random.uniform(shape, seed=self.seed_generator))
        return x / (1 - self.rate) * kept


class SequencePooling(layers.Layer):
    """Attention over the tokens in place of a class token."""

    def __init__(self):
        super().__init__()
        self.attention = layers.Dense(1)

    def build(self, shape):
        self.attention.build(shape)

    def call(self, x):
        weights = ops.softmax(self.attention(x), axis=1)
        return ops.squeeze(ops.matmul(ops.transpose(weights, (0, 2, 1)), x), -2)


def cct():
    """keras.io: compact convolutional transformers."""
    x = inputs = images()
    for width in (16, 32):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, activation="relu",
                          kernel_initializer="he_normal")(x)  # fmt: skip
    x = Positions()(layers.Reshape((16, 32))(layers.MaxPooling2D(2)(x)))
    for block in range(2):
        drop = StochasticDepth(0.1 * block)
        x = layers.Add()([drop(attention(layers.LayerNormalization()(x), 2, 32)), x])
        x = layers.Add()([drop(mlp(layers.LayerNormalization()(x), (32, 32))), x])
    x = SequencePooling()(layers.LayerNormalization()(x))
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


def mlp_mixer():
    """keras.io: image classification with modern MLP models, the mixer."""
    inputs = images()
    x = layers.Dense(32)(Patches()(inputs))
    for _ in range(4):
        h = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        h = layers.Dense(16)(layers.Dense(32, activation="gelu")(h))
        x = layers.Add()([x, layers.Permute((2, 1))(h)])
        h = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(32)(h)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


def conv_mixer():
    """keras.io: image classification with ConvMixer."""
    norm = lambda x: layers.BatchNormalization()(layers.Activation("gelu")(x))  # noqa: E731
    inputs = images()
    x = norm(layers.Conv2D(32, 2, strides=2)(inputs))
    for _ in range(4):
        x = layers.Add()([norm(layers.DepthwiseConv2D(3, padding="same")(x)), x])
        x = norm(layers.Conv2D(32, 1)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


def residual_net():
    """A small pre-activation ResNet with batch normalization."""
    relu = lambda x: layers.ReLU()(layers.BatchNormalization()(x))  # noqa: E731
    inputs = images()
    x = layers.Conv2D(16, 3, padding="same")(inputs)
    for width, stride in ((16, 1), (32, 2), (32, 1)):
        h = relu(x)
        skip = x if stride == 1 else layers.Conv2D(width, 1, strides=stride)(h)
        h = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(h)
        h = layers.Conv2D(width, 3, padding="same", use_bias=False)(relu(h))
        x = layers.Add()([h, skip])
    x = layers.GlobalAveragePooling2D()(relu(x))
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


def plain_cnn():
    """keras.io: simple MNIST convnet."""
    x = inputs = images()
    for width in (32, 64):
        x = layers.MaxPooling2D(2)(layers.Conv2D(width, 3, activation="relu", padding="same")(x))
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


def deep_cnn():
    """Eight convolutions without norms."""
    x = inputs = images()
    for _ in range(8):
        x = layers.Conv2D(24, 3, activation="relu", padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return supervised(keras.Model(inputs, layers.Dense(10)(x)), small_data.digits(), sparse())


class Antirectifier(layers.Layer):
    """keras.io: both halves of a normalized signal, and a kernel for them."""

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1] * 2, shape[-1]), initializer="he_normal", name="kernel"
        )

    def call(self, x):
        x = x - ops.mean(x, axis=-1, keepdims=True)
        x = x / (ops.norm(x, axis=-1, keepdims=True) + 1e-7)
        return ops.matmul(ops.concatenate([ops.relu(x), ops.relu(-x)], axis=-1), self.kernel)


def antirectifier():
    """keras.io: simple custom layer example."""
    x = inputs = images()
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.5)(Antirectifier()(layers.Dense(128)(x)))
    model = keras.Model(inputs, layers.Dense(10)(x))
    return supervised(model, small_data.digits(), sparse(), steps=600)


def siamese():
    """Are two digits the same? One tower, the distance of its two results."""
    x = inside = images()
    for width in (4, 16):
        x = layers.AveragePooling2D(2)(
            layers.Conv2D(width, 3, activation="tanh", padding="same")(x)
        )
    tower = keras.Model(inside, layers.Dense(10, activation="tanh")(layers.Flatten()(x)))
    left, right = images(), images()
    distance = layers.Lambda(lambda pair: ops.sqrt(ops.maximum(
        ops.sum(ops.square(pair[0] - pair[1]), axis=1, keepdims=True), 1e-7)))  # fmt: skip
    x = layers.BatchNormalization()(distance([tower(left), tower(right)]))
    model = keras.Model([left, right], layers.Dense(1)(x))

    def pairs(part):
        (x, y), rng = part, np.random.default_rng(0)
        other = rng.permutation(len(y))
        near = np.array([rng.choice(np.flatnonzero(y == label)) for label in y])
        other = np.where(rng.uniform(size=len(y)) < 0.5, near, other)
        return (x, x[other]), (y == y[other]).astype("float32")

    return supervised(model, tuple(map(pairs, small_data.digits())), binary(), steps=400)


def coordinates():
    """NeRF's network in small: Fourier features of a place, a deep MLP with a skip, a picture."""
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-1, 1, 32)], indexing="ij"), -1).reshape(-1, 2)
    waves = [f(2.0**k * np.pi * grid) for k in range(4) for f in (np.sin, np.cos)]
    x = np.concatenate([grid, *waves], -1)
    picture = np.kron(small_data.digits()[0][0][3, :, :, 0], np.ones((4, 4))).reshape(-1, 1)
    h = inputs = keras.Input((18,))
    for number in range(6):
        h = layers.Dense(64, activation="relu")(h)
        if number == 3:
            h = layers.Concatenate()([h, inputs])
    model = keras.Model(inputs, layers.Dense(1)(h))
    return supervised(model, small_data.split(x, picture), "mse")


# --- tables -------------------------------------------------------------------------------------


def imbalanced_mlp():
    """keras.io: imbalanced classification, credit card fraud detection."""
    model = keras.Sequential([keras.Input((30,))])
    for rate in (0.0, 0.3, 0.3):
        model.add(layers.Dense(128, activation="relu"))
        model.add(layers.Dropout(rate))
    model.add(layers.Dense(1))
    return supervised(model, small_data.rare(), binary(), rate=3e-4)


def gelu_mlp():
    """Six hidden layers on a table."""
    model = keras.Sequential([keras.Input((30,))])
    for _ in range(6):
        model.add(layers.Dense(64, activation="gelu"))
    model.add(layers.Dense(1))
    return supervised(model, small_data.table(), binary(), steps=150)


def normed_mlp():
    """Four hidden layers, each with a norm, on a regression in ten inputs."""
    x = inputs = keras.Input((10,))
    for _ in range(4):
        x = layers.Activation("silu")(layers.LayerNormalization()(layers.Dense(64)(x)))
    model = keras.Model(inputs, layers.Dense(1)(x))
    return supervised(model, small_data.friedman(), "mse", steps=600)


class Cross(layers.Layer):
    """One step of a cross network, with a kernel of its own layer."""

    def __init__(self):
        super().__init__()
        self.dense = None

    def build(self, shape):
        self.dense = layers.Dense(shape[0][-1])
        self.dense.build(shape[0])

    def call(self, pair):
        first, x = pair
        return first * self.dense(x) + x


def deep_and_cross():
    """keras.io: structured data learning with wide, deep, and cross networks."""
    x = inputs = keras.Input((30,))
    crossed = inputs
    for _ in range(2):
        crossed = Cross()([inputs, crossed])
    crossed = layers.BatchNormalization()(crossed)
    for _ in range(2):
        x = layers.Dropout(0.1)(layers.ReLU()(layers.BatchNormalization()(layers.Dense(32)(x))))
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([crossed, x])))
    return supervised(model, small_data.table(), binary(), steps=150)


class GatedLinearUnit(layers.Layer):
    """Half of it opens the other half."""

    def __init__(self, units):
        super().__init__()
        self.linear, self.gate = layers.Dense(units), layers.Dense(units, activation="sigmoid")

    def build(self, shape):
        self.linear.build(shape)
        self.gate.build(shape)

    def call(self, x):
        return self.linear(x) * self.gate(x)


class GatedResidual(layers.Layer):
    """The gated residual network of the temporal fusion transformer."""

    def __init__(self, units):
        super().__init__()
        self.up, self.down = layers.Dense(units, activation="elu"), layers.Dense(units)
        self.unit, self.norm = GatedLinearUnit(units), layers.LayerNormalization()
        self.project = layers.Dense(units)
        self.drop = layers.Dropout(0.1)

    def build(self, shape):
        inside = (*shape[:-1], self.down.units)
        self.up.build(shape)
        self.project.build(shape)
        for layer in (self.down, self.unit, self.norm):
            layer.build(inside)

    def call(self, x):
        return self.norm(self.project(x) + self.unit(self.drop(self.down(self.up(x)))))


def gated_residual():
    """keras.io: classification with gated residual networks."""
    x = inputs = keras.Input((30,))
    for _ in range(3):
        x = GatedResidual(32)(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    return supervised(model, small_data.table(), binary(), steps=150)


def tab_transformer():
    """keras.io: structured data learning with TabTransformer."""
    inputs = keras.Input((6,), dtype="int32")
    x = Positions()(layers.Embedding(12, 16)(inputs))
    for _ in range(3):
        x = layers.LayerNormalization()(layers.Add()([attention(x, 4, 16), x]))
        x = layers.LayerNormalization()(layers.Add()([mlp(x, (16,)), x]))
    x = layers.Flatten()(x)
    for size in (64, 32):
        x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.2)(layers.Dense(size, activation="selu")(x))
    return supervised(keras.Model(inputs, layers.Dense(1)(x)), small_data.categories(), binary())


# --- sequences ----------------------------------------------------------------------------------


def gru_classifier():
    """Tells four wave forms apart."""
    x = inputs = keras.Input((32, 1))
    x = layers.GRU(32)(layers.Bidirectional(layers.GRU(16, return_sequences=True))(x))
    return supervised(keras.Model(inputs, layers.Dense(4)(x)), small_data.wave_classes(), sparse(),
                      steps=200)  # fmt: skip


def lstm_forecaster():
    """keras.io: timeseries forecasting, one LSTM."""
    inputs = keras.Input((32, 1))
    x = layers.Dense(small_data.FUTURE)(layers.LSTM(32)(inputs))
    return supervised(keras.Model(inputs, x), small_data.series(), "mse", steps=200)


def seq2seq():
    """keras.io: sequence to sequence learning; turns a word around."""
    source, target = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="int32")
    _, *state = layers.LSTM(32, return_state=True)(layers.Embedding(9, 16)(source))
    x = layers.LSTM(32, return_sequences=True)(layers.Embedding(9, 16)(target), initial_state=state)
    model = keras.Model([source, target], layers.Dense(9)(x))
    return supervised(model, small_data.reversals(), sparse(), steps=250)


def tcn():
    """Temporal convolutions: dilated, causal, residual; forecasts a series."""
    x = inputs = keras.Input((32, 1))
    for number in range(4):
        h = x
        for _ in range(2):
            h = layers.Conv1D(24, 3, padding="causal", dilation_rate=2**number)(h)
            h = layers.SpatialDropout1D(0.05)(layers.ReLU()(h))
        skip = x if x.shape[-1] == 24 else layers.Conv1D(24, 1)(x)
        x = layers.ReLU()(layers.Add()([h, skip]))
    x = layers.Dense(small_data.FUTURE)(layers.Lambda(lambda x: x[:, -1])(x))
    return supervised(keras.Model(inputs, x), small_data.series(), "mse")


def wave_net():
    """Eight causal convolutions one after the other; forecasts a series."""
    x = inputs = keras.Input((32, 1))
    for number in range(8):
        x = layers.Conv1D(
            20, 2, padding="causal", activation="relu", dilation_rate=2 ** (number % 4)
        )(x)
    x = layers.Dense(small_data.FUTURE)(layers.Lambda(lambda x: x[:, -1])(x))
    return supervised(keras.Model(inputs, x), small_data.series(), "mse")


class Transformer(layers.Layer):
    """keras.io: the block of the miniature GPT, post-norm, with a mask for the batch."""

    def __init__(self, width, heads, causal=True):
        super().__init__()
        self.causal = causal
        self.att = layers.MultiHeadAttention(heads, width // heads)
        self.ffn = keras.Sequential(
            [layers.Dense(2 * width, activation="relu"), layers.Dense(width)]
        )
        self.norm1, self.norm2 = (layers.LayerNormalization(epsilon=1e-6) for _ in range(2))
        self.drop1, self.drop2 = layers.Dropout(0.1), layers.Dropout(0.1)

    def call(self, x):
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        i, j = ops.arange(length)[:, None], ops.arange(length)
        mask = ops.broadcast_to((i >= j)[None], (batch, length, length))
        x = self.norm1(x + self.drop1(self.att(x, x, attention_mask=mask if self.causal else None)))
        return self.norm2(x + self.drop2(self.ffn(x)))


def mini_gpt():
    """keras.io: text generation with a miniature GPT."""
    (text, _), _ = data = small_data.sentences()
    letters = int(text.max()) + 1
    inputs = keras.Input((small_data.WORDS,), dtype="int32")
    x = Positions()(layers.Embedding(letters, 32)(inputs))
    x = Transformer(32, 2)(Transformer(32, 2)(x))
    return supervised(keras.Model(inputs, layers.Dense(letters)(x)), data, sparse())


def pre_norm_gpt():
    """A GPT-2 of four blocks with 0.02 everywhere."""
    (text, _), _ = data = small_data.sentences()
    letters = int(text.max()) + 1
    normal = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.02)}
    inputs = keras.Input((small_data.WORDS,), dtype="int32")
    x = Positions()(layers.Embedding(letters, 32)(inputs))
    for _ in range(4):
        h = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(2, 16, **normal)(h, h, use_causal_mask=True)
        h = layers.Dense(128, activation="gelu", **normal)(layers.LayerNormalization()(x))
        x = x + layers.Dense(32, **normal)(h)
    x = layers.Dense(letters, **normal)(layers.LayerNormalization()(x))
    return supervised(keras.Model(inputs, x), data, sparse())


# --- sets, graphs, control ----------------------------------------------------------------------


def point_net():
    """keras.io: point cloud classification, without its transformers."""
    x = inputs = keras.Input((32, 3))
    for width in (32, 64, 128):
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.Conv1D(width, 1)(x)))
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dropout(0.3)(layers.Dense(64, activation="relu")(x))
    return supervised(keras.Model(inputs, layers.Dense(4)(x)), small_data.points(), sparse())


class GraphConvolution(layers.Layer):
    """Neighbours' features, mixed by a dense layer."""

    def __init__(self, units):
        super().__init__()
        self.dense = layers.Dense(units, activation="relu")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x, adjacency):
        return self.dense(ops.matmul(adjacency, x))


def graph_net():
    """Regresses a property of small graphs."""
    inputs, adjacency = keras.Input((10, 4)), keras.Input((10, 10))
    x = inputs
    for _ in range(3):
        x = GraphConvolution(32)(x, adjacency)
    x = layers.Dense(16, activation="relu")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model([inputs, adjacency], layers.Dense(1)(x))
    return supervised(model, small_data.graphs(), "mse", rate=3e-3)


def ddpg_critic():
    """keras.io: deep deterministic policy gradient, the critic, on returns of a pendulum."""
    state, action = keras.Input((3,)), keras.Input((1,))
    x = layers.Dense(32, activation="relu")(layers.Dense(16, activation="relu")(state))
    x = layers.Concatenate()([x, layers.Dense(32, activation="relu")(action)])
    for _ in range(2):
        x = layers.Dense(128, activation="relu")(x)
    model = keras.Model([state, action], layers.Dense(1)(x))
    return supervised(model, small_data.swings(), "mse", rate=2e-3)


def ddpg_actor():
    """The actor: torques that would stop a swing, from a head that starts near zero."""
    last = keras.initializers.RandomUniform(-0.003, 0.003)
    inputs = keras.Input((3,))
    x = layers.Dense(128, activation="relu")(inputs)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dense(1, activation="tanh", kernel_initializer=last)(x)

    def torques(part):
        (state, _), _ = part
        return state, np.tanh(-2 * state[:, 1:2] - 1.5 * state[:, 2:3])

    return supervised(keras.Model(inputs, x), tuple(map(torques, small_data.swings())), "mse")


def actor_critic():
    """keras.io: actor critic; one hidden layer, a head for the policy and one for the value."""
    inputs = keras.Input((3,))
    x = layers.Dense(128, activation="relu")(inputs)
    model = keras.Model(inputs, [layers.Dense(2)(x), layers.Dense(1)(x)])

    def steps(part):
        (state, _), value = part
        return state, ((state[:, 1] > 0).astype("int32"), value)

    data = tuple(map(steps, small_data.swings()))
    (x, y), test = data
    model.compile(keras.optimizers.Adam(3e-3), [sparse(), "huber"], jit_compile=False)
    return Problem(
        model,
        lambda: model.fit(x, list(y), epochs=8, **FIT),
        lambda: float(model.evaluate(test[0], list(test[1]), verbose=0)[0]),
    )


PROBLEMS = {
    function.__name__: function
    for function in (
        super_resolution, u_net, autoencoder, vae, dcgan, vit, cct, mlp_mixer, conv_mixer,
        residual_net, plain_cnn, deep_cnn, antirectifier, siamese, coordinates,
        imbalanced_mlp, gelu_mlp, normed_mlp, deep_and_cross, gated_residual, tab_transformer,
        gru_classifier, lstm_forecaster, seq2seq, tcn, wave_net, mini_gpt, pre_norm_gpt,
        point_net, graph_net, ddpg_critic, ddpg_actor, actor_critic,
    )
}  # fmt: skip
