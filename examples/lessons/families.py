"""Xavier, He, LeCun and Lasagne: formula, NumPy, Keras, ours, and which activation each suits.

python examples/lessons/families.py [FOLDER]
"""

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import keras
import numpy as np
from lesson import Lesson, show, trained
from plotly import graph_objects as go

from kerasinit import initializers

FAN_IN, FAN_OUT = 600, 400
ACTIVATIONS = ("relu", "tanh", "selu")
DEPTH, EPOCHS = 8, 2
rng = np.random.default_rng(0)
SHAPE = (FAN_IN, FAN_OUT)


class Family(NamedTuple):
    """One family in four spellings, for a kernel of `SHAPE`."""

    formula: str
    numpy: Callable[[], np.ndarray]
    keras: keras.initializers.Initializer | None
    ours: keras.initializers.Initializer


FAMILIES = {
    "xavier_uniform": Family(
        "U(±sqrt(6 / (in + out)))",
        lambda: rng.uniform(-1, 1, SHAPE) * np.sqrt(6 / sum(SHAPE)),
        keras.initializers.GlorotUniform(seed=1),
        initializers.XavierUniform(seed=1),
    ),
    "xavier_normal": Family(
        "N(0, 2 / (in + out))",
        lambda: rng.normal(size=SHAPE) * np.sqrt(2 / sum(SHAPE)),
        keras.initializers.GlorotNormal(seed=1),
        initializers.XavierNormal(seed=1),
    ),
    "he_uniform": Family(
        "U(±sqrt(6 / in))",
        lambda: rng.uniform(-1, 1, SHAPE) * np.sqrt(6 / FAN_IN),
        keras.initializers.HeUniform(seed=1),
        initializers.HeUniform(seed=1),
    ),
    "he_normal": Family(
        "N(0, 2 / in)",
        lambda: rng.normal(size=SHAPE) * np.sqrt(2 / FAN_IN),
        keras.initializers.HeNormal(seed=1),
        initializers.HeNormal(seed=1),
    ),
    "lecun_uniform": Family(
        "U(±sqrt(3 / in))",
        lambda: rng.uniform(-1, 1, SHAPE) * np.sqrt(3 / FAN_IN),
        keras.initializers.LecunUniform(seed=1),
        initializers.LecunUniform(seed=1),
    ),
    "lecun_normal": Family(
        "N(0, 1 / in)",
        lambda: rng.normal(size=SHAPE) * np.sqrt(1 / FAN_IN),
        keras.initializers.LecunNormal(seed=1),
        initializers.LecunNormal(seed=1),
    ),
    "lasagne_uniform": Family(
        "U(±sqrt(12 / (in + out))), relu",
        lambda: rng.uniform(-1, 1, SHAPE) * np.sqrt(12 / sum(SHAPE)),
        None,
        initializers.LasagneUniform(gain="relu", seed=1),
    ),
    "lasagne_normal": Family(
        "N(0, 4 / (in + out)), relu",
        lambda: rng.normal(size=SHAPE) * np.sqrt(4 / sum(SHAPE)),
        None,
        initializers.LasagneNormal(gain="relu", seed=1),
    ),
}


def moments() -> tuple[list[str], float]:
    """The standard deviation of every spelling, and the largest ratio between two of them."""
    text = [f"{'':16}{'formula':34}{'NumPy':>9}{'Keras':>9}{'ours':>9}"]
    worst = 1.0
    for name, family in FAMILIES.items():
        drawn = [family.numpy(), family.keras and family.keras(SHAPE), family.ours(SHAPE)]
        stds = [
            None if kernel is None else float(np.std(keras.ops.convert_to_numpy(kernel)))
            for kernel in drawn
        ]
        known = [std for std in stds if std is not None]
        worst = max(worst, max(known) / min(known))
        shown = "".join(f"{'-' if std is None else f'{std:.4f}':>9}" for std in stds)
        text.append(f"{name:16}{family.formula:34}{shown}")
    return text, worst


def options(name: str) -> dict[str, str]:
    """Lasagne's take the gain of the activation; the others have theirs in the formula."""
    return {"gain": "auto"} if name.startswith("lasagne") else {}


def lesson() -> Lesson:
    """The table of moments, then the accuracy of each family with four activations."""
    text, worst = moments()
    ours = {
        name: {"class_name": f"kerasinit>{type(family.ours).__name__}", "config": options(name)}
        for name, family in FAMILIES.items()
    }
    replicas = trained(
        ours, activations=ACTIVATIONS, depths=(DEPTH,), widths=(32,), epochs=EPOCHS, seeds=3,
        learning_rates=(0.02,),
    )  # fmt: skip
    shares = np.array(
        [
            [
                median(
                    r.final["val_accuracy"] for r in replicas
                    if (r.initializer, r.cell["activation"]) == (name, activation)
                )
                for activation in ACTIVATIONS
            ]
            for name in FAMILIES
        ]
    )  # fmt: skip
    picture = go.Figure(
        go.Heatmap(z=shares, x=ACTIVATIONS, y=list(FAMILIES), texttemplate="%{z:.2f}", zmin=0)
    )
    picture.update_layout(
        title=f"Accuracy after {EPOCHS} epochs, {DEPTH} layers", template="plotly_white"
    )
    text.append(f"\nAccuracy, {DEPTH} layers of 32, {EPOCHS} epochs, median of 3 seeds")
    text.append(f"{'':16}" + "".join(f"{activation:>9}" for activation in ACTIVATIONS))
    for name, row in zip(FAMILIES, shares, strict=True):
        text.append(f"{name:16}" + "".join(f"{share:>9.2f}" for share in row))
    best = [
        f"{activation} {list(FAMILIES)[int(column.argmax())]} ({column.max():.2f})"
        for activation, column in zip(ACTIVATIONS, shares.T, strict=True)
    ]
    text.append(
        f"The spellings agree within {worst - 1:.1%}. Best here: {', '.join(best)}. Keras' normal "
        "ones are cut at two deviations, at the same variance."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
