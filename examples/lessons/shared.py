"""One instance for many layers: Keras' draws the same kernel again, ours another one.

python examples/lessons/shared.py [FOLDER]
"""

import warnings

import keras
import numpy as np
from lesson import Lesson, panels, show

import kerasinit

WIDTH = 24


def kernels(shared: object) -> list[np.ndarray]:
    """Kernels of three equal layers that share one initializer."""
    layers = [keras.layers.Dense(WIDTH, "relu", kernel_initializer=shared) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras may warn of exactly this
        keras.Sequential([keras.Input((WIDTH,)), *layers])
    return [layer.get_weights()[0] for layer in layers]


def lesson() -> Lesson:
    """The correlation of the first kernel with the second, for two shared instances."""
    starts = {
        "keras HeNormal(seed=1)": keras.initializers.HeNormal(seed=1),
        "kerasinit HeNormal(seed=1)": kerasinit.initializers.HeNormal(seed=1),
    }
    picture = panels(*starts)
    text, found = [], {}
    for column, (name, shared) in enumerate(starts.items(), start=1):
        first, second, _ = kernels(shared)
        found[name] = float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
        picture.add_scatter(
            x=first.ravel(), y=second.ravel(), mode="markers", showlegend=False,
            marker={"size": 3, "color": ("#e15759", "#59a14f")[column - 1]}, row=1, col=column,
        )  # fmt: skip
        text.append(f"{name:28} correlation of two layers {found[name]:+.2f}")
    picture.update_xaxes(title="weight of layer 1").update_yaxes(title="same weight of layer 2")
    theirs, ours = found.values()
    first, again = (kernels(kerasinit.initializers.HeNormal(seed=1)) for _ in range(2))
    same = sum(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    text.append(
        f"Sharing Keras' instance makes layers {theirs:.0%} alike; ours folds the layer's path "
        f"into the seed ({ours:+.2f}), and {same} of {len(again)} kernels of a second model from "
        "that seed are the same as the first one's."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
