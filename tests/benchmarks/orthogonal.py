"""Time of our `Orthogonal` against Keras' own, interleaved, on the active backend.

    KERAS_BACKEND=jax python tests/benchmarks/orthogonal.py --sizes 512 2048 --repeats 7

Each repeat draws once with Keras' initializer and once with ours, in turn, and waits for the
values; the ratio is the median of the ratios of such pairs, so that a change in the load of the
machine hits both. Shapes of up to 256 x 256 are repeated 101 times or more. `first` is the very
first call of each, compilation included. `error` is the largest entry of |Q'Q - I| of ours,
computed in float64.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import kerasinit

SMALL_DRAW = 256 * 256  # entries; such draws take few milliseconds, so more are needed
SMALL_REPEATS = 101


def seconds(initializer, shape):
    start = time.perf_counter()
    keras.ops.convert_to_numpy(initializer(shape))
    return time.perf_counter() - start


def error(initializer, shape):
    matrix = keras.ops.convert_to_numpy(initializer(shape)).astype("float64")
    gram = matrix.T @ matrix if shape[0] >= shape[1] else matrix @ matrix.T
    return np.abs(gram - np.eye(len(gram))).max()


def compare(shape, repeats):
    repeats = max(repeats, SMALL_REPEATS) if math.prod(shape) <= SMALL_DRAW else repeats
    theirs = keras.initializers.Orthogonal(seed=1)
    ours = kerasinit.initializers.Orthogonal(scaled=False, seed=1)
    first = seconds(theirs, shape), seconds(ours, shape)
    pairs = [(seconds(theirs, shape), seconds(ours, shape)) for _ in range(repeats)]
    keras_time, our_time = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / two for one, two in pairs)
    return {
        "shape": "x".join(map(str, shape)),
        "keras ms": f"{1e3 * keras_time:.1f}",
        "ours ms": f"{1e3 * our_time:.1f}",
        "ratio": f"{ratio:.2f}",
        "first keras ms": f"{1e3 * first[0]:.0f}",
        "first ours ms": f"{1e3 * first[1]:.0f}",
        "error": f"{error(ours, shape):.1e}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 512, 2048])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    print(f"backend: {keras.config.backend()}; ratio = time of Keras / time of ours")
    shapes = [(size, size) for size in arguments.sizes]
    largest = max(arguments.sizes)
    shapes += [(largest, largest // 4), (largest // 4, largest)]
    for index, shape in enumerate(shapes):
        row = compare(shape, arguments.repeats)
        if index == 0:
            print("  ".join(f"{name:>14}" for name in row))
        print("  ".join(f"{value:>14}" for value in row.values()), flush=True)


if __name__ == "__main__":
    main()
