"""Trains a small network from every start at once, and keeps what it looked like on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit.experiments import _data
from kerasinit.experiments._draws import Drawer
from kerasinit.experiments._generated import GENERATORS
from kerasinit.experiments._spec import MOMENTUM_SGD
from kerasinit.experiments._trainer import Trainer
from kerasinit.playground._film import Film, Reel
from kerasinit.playground._starts import Start

DATA = tuple(GENERATORS)
HIDDEN, WIDTH = 3, 8
LEARNING_RATE = 0.05  # from it every sensible start learns all four sets, with tanh and with relu
BATCH_SIZE = 32
EPOCHS = 200
FRAMES = 44  # kept of a training, closer together where it begins
SEEDS = 5  # trainings from each start; the first one is filmed


def film(data: str, activation: str, starts: Sequence[Start], *, epochs: int = EPOCHS) -> Reel:
    """Trains the playground's network on one data set, from every start and with several seeds.

    Args:
        data: One of `DATA`.
        activation: Of the hidden layers, by its name in Keras.
        starts: Where to start from.
        epochs: How long to train.

    Raises:
        ValueError: If the data is unknown or a start cannot fill this network.

    Example:
        ```python
        reel = film("xor", "tanh", [find_start("zeros"), find_start("initialize")])
        print(reel.film_of("zeros").test_accuracy[-1])
        ```
    """
    if data not in DATA:
        raise ValueError(f"`data` must be one of {DATA}. Received: data={data!r}.")
    dataset = _data.load(data)
    network, classifier = _networks(activation)
    drawer = Drawer(network, dataset)
    drawn = [drawer.draw(start.name, start.rule, seed) for seed in range(SEEDS) for start in starts]
    trainer = Trainer(
        classifier,
        dataset,
        optimizer=MOMENTUM_SGD,
        batch_size=BATCH_SIZE,
        replicas=len(drawn),
    )
    trainer.load(drawn, LEARNING_RATE)
    kept = np.unique((epochs * np.linspace(0, 1, FRAMES) ** 2).round().astype(int))
    weights, gradients = [trainer.weights().trainable], [trainer.probe().gradients]
    train_rows, test_rows = [], [trainer.evaluate()]
    for epoch in range(1, epochs + 1):
        train_rows.append(trainer.train_epoch(epoch - 1))
        test_rows.append(trainer.evaluate())
        if epoch in kept:
            weights.append(trainer.weights().trainable)
            gradients.append(trainer.probe().gradients)
    train, test = np.stack(train_rows), np.stack(test_rows)  # (epochs, replicas, 2)
    films = []
    for place, start in enumerate(starts):
        kernels, biases = _layers(weights, place)
        kernel_gradients, bias_gradients = _layers(gradients, place)
        films.append(
            Film(
                start=start.name,
                kernels=kernels,
                biases=biases,
                kernel_gradients=kernel_gradients,
                bias_gradients=bias_gradients,
                loss=train[:, place, 0],
                test_loss=test[:, place, 0],
                test_accuracy=test[:, place, 1],
                seeds_accuracy=test[-1, place :: len(starts), 1],
            )
        )
    steps = len(dataset.x) // trainer.batch_size
    return Reel(data, dataset.x, dataset.y, activation, kept, steps, tuple(films))


def _networks(activation: str) -> tuple[Any, Any]:
    """A network with one logit, and the same one with a logit for either class.

    Both share their layers. A softmax of (0, z) is the sigmoid of z.
    """
    x = inputs = keras.Input((2,))
    for place in range(1, HIDDEN + 1):
        x = keras.layers.Dense(WIDTH, activation, name=f"hidden_{place}")(x)
    z = keras.layers.Dense(1, name="output")(x)
    both = ops.concatenate([ops.zeros_like(z), z], axis=-1)
    return keras.Model(inputs, z), keras.Model(inputs, both)


def _layers(
    frames: Sequence[Sequence[np.ndarray]], place: int
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Kernels and biases of one replica, each with a leading frame axis."""
    arrays = [np.stack([frame[i][place] for frame in frames]) for i in range(2 * (HIDDEN + 1))]
    return tuple(arrays[::2]), tuple(arrays[1::2])
