"""Small models, sound and faulty, that the tests of the signals look at."""

import keras
import numpy as np
from keras import layers

CLASSES = 10
FEATURES = 32


def data(samples=128):
    """Standardized features in ten clusters, and their labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, samples)
    centres = rng.standard_normal((CLASSES, FEATURES))
    x = (centres[y] + rng.standard_normal((samples, FEATURES))) / 2**0.5
    return x.astype("float32"), y


def images(samples=32, size=16):
    rng = np.random.default_rng(0)
    return rng.standard_normal((samples, size, size, 3)).astype("float32"), rng.integers(
        0, CLASSES, samples
    )


def tokens(samples=32, length=12):
    rng = np.random.default_rng(0)
    return rng.integers(1, 50, (samples, length)).astype("int32"), rng.integers(0, 2, samples)


def normal(stddev):
    return lambda: keras.initializers.RandomNormal(stddev=stddev)


def scaled(scale):
    return lambda: keras.initializers.VarianceScaling(scale, "fan_in", "untruncated_normal")


def orthogonal(gain):
    return lambda: keras.initializers.Orthogonal(gain=gain)


def mlp(activation, depth, initializer, *, width=64, loss="sparse_categorical_crossentropy", **kw):
    """A plain stack; `initializer` is a name or makes a new one for each layer."""
    stack = [keras.Input((FEATURES,))]
    for i in range(depth):
        kernel = initializer() if callable(initializer) else initializer
        layer = layers.Dense(width, activation, kernel_initializer=kernel, name=f"hidden_{i}", **kw)
        stack.append(layer)
    stack.append(layers.Dense(CLASSES, activation="softmax", name="head"))
    model = keras.Sequential(stack)
    model.compile("sgd", loss)
    return model


def batch_norm_mlp(depth=10):
    stack = [keras.Input((FEATURES,))]
    for _ in range(depth):
        stack += [layers.Dense(64, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    return _classifier(keras.Sequential([*stack, layers.Dense(CLASSES)]), from_logits=True)


def cnn():
    stack = [keras.Input((16, 16, 3))]
    for filters in (16, 32):
        stack += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
        ]
    return _classifier(
        keras.Sequential([*stack, layers.Flatten(), layers.Dropout(0.5), layers.Dense(CLASSES)]),
        from_logits=True,
    )


def resnet(blocks=3):
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, padding="same", kernel_initializer="he_normal")(inputs)
    for _ in range(blocks):
        skip = x
        for last in (False, True):
            x = layers.Conv2D(16, 3, padding="same", kernel_initializer="he_normal")(x)
            x = layers.BatchNormalization()(x)
            x = layers.Add()([x, skip]) if last else x
            x = layers.ReLU()(x)
    outputs = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))
    return _classifier(keras.Model(inputs, outputs), from_logits=True)


def lstm():
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(50, 16, mask_zero=True),
            layers.LSTM(16, return_sequences=True),
            layers.LSTM(16),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def transformer(blocks=2):
    inputs = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 32)(inputs)
    for _ in range(blocks):
        h = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 8)(h, h)])
        h = layers.LayerNormalization()(x)
        h = layers.Dense(64, activation="gelu")(h)
        x = layers.Add()([x, layers.Dense(32)(h)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return _classifier(keras.Model(inputs, layers.Dense(2)(x)), from_logits=True)


def _classifier(model, *, from_logits):
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
    return model


def photos():
    return images(8, 32)


def constant(value):
    return lambda: keras.initializers.Constant(value)


def mobilenet():
    model = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, weights=None, classes=CLASSES
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
