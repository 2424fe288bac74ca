"""GANs: a small DCGAN on digits."""

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits
from starts import by, ours, own

TITLE = (
    "GAN on digits, 2,000 steps of each side: distance of the moments of pixels (lower is better); "
    "spread of the pixels over samples, real ones have 0.21 (0 is a collapse); accuracy of the "
    "discriminator (1 is a dead generator, 0.5 a dead discriminator)"
)
STARTS = {
    "Keras": own,
    "dcgan": by([(".", keras.initializers.RandomNormal(0.0, 0.02))]),
    "ours": ours,
}
CELLS = {"without norms": {"norms": False}, "with BatchNormalization": {"norms": True}}
NOISE, BATCH, STEPS = 16, 32, 2000


def leaky():
    return layers.LeakyReLU(0.2)


def generator_of(norms):
    norm = [layers.BatchNormalization] if norms else []
    x = [keras.Input((NOISE,)), layers.Dense(2 * 2 * 32), layers.Reshape((2, 2, 32))]
    for width in (32, 32):
        x += [layers.Conv2DTranspose(width, 4, strides=2, padding="same")]
        x += [*(one() for one in norm), leaky()]
    return keras.Sequential([*x, layers.Conv2D(1, 3, padding="same", activation="sigmoid")])


def discriminator_of():
    x = [keras.Input((8, 8, 1))]
    for width in (16, 32):
        x += [layers.Conv2D(width, 4, strides=2, padding="same"), leaky()]
    return keras.Sequential([*x, layers.Flatten(), layers.Dense(1)])


def numpy_of(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def train(draw, seed, norms):
    generator, discriminator = generator_of(norms), discriminator_of()
    draw(generator, seed)
    draw(discriminator, seed + 1000)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss)
    discriminator.train_on_batch(np.zeros((2, 8, 8, 1)), np.zeros((2, 1)))
    both = keras.Sequential([generator, discriminator])
    both.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss)
    real = (load_digits().images / 16).astype("float32")[..., None]
    rng = np.random.default_rng(seed)

    def noise(size):
        return rng.normal(size=(size, NOISE)).astype("float32")

    for _ in range(STEPS):
        fake = numpy_of(generator(noise(BATCH), training=True))
        batch = np.concatenate([real[rng.integers(0, len(real), BATCH)], fake])
        discriminator.trainable = True  # Keras asks in each step, or at the first
        discriminator.train_on_batch(batch, np.repeat([[0.9], [0.1]], BATCH, 0))
        discriminator.trainable = False
        both.train_on_batch(noise(2 * BATCH), np.ones((2 * BATCH, 1)))
    fake = numpy_of(generator(noise(1000)))
    seen, made = real.reshape(-1, 64), fake.reshape(-1, 64)
    distance = np.square(made.mean(0) - seen.mean(0)).sum()
    distance += np.square(np.cov(made.T) - np.cov(seen.T)).sum()
    right = [(numpy_of(discriminator(x)) > 0).mean() for x in (real, fake)]
    return {
        "distance": float(distance),
        "spread": float(made.std(0).mean()),
        "discriminator": float((right[0] + 1 - right[1]) / 2),
    }
