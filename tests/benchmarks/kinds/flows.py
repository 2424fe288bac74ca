"""Flows: affine couplings that start as the identity, on two moons."""

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import make_moons
from starts import by, ours, own

TITLE = (
    "Flow of affine couplings: negative log likelihood of two moons before and after 300 steps "
    "(lower is better; the identity has 2.84)"
)
STARTS = {
    "Keras": own,
    "he_normal": by([(r"inner", "he_normal"), ("end", "he_normal")]),
    "ours": ours,
}
CELLS = {f"{couplings} couplings": {"couplings": couplings} for couplings in (8, 32)}


class Coupling(layers.Layer):
    """One half shifts and scales the other; its last layer starts at zero."""

    def __init__(self, first):
        super().__init__()
        self.first = first
        self.inner = [layers.Dense(32, "gelu", name=f"inner{i}") for i in range(2)]
        self.end = layers.Dense(2, kernel_initializer="zeros", name="end")

    def build(self, shape):
        self.inner[0].build((None, 1))
        self.inner[1].build((None, 32))
        self.end.build((None, 32))

    def call(self, x):
        kept, moved = (x[:, :1], x[:, 1:2]) if self.first else (x[:, 1:2], x[:, :1])
        found = self.end(self.inner[1](self.inner[0](kept)))
        log_scale = ops.tanh(found[:, :1])
        moved = moved * ops.exp(log_scale) + found[:, 1:]
        pair = [kept, moved] if self.first else [moved, kept]
        return ops.concatenate([*pair, x[:, 2:] + log_scale], axis=1)


def likelihood(y_true, z):
    return 0.5 * ops.sum(ops.square(z[:, :2]), axis=1) + np.log(2 * np.pi) - z[:, 2]


def train(draw, seed, couplings):
    inputs = x = keras.Input((3,))
    for number in range(couplings):
        x = Coupling(number % 2 == 0)(x)
    model = keras.Model(inputs, x)
    draw(model, seed)
    model.compile(keras.optimizers.Adam(1e-3), likelihood)
    points, _ = make_moons(128 * 300 + 2000, noise=0.05, random_state=seed)
    points = (points - points.mean(0)) / points.std(0)
    points = np.pad(points, ((0, 0), (0, 1))).astype("float32")
    test, rest = points[:2000], points[2000:]
    before = model.evaluate(test, test, batch_size=2000, verbose=0)
    model.fit(rest, rest, batch_size=128, verbose=0)
    after = model.evaluate(test, test, batch_size=2000, verbose=0)
    return {"before": float(before), "after": float(after)}
