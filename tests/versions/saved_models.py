"""Saves models under the Keras that runs, or opens those that another one saved.

    python tests/versions/saved_models.py save DIR
    python tests/versions/saved_models.py open DIR...

Keras opens the files of older versions, and seldom those of newer ones: its layers refuse arguments
that they do not know yet. So a model of Keras' layers must open wherever the same model with Keras'
own initializers does; its weights must load everywhere. A model of a user's own layers must open
everywhere: there, only our initializers could be what another Keras does not understand.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

import kerasinit
from kerasinit import initializers as I  # noqa: N812

L = keras.layers


@keras.saving.register_keras_serializable("saved_models")
class Shift(L.Layer):
    """Adds the mean of one variable. A user's own layer: its config is the same everywhere."""

    def __init__(self, shape, initializer, **options):
        super().__init__(**options)
        self.shape = tuple(shape)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        self.variable = self.add_weight(shape=self.shape, initializer=self.initializer)

    def call(self, inputs):
        return inputs + keras.ops.mean(self.variable)

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "shape": self.shape, "initializer": initializer}


KERNEL, WINDOW, BIAS = (8, 8), (3, 3, 4, 8), (8,)
# All initializers but `OddPartBias`, which reads the kernel of a layer of Keras.
STARTS = [
    (KERNEL, "kerasinit>Auto"),
    (KERNEL, I.XavierUniform(gain="tanh")),
    (KERNEL, I.XavierNormal(seed=1)),
    (KERNEL, I.LasagneUniform(gain="relu")),
    (KERNEL, I.LasagneNormal()),
    (KERNEL, I.HeUniform(mode="fan_out")),
    (KERNEL, I.HeNormal(truncate=2.0)),
    (KERNEL, I.LecunUniform(gain="auto")),
    (KERNEL, I.LecunNormal(input_axes=[0], output_axes=[1])),
    (KERNEL, I.Orthogonal(gain=2.0)),
    (KERNEL, I.OddPart(activation="gelu")),
    (KERNEL, I.Critical(activation="tanh", bias_std=0.2)),
    (BIAS, I.CriticalBias(activation="tanh", bias_std=0.2)),
    (WINDOW, I.DeltaOrthogonal(gain="relu")),
    (KERNEL, I.Identity()),
    (KERNEL, I.Sparse(nonzero_count=3)),
    (WINDOW, I.ICNR(scale=2, initializer="kerasinit>HeNormal")),  # by default one of Keras
    (KERNEL, I.Siren(first=True)),
]


def own_layers():
    return keras.Sequential([keras.Input((6, 6, 4)), *(Shift(*start) for start in STARTS)])


def keras_layers(**starts):
    inputs = keras.Input((6, 6, 4))
    x = L.Conv2D(8, 3, activation="relu", kernel_initializer=starts["conv"])(inputs)
    x = L.DepthwiseConv2D(1, depthwise_initializer=starts["depthwise"])(x)
    x = L.BatchNormalization()(x)
    x = L.Reshape((16, 8))(x)
    x = L.MultiHeadAttention(2, 4, kernel_initializer=starts["attention"])(x, x)
    x = L.LSTM(4, recurrent_initializer=starts["recurrent"])(x)
    return keras.Model(inputs, L.Dense(3, "tanh", kernel_initializer=starts["dense"])(x))


OURS = {
    "conv": I.DeltaOrthogonal(seed=1),
    "depthwise": I.HeNormal(gain="silu", seed=2),
    "attention": I.XavierUniform(seed=3),
    "recurrent": I.Orthogonal(seed=4),
    "dense": I.Auto(seed=5),
}
MODELS: dict[str, Callable[[], keras.Model]] = {
    "own": own_layers,
    "ours": lambda: keras_layers(**OURS),
    "initialized": lambda: initialized(keras_layers(**OURS)),
    "twin": lambda: keras_layers(**dict.fromkeys(OURS, "glorot_uniform")),
}


def initialized(model):
    kerasinit.initialize(model, seed=6)
    return model


def save(directory: Path):
    directory.mkdir(parents=True)
    (directory / "version").write_text(keras.version())
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
    for name, build in MODELS.items():
        model = build()
        model.save(directory / f"{name}.keras")
        model.save_weights(directory / f"{name}.weights.h5")
        weights = {f"weight_{n}": weight for n, weight in enumerate(model.get_weights())}
        np.savez(directory / f"{name}.npz", x=x, prediction=predicted(model, x), **weights)


def opens(path):
    try:
        return keras.saving.load_model(path)
    except (TypeError, ValueError) as error:
        return error


def check(directory: Path):
    """Raises if a model of the directory is not what was saved.

    Raises:
        RuntimeError: If a file does not open though it must.
        AssertionError: If a model has other weights, or predicts something else.
    """
    version = (directory / "version").read_text()
    newer = numbers(version) > numbers(keras.version())
    twin_opens = isinstance(opens(directory / "twin.keras"), keras.Model)
    if not twin_opens and not newer:
        raise RuntimeError(f"Keras {keras.version()} does not open its own models of {version}.")
    for name, build in MODELS.items():
        opened = opens(directory / f"{name}.keras")
        if isinstance(opened, keras.Model):
            assert_same(opened, directory / f"{name}.npz")
        elif name == "own" or twin_opens:
            raise RuntimeError(f"{directory / name}.keras of Keras {version}") from opened
        rebuilt = build()
        rebuilt.load_weights(directory / f"{name}.weights.h5")
        assert_same(rebuilt, directory / f"{name}.npz")
    files = "files" if twin_opens else "files of own layers, weights of Keras' layers"
    print(f"Keras {keras.version()} opens what Keras {version} saved: {files}")


def numbers(version):
    return [int(number) for number in version.split(".")[:2]]


def assert_same(model, path):
    saved = dict(np.load(path))
    x, prediction = saved.pop("x"), saved.pop("prediction")
    for left, right in zip(model.get_weights(), saved.values(), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(predicted(model, x), prediction, atol=1e-5)


def predicted(model, x):
    return keras.ops.convert_to_numpy(model(x))


if __name__ == "__main__":
    what, *directories = sys.argv[1:]
    for one in directories:
        {"save": save, "open": check}[what](Path(one))
