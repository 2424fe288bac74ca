"""Where Keras' fans are wrong: an initializer that sees a shape cannot know the layer.

python examples/lessons/fans.py [FOLDER]
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from lesson import Lesson, line, panels, powers, show

import kerasinit  # noqa: F401 - tells Keras its names

DEPTH, CHANNELS, SIDE, EXPERTS, EXAMPLES = 10, 16, 12, 8, 32
HE = ("he_normal", "kerasinit>HeNormal")  # with relu
XAVIER = ("glorot_normal", "kerasinit>XavierNormal")  # without an activation


class Case(NamedTuple):
    """A plain stack of one kind of layer.

    Args:
        make: A layer from an initializer.
        shape: Of one example.
        depth: Number of layers.
        starts: Keras' initializer, and ours by the same formula.
    """

    make: Callable[[str], keras.layers.Layer]
    shape: tuple[int, ...]
    depth: int
    starts: tuple[str, str]


CASES = {
    "depthwise": Case(
        lambda start: keras.layers.DepthwiseConv2D(
            5, padding="same", activation="relu", depthwise_initializer=start
        ),
        (SIDE, SIDE, CHANNELS), DEPTH, HE,
    ),
    "transposed, stride 2": Case(
        lambda start: keras.layers.Conv2DTranspose(
            CHANNELS, 4, strides=2, padding="same", activation="relu", kernel_initializer=start
        ),
        (4, 4, CHANNELS), 4, HE,
    ),
    "grouped": Case(
        lambda start: keras.layers.Conv2D(
            CHANNELS, 3, padding="same", groups=EXPERTS, kernel_initializer=start
        ),
        (SIDE, SIDE, CHANNELS), DEPTH, XAVIER,
    ),
    "experts": Case(
        lambda start: keras.layers.EinsumDense(
            "bei,eio->beo", (EXPERTS, CHANNELS), kernel_initializer=start
        ),
        (EXPERTS, CHANNELS), DEPTH, XAVIER,
    ),
}  # fmt: skip


def signal(case: Case, start: str) -> list[float]:
    """RMS of the activations after every layer; the input has 1."""
    keras.utils.set_random_seed(0)
    x = keras.random.normal((EXAMPLES, *case.shape))
    sizes = []
    for _ in range(case.depth):
        x = case.make(start)(x)
        sizes.append(float(np.sqrt(np.mean(keras.ops.convert_to_numpy(x) ** 2))))
    return sizes


def lesson() -> Lesson:
    """What each stack leaves of a signal of 1, with Keras' fans and with the layer's own."""
    picture = panels(*CASES, shared_yaxes=True)
    text = [f"{'':22}{'formula':>8}{'layers':>7}{'with Keras':>12}{'with ours':>10}"]
    lost = {}
    for column, (name, case) in enumerate(CASES.items(), start=1):
        theirs, ours = (signal(case, start) for start in case.starts)
        for color, label, sizes in ((3, "Keras", theirs), (7, "kerasinit", ours)):
            line(picture, range(1, case.depth + 1), sizes, label, color=color, col=column)
        lost[name] = theirs[-1], ours[-1]
        formula = case.starts[1].removeprefix("kerasinit>").removesuffix("Normal")
        text.append(f"{name:22}{formula:>8}{case.depth:>7}{theirs[-1]:>12.1e}{ours[-1]:>10.2f}")
    powers(picture)
    picture.update_xaxes(title="layer").update_yaxes(title="RMS of the signal", row=1, col=1)
    worst = min(lost, key=lost.__getitem__)
    text.append(
        f"The worst is {worst}: of a signal of 1, {CASES[worst].depth} layers leave "
        f"{lost[worst][0]:.0e} with the fans of its shape, {lost[worst][1]:.1g} with its own."
    )
    return Lesson(picture, "\n".join(text))


if __name__ == "__main__":
    show(lesson)
