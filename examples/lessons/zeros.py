"""Zero weights: ReLU and tanh never move; sigmoid moves, but every unit becomes the same one.

python examples/lessons/zeros.py [FOLDER]
"""

import keras
import numpy as np
from lesson import Lesson, panels, show
from sklearn.datasets import load_digits

ACTIVATIONS = ("relu", "tanh", "sigmoid")
UNITS = 12


def kernels(activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Both hidden kernels of a digits network after training from zeros."""
    x, y = load_digits(return_X_y=True)
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(UNITS, activation, kernel_initializer="zeros") for _ in range(2)]
    head = keras.layers.Dense(10, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((64,)), *hidden, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss, jit_compile=False)
    model.fit(x[:640] / 16 - 0.3, y[:640], epochs=6, batch_size=16, verbose=0)
    return tuple(np.asarray(layer.get_weights()[0]) for layer in hidden)


def different(rows: np.ndarray) -> int:
    """How many rows differ by more than rounding."""
    scale = float(np.abs(rows).max()) or 1.0
    return len(np.unique((rows / scale).round(4), axis=0))


def lesson() -> Lesson:
    """Three activations from zeros."""
    picture = panels(*ACTIVATIONS)
    text = [f"{'':10}{'largest weight':>16}{'different inputs':>18}{'different units':>17}"]
    units = {}
    for column, activation in enumerate(ACTIVATIONS, start=1):
        first, second = kernels(activation)
        for name, kernel in (("layer 1", first), ("layer 2", second)):
            units[activation, name] = different(kernel.T)
            text.append(
                f"{activation + ' ' + name[-1]:10}{np.abs(kernel).max():>16.2g}"
                f"{different(kernel):>18}{units[activation, name]:>17}"
            )
        picture.add_heatmap(z=first, colorscale="RdBu", zmid=0, showscale=False, row=1, col=column)
    picture.update_layout(title="First kernel after training from zeros: inputs down, units across")
    stuck = [a for a in ACTIVATIONS if text[1 + 2 * ACTIVATIONS.index(a)].split()[2] == "0"]
    text.append(
        f"Zeros: {' and '.join(stuck)} did not move at all. Where weights move, each input has "
        f"its own, yet the {UNITS} units stay {max(units.values())}: a layer of copies."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
