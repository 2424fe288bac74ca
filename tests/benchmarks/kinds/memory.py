"""Memory: what came first, adding two marked numbers, and copying after a long blank.

The tasks of Hochreiter and Schmidhuber (1997), as in Arjovsky et al. (2016); whoever remembers
nothing loses 10 ln 8 / (T + 20) in copying, and 1/6 in adding.
"""

import keras
import numpy as np
from keras import layers
from starts import by, ours, own

TITLE = (
    "Memory: accuracy of recalling the first step (higher is better); loss of adding as a share of "
    "1/6, of copying as a share of 10 ln 8 / (T + 20) (1 is no memory; lower is better)"
)
STARTS = {
    "Keras": own,
    "identity (Le et al., 2015)": by([("recurrent", "kerasinit>Identity")]),
    "ours": ours,
    "chrono": by("chrono"),
}
UNITS = {"recall": 64, "adding": 64, "copying": 128}
RATES = {"recall": 1e-3, "adding": 1e-3, "copying": 2e-3}
CLASSES = 8  # of the letters to copy, and to recall
STEPS = {"recall": 300, "adding": 3000, "copying": 9000}
BATCH = 32
CELLS = {
    f"{task}, {cell}, T = {time}": {"task": task, "cell": cell, "time": time}
    for task, time, cells in (
        ("recall", 100, ("LSTM", "GRU")),
        ("recall", 400, ("LSTM", "GRU")),
        ("adding", 100, ("LSTM", "GRU", "RNN relu", "RNN tanh")),
        ("copying", 100, ("LSTM", "GRU")),
        ("copying", 500, ("LSTM",)),
    )
    for cell in cells
}
SKIP = [
    (cell, "chrono" if "RNN" in cell else "identity (Le et al., 2015)") for cell in CELLS
]  # gates have chrono biases, a plain recurrence may be the identity
LAYERS = {
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "RNN relu": lambda units, **options: layers.SimpleRNN(units, "relu", **options),
    "RNN tanh": layers.SimpleRNN,
}


def recall(rng, time, size):
    """A letter, then nothing but noise, in an input of its own."""
    letters = rng.integers(0, CLASSES, size)
    x = np.zeros((size, time, CLASSES + 1), "float32")
    x[np.arange(size), 0, letters] = 1
    x[:, 1:, CLASSES] = rng.normal(size=(size, time - 1))
    return x, letters


def adding(rng, time, size):
    """Numbers, two of which are marked; their sum."""
    numbers = rng.random((size, time)).astype("float32")
    marks = np.zeros_like(numbers)
    for low, high in ((0, time // 2), (time // 2, time)):
        marks[np.arange(size), rng.integers(low, high, size)] = 1
    return np.stack([numbers, marks], -1), (numbers * marks).sum(1, keepdims=True)


def copying(rng, time, size):
    """Ten letters, a blank of T steps, a sign; then the letters again."""
    letters = rng.integers(0, CLASSES, (size, 10))
    x = np.full((size, time + 20), CLASSES)
    x[:, :10] = letters
    x[:, time + 10] = CLASSES + 1
    y = np.full((size, time + 20), CLASSES)
    y[:, -10:] = letters
    return np.eye(CLASSES + 2, dtype="float32")[x], y


TASKS = {"recall": recall, "adding": adding, "copying": copying}


def train(draw, seed, task, cell, time):
    make, steps = TASKS[task], STEPS[task]
    x, _ = make(np.random.default_rng(0), time, 2)
    memory = LAYERS[cell](UNITS[task], return_sequences=task == "copying")
    outputs = {"recall": CLASSES, "adding": 1, "copying": CLASSES + 1}[task]
    model = keras.Sequential([keras.Input(x.shape[1:]), memory, layers.Dense(outputs)])
    draw(model, seed)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = "mse" if task == "adding" else sparse
    model.compile(keras.optimizers.Adam(RATES[task], clipnorm=1.0), loss)
    rng = np.random.default_rng(seed)
    batches = (make(rng, time, BATCH) for _ in range(steps))
    model.fit(batches, steps_per_epoch=steps, verbose=0)
    x, y = make(np.random.default_rng(1_000_000), time, 500)
    if task == "recall":
        return float((model.predict(x, verbose=0).argmax(-1) == y).mean())
    baseline = 1 / 6 if task == "adding" else 10 * np.log(8) / (time + 20)
    return float(model.evaluate(x, y, verbose=0)) / baseline
