"""Logs the real gradients of a training run, layer by layer, without a second backward pass.

python examples/log_gradients.py [FILE.jsonl]
"""

import sys
import tempfile
from pathlib import Path

import keras
from sklearn.datasets import load_digits

from kerasinit.callbacks import GradientStats


def network() -> keras.Model:
    """A small convolutional network for 8x8 images."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu", kernel_initializer="kerasinit>HeNormal"),
            keras.layers.Conv2D(32, 3, activation="relu", kernel_initializer="kerasinit>HeNormal"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


def main(path: Path) -> None:
    """Trains for three epochs and prints what the callback saw."""
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
    keras.utils.set_random_seed(0)
    model = network()
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    stats = GradientStats(every=5, path=path)
    history = model.fit(x, y, batch_size=64, epochs=3, verbose=2, callbacks=[stats])

    print("\nglobal gradient norm by epoch:", [f"{n:.3f}" for n in history.history["grad_norm"]])
    print(f"rows recorded: {len(stats.history)}, also in {path.name}")
    print("verdicts:", stats.verdicts or "none: the gradients are healthy")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "gradients.jsonl")
