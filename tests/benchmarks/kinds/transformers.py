"""Transformers without normalization: digits, whose rows are tokens, and causal ones on a text."""

import keras
import numpy as np
from data import VALIDATION, digits, text
from keras import layers
from starts import by, ours, own

TITLE = (
    "Transformers without norms: accuracy on digits (4 epochs), perplexity per letter on Python's "
    "manual (200 steps; lower is better)"
)
STARTS = {"Keras": own, "t-fixup": by("t-fixup"), "ours": ours}
WIDTH, HEADS, LENGTH = 32, 4, 64
RATES = {12: 1e-3, 48: 3e-4, 100: 3e-4, 300: 1e-4}
CELLS = {
    **{
        f"digits, {blocks} blocks, Adam": {"blocks": blocks, "optimizer": "adam"}
        for blocks in (12, 48, 100, 300)
    },
    "digits, 12 blocks, SGD": {"blocks": 12, "optimizer": "sgd"},
    "digits, 48 blocks, SGD": {"blocks": 48, "optimizer": "sgd"},
    "text, 12 blocks, Adam": {"blocks": 12, "optimizer": "adam", "causal": True},
    "text, 48 blocks, Adam": {"blocks": 48, "optimizer": "adam", "causal": True},
}


class Positions(layers.Layer):
    """Learned positions, added."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="glorot_uniform", name="table")

    def call(self, x):
        return x + self.table


def model_of(blocks, causal, letters):
    inputs = keras.Input((LENGTH,), dtype="int32") if causal else keras.Input((8, 8))
    x = layers.Embedding(letters, WIDTH)(inputs) if causal else layers.Dense(WIDTH)(inputs)
    x = Positions()(x)
    for _ in range(blocks):
        x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x, use_causal_mask=causal)
        x = x + layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, "gelu")(x))
    x = x if causal else layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(letters if causal else 10)(x))


def train(draw, seed, blocks, optimizer, causal=False):
    letters = text()[1] if causal else 10
    model = model_of(blocks, causal, letters)
    draw(model, seed)
    rate = RATES[blocks]
    used = (
        keras.optimizers.Adam(rate)
        if optimizer == "adam"
        else keras.optimizers.SGD(10 * rate, momentum=0.9)
    )
    model.compile(
        used, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    if causal:
        return perplexity(model, seed)
    x, y = digits()
    x = x.reshape(-1, 8, 8)
    kept = slice(VALIDATION, None)
    model.fit(x[kept], y[kept], batch_size=32, epochs=4, verbose=0)
    return float(model.evaluate(x[:VALIDATION], y[:VALIDATION], verbose=0)[1])


def perplexity(model, seed):
    stream, _ = text()
    cut = len(stream) * 9 // 10
    rng = np.random.default_rng(seed)

    def batch(rng, low, high, size):
        starts = rng.integers(low, high - LENGTH - 1, size)
        rows = stream[starts[:, None] + np.arange(LENGTH + 1)]
        return rows[:, :-1], rows[:, 1:]

    for _ in range(200):
        model.train_on_batch(*batch(rng, 0, cut, 16))
    x, y = batch(np.random.default_rng(0), cut, len(stream), 128)
    return float(np.exp(min(50.0, model.evaluate(x, y, batch_size=64, verbose=0)[0])))
