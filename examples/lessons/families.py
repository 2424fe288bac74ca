"""Xavier, He, LeCun and Lasagne: formula, NumPy, Keras, ours, and which activation each suits.

python examples/lessons/families.py [FOLDER]
"""

from statistics import median
from typing import NamedTuple

import keras
import numpy as np
from lesson import Lesson, show, trained
from plotly import graph_objects as go

from kerasinit import initializers

FAN_IN, FAN_OUT = 600, 400
ACTIVATIONS = ("relu", "tanh", "selu")
DEPTH, EPOCHS, RATE = 8, 2, 0.02
NEAR = 0.1  # of the best: families whose accuracy is as good
rng = np.random.default_rng(0)


class Family(NamedTuple):
    """One family in four spellings.

    Args:
        formula: Of the weights.
        numpy: The same as one line of NumPy.
        keras: The same from Keras, if it has one.
        ours: The same from kerasinit.
    """

    formula: str
    numpy: str
    keras: keras.initializers.Initializer | None
    ours: keras.initializers.Initializer


FAMILIES = {
    "xavier_uniform": Family(
        "U(±sqrt(6 / (in + out)))",
        "rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / (n + m))",
        keras.initializers.GlorotUniform(seed=1),
        initializers.XavierUniform(seed=1),
    ),
    "xavier_normal": Family(
        "N(0, 2 / (in + out))",
        "rng.normal(size=(n, m)) * np.sqrt(2 / (n + m))",
        keras.initializers.GlorotNormal(seed=1),
        initializers.XavierNormal(seed=1),
    ),
    "he_uniform": Family(
        "U(±sqrt(6 / in))",
        "rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / n)",
        keras.initializers.HeUniform(seed=1),
        initializers.HeUniform(seed=1),
    ),
    "he_normal": Family(
        "N(0, 2 / in)",
        "rng.normal(size=(n, m)) * np.sqrt(2 / n)",
        keras.initializers.HeNormal(seed=1),
        initializers.HeNormal(seed=1),
    ),
    "lecun_uniform": Family(
        "U(±sqrt(3 / in))",
        "rng.uniform(-1, 1, (n, m)) * np.sqrt(3 / n)",
        keras.initializers.LecunUniform(seed=1),
        initializers.LecunUniform(seed=1),
    ),
    "lecun_normal": Family(
        "N(0, 1 / in)",
        "rng.normal(size=(n, m)) * np.sqrt(1 / n)",
        keras.initializers.LecunNormal(seed=1),
        initializers.LecunNormal(seed=1),
    ),
    "lasagne_uniform": Family(
        "U(±sqrt(12 / (in + out))), for relu",
        "rng.uniform(-1, 1, (n, m)) * np.sqrt(12 / (n + m))",
        None,
        initializers.LasagneUniform(gain="relu", seed=1),
    ),
    "lasagne_normal": Family(
        "N(0, 4 / (in + out)), for relu",
        "rng.normal(size=(n, m)) * np.sqrt(4 / (n + m))",
        None,
        initializers.LasagneNormal(gain="relu", seed=1),
    ),
}


def moments() -> tuple[list[str], float]:
    """Every spelling with its standard deviation, and the largest ratio between two of them."""
    text, worst = [], 1.0
    for name, family in FAMILIES.items():
        spellings = {
            "NumPy": (
                family.numpy,
                eval(family.numpy, {"np": np, "rng": rng, "n": FAN_IN, "m": FAN_OUT}),
            ),
            "ours": (repr(family.ours), family.ours((FAN_IN, FAN_OUT))),
        }
        if family.keras is not None:
            spelled = f"keras.initializers.{type(family.keras).__name__}(seed=1)"
            spellings["Keras"] = spelled, family.keras((FAN_IN, FAN_OUT))
        text.append(f"{name}: {family.formula}")
        stds = []
        for whose, (spelled, kernel) in spellings.items():
            values = np.asarray(keras.ops.convert_to_numpy(kernel))
            stds.append(float(values.std()))
            text.append(f"  {whose:6}{spelled:54}mean {values.mean():+.4f}  std {stds[-1]:.4f}")
        worst = max(worst, max(stds) / min(stds))
    return text, worst


def options(name: str) -> dict[str, str]:
    """Lasagne's take the gain of the activation; the others have theirs in the formula."""
    return {"gain": "auto"} if name.startswith("lasagne") else {}


def accuracies() -> np.ndarray:
    """Validation accuracy of each family with each activation."""
    ours = {
        name: {"class_name": f"kerasinit>{type(family.ours).__name__}", "config": options(name)}
        for name, family in FAMILIES.items()
    }
    replicas = trained(
        ours, activations=ACTIVATIONS, depths=(DEPTH,), widths=(32,), epochs=EPOCHS, seeds=3,
        learning_rates=(RATE,),
    )  # fmt: skip
    found = {(name, activation): [] for name in FAMILIES for activation in ACTIVATIONS}
    for one in replicas:
        found[one.initializer, one.cell["activation"]].append(one.final["val_accuracy"])
    return np.array([[median(found[n, a]) for a in ACTIVATIONS] for n in FAMILIES])


def lesson() -> Lesson:
    """The table of moments, then the accuracy of each family with three activations."""
    text, worst = moments()
    shares = accuracies()
    picture = go.Figure(
        go.Heatmap(
            z=shares, x=ACTIVATIONS, y=list(FAMILIES), texttemplate="%{z:.2f}", zmin=0, zmax=1,
            colorscale="Blues", showscale=False,
        )
    )  # fmt: skip
    title = (
        f"Accuracy after {EPOCHS} epochs: {DEPTH} layers of 32, rate {RATE:g}, median of 3 seeds"
    )
    picture.update_layout(title=title, template="plotly_white", width=760, height=460)
    picture.update_yaxes(autorange="reversed")
    text.append(f"\n{title}")
    text.append(f"{'':16}" + "".join(f"{activation:>9}" for activation in ACTIVATIONS))
    for name, row in zip(FAMILIES, shares, strict=True):
        text.append(f"{name:16}" + "".join(f"{share:>9.2f}" for share in row))
    names = np.array(list(FAMILIES))
    suits = [
        f"{activation}: {', '.join(names[column >= column.max() - NEAR])}"
        for activation, column in zip(ACTIVATIONS, shares.T, strict=True)
    ]
    text.append(
        f"The spellings agree within {worst - 1:.1%}; Keras' normal ones are cut at two deviations,"
        f" at the same variance. Within {NEAR:g} of the best here: {'; '.join(suits)}."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
