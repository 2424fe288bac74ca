"""Swaps the initializer of one model: Keras' own strings against kerasinit's, on real digits.

The model is a plain 20-layer GELU network, trained for a few epochs of SGD by Keras' own `fit`.
Only the initial weights differ between the rows.

    python examples/swap_initializer.py
"""

import keras
import numpy as np
from sklearn.datasets import load_digits

import kerasinit

DEPTH = 20
WIDTH = 64
EPOCHS = 6
STRINGS = (
    "glorot_uniform",
    "he_normal",
    "lecun_normal",
    "kerasinit>XavierUniform",
    "kerasinit>LasagneUniform",
    "kerasinit>HeNormal",
    "kerasinit>Auto",
)


def digits():
    """Standardized 8x8 digits, shuffled: `((train_x, train_y), (test_x, test_y))`."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    x = ((x - x[:1400].mean()) / x[:1400].std()).astype("float32")
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def network() -> keras.Model:
    """A plain stack of GELU layers, built and compiled once."""
    hidden = [keras.layers.Dense(WIDTH, activation="gelu") for _ in range(DEPTH)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    model.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # a longer compilation than these trainings are worth
    )
    return model


def test_accuracy(model: keras.Model) -> float:
    """Accuracy on the test images after a short training."""
    (train_x, train_y), (test_x, test_y) = digits()
    model.fit(train_x, train_y, batch_size=64, epochs=EPOCHS, verbose=0)
    return model.evaluate(test_x, test_y, verbose=0)[1]


def main() -> None:
    """Prints one row per start of the same network."""
    print(f"{DEPTH} GELU layers, {EPOCHS} epochs of SGD on digits\n")
    print(f"{'initializer':<30}test accuracy")
    model = network()
    for string in STRINGS:
        keras.utils.set_random_seed(1)  # the same batches for all
        kerasinit.initialize(model, string, seed=1, reset_optimizer=True)
        print(f"{string:<30}{test_accuracy(model):.3f}", flush=True)
    keras.utils.set_random_seed(1)
    kerasinit.initialize(model, seed=1, reset_optimizer=True)
    print(f"{'kerasinit.initialize(model)':<30}{test_accuracy(model):.3f}")


if __name__ == "__main__":
    main()
