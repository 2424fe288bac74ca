"""A deep model that trains badly: find out why, fix it, and see that it trains.

Run it with `python examples/diagnose_model.py`; it takes a few seconds and needs no download.
"""

import keras
import numpy as np

import kerasinit

DEPTH, WIDTH, CLASSES = 30, 64, 4


def spirals(samples=1024):
    """Four intertwined spirals in the plane, lifted to 16 random features of standard size."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, CLASSES, samples)
    radius = rng.uniform(0.2, 1.0, samples)
    angle = 4.0 * radius + 2 * np.pi * label / CLASSES + rng.normal(0, 0.1, samples)
    plane = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    features = plane @ rng.standard_normal((2, 16))
    return (features / features.std()).astype("float32"), label


def deep_model():
    """A plain stack, deep enough to lose its signal with the usual weights."""
    hidden = [keras.layers.Dense(WIDTH, "relu", name=f"hidden_{i}") for i in range(DEPTH)]
    model = keras.Sequential(
        [keras.Input((16,)), *hidden, keras.layers.Dense(CLASSES, "softmax", name="head")]
    )
    model.compile(
        keras.optimizers.SGD(0.003, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # a longer compilation than this training is worth
    )
    return model


def accuracy_after_training(model, x, y):
    """Share of samples that the model gets right after twelve epochs of SGD."""
    history = model.fit(x, y, batch_size=64, epochs=12, verbose=0).history
    return history["accuracy"][-1]


def main():
    """Returns the accuracies before and after the fix."""
    keras.utils.set_random_seed(0)
    x, y = spirals()

    print(f"1. {DEPTH} ReLU layers with Keras' default weights")
    model = deep_model()
    before = kerasinit.diagnose(model, x, y)
    print(before)
    accuracy_before = accuracy_after_training(model, x, y)
    print(f"\nAccuracy after 12 epochs: {accuracy_before:.2f} (chance: {1 / CLASSES:.2f})")

    print("\n2. The same model after the fix that the diagnosis names")
    kerasinit.initialize(model, seed=0, reset_optimizer=True)
    after = kerasinit.diagnose(model, x, y)
    print(after)
    accuracy_after = accuracy_after_training(model, x, y)
    print(f"\nAccuracy after 12 epochs: {accuracy_after:.2f}")
    return before, after, accuracy_before, accuracy_after


if __name__ == "__main__":
    main()
