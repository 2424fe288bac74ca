"""Does every architecture of `keras.applications` get covered, and at what cost?

    python tests/benchmarks/applications.py [--only ResNet50 MobileNetV2] [--measure] [--lsuv]

For each architecture (`weights=None`): share of the weights that `initialize` and `reset` draw or
name, and, with `--measure`, the time of `initialize(model)` over the time Keras needs to build
the model (the first calls in the process, and medians of later ones) and the peak of host memory
while it runs, above what the process held before, beside the largest variable (Linux). With
`--lsuv`, what data-driven scaling reaches on 16 images of noise.
"""

import argparse
import functools
import inspect
import statistics
import time
from pathlib import Path

import keras
import numpy as np

import kerasinit


def architectures():
    return sorted(
        name
        for name, function in inspect.getmembers(keras.applications, inspect.isfunction)
        if name[0].isupper()
    )


def covered(model, plan):
    rows = {row.path: row for row in plan}
    drawn = sum(rows[v.path].changed for v in model.weights)
    named = sum(bool(rows[v.path].reason) for v in model.weights)
    return drawn, named, len(model.weights)


def seconds(function):
    """What `function` returns, and its seconds until the weights it wrote are there (JAX)."""
    begin = time.perf_counter()
    model = function()
    for variable in model.weights:
        getattr(variable.value, "block_until_ready", int)()
    return model, time.perf_counter() - begin


def initialized(model, seed):
    kerasinit.initialize(model, seed=seed)
    return model


def peak_above_now(function):
    """Megabytes that `function` needs at most, above what the process holds before the call."""
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far

    def megabytes(field):
        (line,) = (one for one in status.read_text().splitlines() if one.startswith(field))
        return int(line.split()[1]) / 1024

    before = megabytes("VmRSS")
    result = function()
    return result, megabytes("VmHWM") - before


def scaled_on_data(model):
    size = [side or 96 for side in model.input_shape[1:3]]
    images = np.random.default_rng(0).normal(size=(16, *size, 3)).astype("float32")
    plan = kerasinit.initialize(model, data=images, seed=1)
    rows = [row for row in plan if row.tries is not None]
    reached = sum(row.converged for row in rows)
    return (
        f" lsuv: {reached} of {len(rows)} layers, {max(row.tries for row in rows)} tries at most;"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--lsuv", action="store_true")
    options = parser.parse_args()
    for name in options.only or architectures():
        keras.utils.clear_session()
        builder = functools.partial(getattr(keras.applications, name), weights=None)
        try:
            model, build = seconds(builder)
        except ValueError as error:
            print(f"{name:18s} {str(error).strip()}")
            continue
        line = f"{name:18s}"
        for verb in (kerasinit.initialize, kerasinit.reset):
            drawn, named, count = covered(model, verb(model, seed=1, dry_run=True))
            line += f" {verb.__name__}: {drawn} drawn, {named} of {count} in the plan;"
        if options.measure:
            start = functools.partial(seconds, functools.partial(initialized, model, 1))
            (_, first), extra = peak_above_now(start)
            pairs = [(start()[1], seconds(builder)[1]) for _ in range(5)]
            later, again = map(statistics.median, zip(*pairs, strict=True))
            largest = max(
                v.dtype == "float32" and 4 * int(keras.ops.size(v)) for v in model.weights
            )
            line += (
                f" build {build:.2f} s, first initialize {first / build:.2f} x,"
                f" later {later / again:.2f} x;"
                f" extra memory {extra:.0f} MB, largest variable {largest / 2**20:.0f} MB"
            )
        if options.lsuv:
            line += scaled_on_data(model)
        print(line, flush=True)


if __name__ == "__main__":
    main()
