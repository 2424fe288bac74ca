"""A model has the weights of its seeds, in whichever thread or process it is built."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "versions"))

import keras
import saved_models


def bits(number):
    """The weights of a model whose layer starts as the table of saved models says."""
    shape, initializer = saved_models.STARTS[number]
    config = {**initializer_config(initializer), "seed": number}
    layer = saved_models.Shift(shape, type(keras.initializers.get(initializer)).from_config(config))
    model = keras.Sequential([keras.Input((8,)), layer, keras.layers.Dense(2, kernel_initializer=
                              type(layer.initializer).from_config(config)
                              if len(shape) == 2 else "zeros")])  # fmt: skip
    return [weight.tobytes() for weight in model.get_weights()]


def initializer_config(initializer):
    return keras.initializers.get(initializer).get_config()


def builds(count, where):
    """All initializers, in `count` threads at a time and in as many spawned processes."""
    numbers = range(len(saved_models.STARTS))
    expected = [bits(number) for number in numbers]
    with ThreadPoolExecutor(count) as threads:
        for number in numbers:
            found = threads.map(bits, [number] * count)
            yield from compared("thread", number, found, expected)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(count, 2), mp_context=spawn) as processes:
        for number, found in enumerate(processes.map(bits, numbers)):
            yield from compared("process", number, [found], expected)


def compared(place, number, found, expected):
    for each in found:
        name = saved_models.STARTS[number][1]
        yield "" if each == expected[number] else f"{name}: other weights in a {place}"
