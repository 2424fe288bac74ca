"""A very deep plain network: what 500 layers leave of the signal and of its gradient.

`tests/benchmarks/one_call.py deep` trains 1,000, on torch: TensorFlow takes minutes to trace them.
What a start decides shows before that.

    python examples/lessons/very_deep.py [FOLDER]
"""

import sys
from collections.abc import Iterator

import keras
import numpy as np
from lesson import Lesson, line, panels, powers, show

import kerasinit

DEPTH, WIDTH, EXAMPLES = 500, 64, 64
SMALLEST = 1e-300  # what a logarithmic axis shows of 0


def sizes(kernels: list[np.ndarray]) -> tuple[list[float], list[float]]:
    """RMS of activations and of their gradients by layer: in NumPy, what Keras would compute."""
    rng = np.random.default_rng(0)
    x, signal, open_units = rng.normal(size=(EXAMPLES, WIDTH)), [], []
    for kernel in kernels:
        x = np.maximum(x @ kernel, 0)
        signal.append(float(np.sqrt(np.mean(x**2))))
        open_units.append(x > 0)
    slope, gradient = rng.normal(size=(EXAMPLES, WIDTH)), []
    for kernel, passes in zip(kernels[::-1], open_units[::-1], strict=True):
        gradient.append(float(np.sqrt(np.mean(slope**2))))
        slope = (slope * passes) @ kernel.T
    return signal, gradient[::-1]


def starts() -> Iterator[tuple[str, list[np.ndarray]]]:
    """The kernels of one network from three starts."""
    sys.setrecursionlimit(20 * DEPTH)  # Keras walks through the layers by recursion
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(WIDTH, "relu") for _ in range(DEPTH)]
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden, keras.layers.Dense(10)])

    def kernels() -> list[np.ndarray]:
        return [layer.get_weights()[0].astype("float64") for layer in model.layers[:-1]]

    yield "glorot_uniform", kernels()  # as Keras built it
    draws = [keras.initializers.HeNormal(seed)((WIDTH, WIDTH)) for seed in range(DEPTH)]
    yield "he_normal", [keras.ops.convert_to_numpy(draw).astype("float64") for draw in draws]
    kerasinit.initialize(model, seed=0)
    yield "initialize(model)", kernels()


def lesson() -> Lesson:
    """Signal and gradient of one network from three starts."""
    picture = panels("RMS of the activations", "RMS of the gradient")
    text, ends = [f"{'':20}{'signal, last layer':>20}{'gradient, first layer':>23}"], {}
    for color, (name, kernels) in zip((2, 4, 7), starts(), strict=True):
        signal, gradient = sizes(kernels)
        ends[name] = signal[-1], gradient[0]
        for column, values in enumerate((signal, gradient), start=1):
            shown = [max(value, SMALLEST) for value in values]
            line(picture, range(1, DEPTH + 1), shown, name, color=color, col=column)
        text.append(f"{name:20}{signal[-1]:>20.1e}{gradient[0]:>23.1e}")
    powers(picture)
    picture.update_xaxes(title="layer").update_traces(mode="lines")
    signal, gradient = ends["initialize(model)"]
    faded = ends["glorot_uniform"]
    text.append(
        f"Through {DEPTH} layers glorot_uniform leaves {faded[0]:.0e} of the signal and "
        f"{faded[1]:.0e} of the gradient, initialize(model) {signal:.1f} and {gradient:.1f}."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
