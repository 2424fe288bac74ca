"""Swap the start of a finished model, save it, load it, and hand it to somebody without kerasinit.

python examples/lessons/reload.py [FOLDER]
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from lesson import Lesson, panels, show

import kerasinit


def kernel_of(model: object) -> np.ndarray:
    """The kernel of the first hidden layer."""
    return model.layers[0].get_weights()[0]


def lesson() -> Lesson:
    """The same kernel as built, after the swap, and loaded again."""
    layers = [
        keras.layers.Dense(128, "relu", kernel_initializer="kerasinit>HeNormal") for _ in range(4)
    ]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
    built = kernel_of(model)
    plan = kerasinit.initialize(model, "kerasinit>Auto", seed=1)
    swapped = kernel_of(model)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = kernel_of(keras.saving.load_model(path))
        kerasinit.portable(model).save(path)
        config = keras.saving.load_model(path).to_json()
    kerasinit.reset(model, seed=1)
    again = kernel_of(model)
    kerasinit.reset(model, seed=1)
    same = np.array_equal(again, kernel_of(model))
    picture = panels("as built", "after initialize", "loaded again")
    for column, kernel in enumerate((built, swapped, loaded), start=1):
        picture.add_histogram(
            x=kernel.ravel(), nbinsx=60, showlegend=False, marker_color="#4e79a7", row=1, col=column
        )
    picture.update_xaxes(title="weight of the first layer")
    picture.update_yaxes(title="how many", row=1, col=1)
    changed = sum(row.changed for row in plan.rows)
    equal = float(np.abs(loaded - swapped).max())
    text = (
        f"built std {built.std():.4f}, swapped {swapped.std():.4f}, loaded {loaded.std():.4f}\n"
        f"reset(model, seed=1) twice gives the same weights: {same}\n"
        f"One call swapped {changed} variables; a saved file brings them back (largest difference "
        f"{equal:g}); after portable(model) the file names kerasinit {config.count('kerasinit')} "
        "times."
    )
    return Lesson(picture, text)


if __name__ == "__main__":
    show(lesson)
