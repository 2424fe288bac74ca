"""One constant for all weights: training moves them, and their rank stays 1.

python examples/lessons/constant.py [FOLDER]
"""

import keras
import numpy as np
from lesson import Lesson, line, panels, show
from sklearn.datasets import load_digits

STARTS = {"constant 0.1": keras.initializers.Constant(0.1), "glorot_uniform": "glorot_uniform"}
EPOCHS, UNITS = 8, 32


def ranks(start: object) -> tuple[list[int], float]:
    """Rank of the second kernel before training and after every epoch, and the accuracy."""
    x, y = load_digits(return_X_y=True)
    x = x / 16 - 0.3
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(UNITS, "tanh", kernel_initializer=start, name=f"hidden_{place}")
        for place in (1, 2)
    ]
    head = keras.layers.Dense(10, kernel_initializer=start)
    model = keras.Sequential([keras.Input((64,)), *hidden, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    found = []

    def look(*_: object) -> None:
        found.append(int(np.linalg.matrix_rank(hidden[1].get_weights()[0], rtol=1e-4)))

    look()
    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    history = model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=[watch])
    return found, history.history["accuracy"][-1]


def lesson() -> Lesson:
    """The rank over the epochs, from a constant and from random weights."""
    picture = panels(f"Rank of the second kernel, {UNITS} x {UNITS}, while it trains")
    text, ends = [], {}
    for place, (name, start) in enumerate(STARTS.items()):
        found, accuracy = ranks(start)
        ends[name] = found[-1], accuracy
        line(picture, range(EPOCHS + 1), found, name, color=(1, 2)[place])
        text.append(f"{name:16} rank {found[0]} -> {found[-1]}, accuracy {accuracy:.2f}")
    picture.update_xaxes(title="epoch").update_yaxes(title="rank", rangemode="tozero")
    (rank, accuracy), (random_rank, random_accuracy) = ends.values()
    text.append(
        f"A constant: after {EPOCHS} epochs the {UNITS} units are still {rank} unit (accuracy "
        f"{accuracy:.2f}); random weights are {random_rank} ({random_accuracy:.2f})."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
