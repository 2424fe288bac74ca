"""What does knowing the layer cost? Drawing against Keras' own, and the time per variable.

    KERAS_BACKEND=tensorflow python tests/benchmarks/draws.py [--size 4096] [--rounds 15]

Prints, for each distribution, the time of a draw over the time Keras takes for the same
distribution (interleaved pairs, median of the ratios; goal: at most 1.05 at 4096 x 4096), and the
extra time per variable of finding the layer, the fans and the seed (goal: at most 50 microseconds).
"""

import argparse
import itertools
import statistics
import time
from functools import partial

import keras

from kerasinit import _backend
from kerasinit.initializers import HeNormal, LecunNormal, LecunUniform, XavierUniform

THEIRS = keras.initializers
PAIRS = {
    "uniform": (LecunUniform(seed=1), THEIRS.LecunUniform(seed=1)),
    "normal": (
        LecunNormal(seed=1),
        THEIRS.VarianceScaling(1.0, "fan_in", "untruncated_normal", seed=1),
    ),
    "truncated at 2": (LecunNormal(truncate=2.0, seed=1), THEIRS.LecunNormal(seed=1)),
    "bfloat16 uniform": (XavierUniform(seed=1), THEIRS.GlorotUniform(seed=1)),
}


def seconds(function, repeats=1):
    begin = time.perf_counter()
    for _ in range(repeats):
        wait(function())
    return (time.perf_counter() - begin) / repeats


def wait(tensor):
    """Until the value is there: JAX and accelerators return before."""
    block = getattr(tensor, "block_until_ready", None)
    if block is not None:
        block()
    elif keras.config.backend() == "torch" and tensor.device.type == "cuda":
        keras.ops.convert_to_numpy(tensor[..., :1, :1])


def ratios(ours, theirs, rounds):
    """Time of `ours` over time of `theirs`, pair by pair, with the order swapped each time."""
    seconds(ours), seconds(theirs)
    found = []
    for index in range(rounds):
        first, second = (ours, theirs) if index % 2 else (theirs, ours)
        one, two = seconds(first), seconds(second)
        found.append(one / two if index % 2 else two / one)
    return found


def draws(size, rounds):
    for name, (ours, theirs) in PAIRS.items():
        dtype = "bfloat16" if "bfloat16" in name else "float32"
        found = ratios(
            lambda ours=ours, dtype=dtype: ours((size, size), dtype=dtype),
            lambda theirs=theirs, dtype=dtype: theirs((size, size), dtype=dtype),
            rounds,
        )
        print(f"{name:18s} {statistics.median(found):.3f} of the time of Keras")


def awareness(rounds):
    """Extra time for one small variable inside a layer, over the bare draw with a new seed."""
    cases = {
        "Dense": (keras.layers.Dense(4), (8, 4)),
        "DepthwiseConv2D": (keras.layers.DepthwiseConv2D(3), (3, 3, 8, 1)),
        "EinsumDense": (keras.layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (8, 2, 4)),
    }
    for name, (layer, shape) in cases.items():
        ours, seeds = HeNormal(gain="auto", seed=1), itertools.count()
        layer.kernel_initializer = ours
        known = partial(ours, shape)

        def bare(shape=shape, seeds=seeds):
            return keras.random.normal(shape, 0.0, 0.5, dtype="float32", seed=next(seeds))

        with _backend.layer_scope(layer, f"model/{name}"):
            seconds(known, 50), seconds(bare, 50)
            pairs = [(seconds(known, 50), seconds(bare, 50)) for _ in range(4 * rounds)]
        quickest = [min(times) for times in zip(*pairs, strict=True)]
        extra = 1e6 * (quickest[0] - quickest[1])
        print(f"{name:18s} {extra:+.1f} microseconds per variable")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"{keras.config.backend()}, {options.size} x {options.size}, {options.rounds} rounds")
    draws(options.size, options.rounds)
    awareness(options.rounds)


if __name__ == "__main__":
    main()
