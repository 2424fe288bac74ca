"""Random weights of the wrong size: the signal vanishes, explodes or saturates.

python examples/lessons/spread.py [FOLDER]
"""

import keras
import numpy as np
from lesson import Lesson, line, panels, powers, show

import kerasinit

STARTS = {
    "N(0, 0.01²)": keras.initializers.RandomNormal(stddev=0.01, seed=0),
    "N(0, 0.1²)": keras.initializers.RandomNormal(stddev=0.1, seed=0),
    "N(0, 0.2²)": keras.initializers.RandomNormal(stddev=0.2, seed=0),
    "N(0, 1)": keras.initializers.RandomNormal(stddev=1.0, seed=0),
    "U(-0.05, 0.05)": keras.initializers.RandomUniform(seed=0),
    "kerasinit>Auto": kerasinit.Auto(seed=0),  # the cure
}
WIDTH, DEPTH, EXAMPLES = 256, 10, 512
INPUTS = (16, 64, 256, 1024, 4096)
FLAT = 0.97  # |tanh| above which its slope is below 0.06


def forward(start: object, activation: str) -> list[np.ndarray]:
    """The activations of every layer of a plain network, before training."""
    keras.utils.set_random_seed(0)
    x = keras.random.normal((EXAMPLES, WIDTH))
    found = []
    for seed in range(DEPTH):
        fresh = type(start).from_config({**start.get_config(), "seed": seed})
        x = keras.layers.Dense(WIDTH, activation, kernel_initializer=fresh)(x)
        found.append(keras.ops.convert_to_numpy(x))
    return found


def lesson() -> Lesson:
    """Sizes of the signal by layer, and the variance by the number of inputs."""
    picture = panels("relu: RMS by layer", "tanh: RMS by layer", "Variance of a sum of w x")
    text = [f"{'':16}{'relu, layer 10':>15}{'tanh, layer 10':>15}{'tanh saturated':>15}"]
    ends = {}
    for color, (name, start) in enumerate(STARTS.items()):
        sizes = {}
        for column, activation in enumerate(("relu", "tanh"), start=1):
            layers = forward(start, activation)
            sizes[activation] = [float(np.sqrt(np.mean(layer**2))) for layer in layers]
            line(picture, range(1, DEPTH + 1), sizes[activation], name, color=color, col=column)
        saturated = float(np.mean(np.abs(layers[-1]) > FLAT))
        ends[name] = sizes["relu"][-1], saturated
        text.append(
            f"{name:16}{sizes['relu'][-1]:>15.1e}{sizes['tanh'][-1]:>15.1e}{saturated:>14.0%}"
        )
    rng = np.random.default_rng(0)
    variances = [
        float(np.var(rng.normal(size=(400, n)) @ rng.normal(0, 0.1, (n, 64)))) for n in INPUTS
    ]
    line(picture, INPUTS, variances, "w ~ N(0, 0.1²), x ~ N(0, 1)", color=7, col=3)
    for column in (1, 2, 3):
        powers(picture, col=column)
        picture.update_xaxes(title="layer", row=1, col=column)
    powers(picture, "x", col=3)
    picture.update_xaxes(title="inputs of the sum", row=1, col=3)
    growth = variances[-1] / variances[0] / (INPUTS[-1] / INPUTS[0])
    text.append(
        f"The variance of a sum grows with its inputs: {INPUTS[-1] // INPUTS[0]} times the inputs,"
        f" {variances[-1] / variances[0]:.0f} times the variance (ratio {growth:.2f})."
    )
    small, large = ends["N(0, 0.01²)"][0], ends["N(0, 1)"]
    text.append(
        f"So no fixed number fits every width: through {DEPTH} layers of {WIDTH}, 0.01 leaves "
        f"{small:.0e} of a signal of 1, and 1 makes {large[0]:.0e} of it (relu) or saturates "
        f"{large[1]:.0%} of it (tanh); kerasinit>Auto, which knows the layer, leaves "
        f"{ends['kerasinit>Auto'][0]:.1f}."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
