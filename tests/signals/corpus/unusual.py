"""Healthy programs: plain ones in many shapes, and designs that look odd and are fine."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from case import PLAIN, Case, Knobs, accuracy, binary_accuracy, explained
from families_open import clusters, curve, finish, images, stack, tokens
from keras import layers, ops

SGD = keras.optimizers.SGD

# name: (families it is tried in, knobs, what is changed)
VARIANTS: dict[str, tuple[tuple[str, ...], Knobs, Callable[[Case], None] | None]] = {}


def variant(name, families, knobs=PLAIN, **changes):
    def change(case: Case) -> None:
        for key, value in changes.items():
            setattr(case, key, value)

    VARIANTS[name] = families, knobs, change


STACKS = ("mlp_classes", "mlp_regression", "two_heads", "siamese", "policy", "wide_and_deep")
variant("plain", ())  # all families, see `programs.py`
variant("he", STACKS[::3], Knobs(kernel="he_normal", activation="relu"))
variant("selu", STACKS[::2], Knobs(kernel="lecun_normal", activation="selu", depth=4))
variant("gelu", ("cnn", "conv1d"), Knobs(activation="gelu"))
variant("orthogonal", ("mlp_classes", "siamese"), Knobs(kernel="orthogonal"))
variant(
    "deep_tanh",
    ("mlp_classes", "mlp_regression", "policy"),
    Knobs(activation="tanh", depth=12, kernel="glorot_normal"),
)
variant(
    "deep_he",
    ("mlp_classes", "conv1d"),
    Knobs(activation="relu", depth=8, kernel="he_normal", width=64),
)
variant("batch_norm", ("mlp_classes", "cnn", "siamese"), Knobs(batch_norm=True))
variant("sgd", ("mlp_classes", "conv1d"), optimizer=SGD, rate=0.05)
variant("momentum", ("mlp_binary", "policy"), optimizer=SGD, rate=0.02, options={"momentum": 0.9})
variant("long", ("mlp_classes", "mlp_regression", "siamese"), steps=1000)
variant("gentle", ("mlp_classes", "policy"), rate=5e-4, steps=900)
variant("batch_of_one", ("mlp_classes", "wide_and_deep"), batch=1, steps=700, rate=1e-3)
variant("batch_of_all", ("mlp_binary", "siamese"), batch=512, steps=150, rate=1e-2)
variant("clipped", ("mlp_classes", "lstm", "gru_words"), options={"clipnorm": 1.0})
variant("decay", ("transformer", "mixer"), options={"weight_decay": 1e-3})
variant("rmsprop", ("mlp_binary", "conv1d"), optimizer=keras.optimizers.RMSprop, rate=2e-3)


UNUSUAL: dict[str, tuple[bool, Callable[[], Case]]] = {}


def unusual(make=None, *, held=False):
    def keep(make):
        UNUSUAL[make.__name__] = held, make
        return make

    return keep if make is None else keep(make)


@unusual
def targets_of_thousands():
    """Prices, and the head's bias at their mean."""
    x, y = curve()
    y = 5000 + 1000 * y
    inputs = keras.Input((8,))
    head = layers.Dense(1, bias_initializer=keras.initializers.Constant(5000.0), name="head")
    model = keras.Model(inputs, head(stack(inputs, PLAIN, 2, 64)))
    return Case(model, x, y, "mae", explained(y), rate=3e-2, steps=900)


@unusual
def zero_head():
    x, y = clusters()
    inputs = keras.Input((16,))
    z = stack(inputs, PLAIN, 3, 32)
    model = keras.Model(
        inputs, layers.Dense(5, "softmax", kernel_initializer="zeros", name="head")(z)
    )
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y))


@unusual
def zero_branches():
    """Residual branches that end in a zero kernel (as in Fixup or ReZero)."""
    x, y = clusters()
    inputs = keras.Input((16,))
    z = layers.Dense(32, name="stem")(inputs)
    for i in range(4):
        h = layers.Dense(32, "relu", name=f"branch_{i}_a")(z)
        z = z + layers.Dense(32, kernel_initializer="zeros", name=f"branch_{i}_b")(h)
    model = keras.Model(inputs, finish(z, PLAIN, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y))


@unusual
def frozen_backbone():
    x, y = clusters()
    inputs = keras.Input((16,))
    z = stack(inputs, Knobs(kernel="he_normal"), 3, 64)
    model = keras.Model(inputs, finish(z, PLAIN, 5, "softmax"))
    for layer in model.layers[:-1]:
        layer.trainable = False
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), rate=1e-2)


@unusual
def feature_extractor():
    """The gradient stops on purpose above frozen layers."""
    x, y = clusters()
    inputs = keras.Input((16,))
    z = stack(inputs, Knobs(kernel="he_normal"), 2, 64)
    body = keras.Model(inputs, z)
    body.trainable = False
    z = ops.stop_gradient(body(inputs))
    model = keras.Model(inputs, finish(z, PLAIN, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), rate=1e-2)


@unusual
def sine_net():
    x = np.linspace(-1, 1, 512, dtype="float32")[:, None]
    y = np.sin(12 * x) * np.cos(5 * x)
    inputs = keras.Input((1,))
    first = keras.initializers.RandomUniform(-15, 15)
    z = layers.Dense(48, ops.sin, kernel_initializer=first, name="first")(inputs)
    deep = keras.initializers.VarianceScaling(2.0, "fan_in", "uniform")
    z = layers.Dense(48, ops.sin, kernel_initializer=deep, name="second")(z)
    return Case(keras.Model(inputs, finish(z, PLAIN, 1, None)), x, y, "mse", explained(y))


@unusual
def masked_words():
    x, y = tokens()
    x[:, 6:] = 0
    y = (x < 20).sum(1) - (x == 0).sum(1) > 3
    inputs = keras.Input((10,), dtype="int32")
    z = layers.Embedding(40, 16, mask_zero=True)(inputs)
    z = layers.LSTM(24, name="lstm")(z)
    model = keras.Model(inputs, finish(z, PLAIN, 1, "sigmoid"))
    return Case(
        model, x, y.astype("int32")[:, None], "binary_crossentropy", binary_accuracy(y), rate=1e-2
    )


@unusual
def rare_words():
    """A large table most of whose rows no batch sees, with a float input."""
    x, y = tokens()
    inputs = keras.Input((10,))
    z = layers.GlobalAveragePooling1D()(layers.Embedding(5000, 16, name="tokens")(inputs))
    model = keras.Model(inputs, finish(layers.Dense(16, "relu")(z), PLAIN, 2, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), rate=1e-2)


@unusual
def unequal_sample_weights():
    x, y = clusters()
    inputs = keras.Input((16,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 2, 32), PLAIN, 5, "softmax"))
    case = Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=320)
    case.fitted = {"sample_weight": np.where(y == 0, 5.0, 0.2).astype("float32")}
    return case


@unusual
def small_data():
    x, y = clusters(samples=24)
    inputs = keras.Input((16,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 2, 32), PLAIN, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), batch=4, rate=1e-2)


@unusual
def linear_model():
    """Converges at once and stays at the noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((320, 8)).astype("float32")
    y = (10 * x[:, :1] + rng.standard_normal((320, 1))).astype("float32")
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1, name="head")])
    return Case(model, x, y, "mse", explained(y), optimizer=SGD, rate=0.05, batch=32, steps=800)


@unusual
def noisy_linear_model():
    """One sample a step, most of the loss is noise."""
    rng = np.random.default_rng(0)
    x = rng.random((64, 4)).astype("float32")
    y = (x.sum(1, keepdims=True) / 4 + 0.1 * rng.standard_normal((64, 1))).astype("float32")
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, "relu"), layers.Dense(1, name="head")]
    )
    return Case(model, x, y, "mse", explained(y), optimizer=SGD, rate=0.02, batch=1, steps=1280)


@unusual
def penalties():
    x, y = clusters()
    inputs = z = keras.Input((16,))
    for i in range(2):
        z = layers.Dense(128, "relu", kernel_regularizer=keras.regularizers.L2(1e-2), name=f"h{i}")(
            z
        )
    model = keras.Model(inputs, finish(z, PLAIN, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=320)


@unusual
def sparse_activity():
    """An L1 penalty on the code of an autoencoder."""
    rng = np.random.default_rng(5)
    x = (rng.standard_normal((512, 4)) @ rng.standard_normal((4, 24)) / 2).astype("float32")
    inputs = keras.Input((24,))
    z = layers.Dense(32, "relu", activity_regularizer=keras.regularizers.L1(1e-4), name="code")(
        inputs
    )
    model = keras.Model(inputs, finish(z, PLAIN, 24, None))
    return Case(model, x, x, "mse", explained(x), rate=5e-3)


@unusual
def low_and_high_rates():
    """Groups of layers of very different width."""
    x, y = curve()
    inputs = keras.Input((8,))
    z = layers.Dense(512, "relu", name="wide")(inputs)
    z = layers.Dense(4, "tanh", name="narrow")(z)
    z = layers.Dense(64, "relu", name="again")(z)
    return Case(
        keras.Model(inputs, finish(z, PLAIN, 1, None)), x, y, "mse", explained(y), steps=400
    )


@unusual
def one_unit_gates():
    """Squeeze and excitation."""
    x, y = images()
    inputs = keras.Input((8, 8, 1))
    z = layers.Conv2D(16, 3, padding="same", activation="relu", name="conv")(inputs)
    s = layers.GlobalAveragePooling2D()(z)
    s = layers.Dense(4, "relu", name="squeeze")(s)
    s = layers.Dense(16, "sigmoid", name="excite")(s)
    z = layers.Flatten()(z * s[:, None, None])
    model = keras.Model(inputs, finish(z, PLAIN, 4, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=120)


@unusual
def counts():
    """Poisson targets and an exponential head."""
    x, _ = curve()
    y = np.random.default_rng(1).poisson(np.exp(0.7 * x[:, :1] + 1.0)).astype("float32")
    inputs = keras.Input((8,))
    z = stack(inputs, PLAIN, 2, 32)
    model = keras.Model(inputs, layers.Dense(1, "exponential", name="head")(z))
    return Case(model, x, y, "poisson", explained(np.exp(0.7 * x[:, :1] + 1.0)), steps=320)


@unusual
def rare_positives():
    x, y = curve()
    y = (y > 1.4).astype("int32")
    inputs = keras.Input((8,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 2, 48), PLAIN, 1, "sigmoid"))
    loss = "binary_crossentropy"
    return Case(model, x, y, loss, binary_accuracy(y), rate=1e-2, steps=480)


@unusual
def hinge():
    x, y = curve()
    y = np.where(y > 0, 1.0, -1.0).astype("float32")
    inputs = keras.Input((8,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 2, 48), PLAIN, 1, "tanh"))
    return Case(model, x, y, "hinge", binary_accuracy(y, 0.0), rate=5e-3)


@unusual
def schedule():
    """Warm-up and decay of the rate."""
    x, y = clusters()
    inputs = keras.Input((16,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 3, 32), PLAIN, 5, "softmax"))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, 300, warmup_target=1e-2, warmup_steps=60, alpha=0.0
    )
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), rate=rate, steps=400)


@unusual
def noise_and_dropout():
    x, y = clusters()
    inputs = keras.Input((16,))
    z = layers.GaussianNoise(0.3)(inputs)
    z = layers.Dropout(0.5)(layers.Dense(64, "relu", name="hidden")(z))
    model = keras.Model(inputs, finish(z, PLAIN, 5, "softmax"))
    return Case(model, x, y, "sparse_categorical_crossentropy", accuracy(y), steps=320)


@unusual
def sparse_counts():
    """Inputs that are nearly all 0."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, 512)
    x = rng.poisson(0.02, (512, 60)) + (rng.random((512, 60)) < 0.3) * (
        np.arange(60) // 15 == y[:, None]
    )
    inputs = keras.Input((60,))
    model = keras.Model(inputs, finish(stack(inputs, PLAIN, 1, 32), PLAIN, 4, "softmax"))
    return Case(
        model, x.astype("float32"), y, "sparse_categorical_crossentropy", accuracy(y), rate=1e-2
    )
