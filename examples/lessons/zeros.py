"""Zero weights: ReLU and tanh never move; sigmoid moves, but every unit becomes the same one.

python examples/lessons/zeros.py [FOLDER]
"""

import keras
import numpy as np
from lesson import Lesson, panels, show
from sklearn.datasets import load_digits

import kerasinit

ACTIVATIONS = ("relu", "tanh", "sigmoid")
CURED = "sigmoid, initialize(model)"
UNITS = 12


def kernels(activation: str, *, cured: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Both hidden kernels of a digits network after training from zeros, or from the cure."""
    x, y = load_digits(return_X_y=True)
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(UNITS, activation, kernel_initializer="zeros") for _ in range(2)]
    head = keras.layers.Dense(10, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((64,)), *hidden, head])
    if cured:
        kerasinit.initialize(model, seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss, jit_compile=False)
    model.fit(x[:640] / 16 - 0.3, y[:640], epochs=6, batch_size=16, verbose=0)
    return tuple(np.asarray(layer.get_weights()[0]) for layer in hidden)


def different(rows: np.ndarray) -> int:
    """How many rows differ by more than rounding."""
    scale = float(np.abs(rows).max()) or 1.0
    return len(np.unique((rows / scale).round(4), axis=0))


def lesson() -> Lesson:
    """Three activations from zeros, and one of them from random weights."""
    picture = panels(*(f"{activation}, zeros" for activation in ACTIVATIONS), CURED)
    text = [f"{'':30}{'largest weight':>16}{'different inputs':>18}{'different units':>17}"]
    units, stuck = {}, []
    for column, case in enumerate((*ACTIVATIONS, CURED), start=1):
        trained = kernels(case.partition(",")[0], cured=case == CURED)
        units[case] = [different(kernel.T) for kernel in trained]
        if not np.abs(trained[0]).max():
            stuck.append(case)
        for place, kernel in enumerate(trained):
            text.append(
                f"{case}, layer {place + 1}".ljust(36) + f"{np.abs(kernel).max():>10.2g}"
                f"{different(kernel):>18}{units[case][place]:>17}"
            )
        picture.add_heatmap(
            z=trained[0], colorscale="RdBu", zmid=0, showscale=False, row=1, col=column
        )
    picture.update_layout(title="First kernel after training: a row is an input, a column a unit")
    picture.update_xaxes(title="unit").update_yaxes(title="input", row=1, col=1)
    copies = max(max(units[case]) for case in ACTIVATIONS)
    text.append(
        f"Zeros: {' and '.join(stuck)} did not move at all. Where weights move, each input has "
        f"its own, yet the {UNITS} units stay {copies}: a layer of copies. From "
        f"initialize(model) they are {min(units[CURED])}."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
