"""Does every architecture of `keras.applications` get covered, and at what cost?

    python tests/benchmarks/applications.py [--only ResNet50 MobileNetV2] [--measure]

For each architecture (`weights=None`): share of the weights that `initialize` and `reset` draw or
name, and, with `--measure`, the time of `initialize(model)` over the time Keras needed to build
the model (medians of three) and the peak of extra host memory over the largest variable.
"""

import argparse
import inspect
import resource
import statistics
import time

import keras

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


def seconds(model, seed):
    begin = time.perf_counter()
    kerasinit.initialize(model, seed=seed)
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    for name in options.only or architectures():
        keras.utils.clear_session()
        begin = time.perf_counter()
        model = getattr(keras.applications, name)(weights=None)
        build = time.perf_counter() - begin
        line = f"{name:18s}"
        for verb in (kerasinit.initialize, kerasinit.reset):
            drawn, named, count = covered(model, verb(model, seed=1, dry_run=True))
            line += f" {verb.__name__}: {drawn} drawn, {named} of {count} in the plan;"
        if options.measure:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            first = seconds(model, 0)
            extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            again = [seconds(model, 1) for _ in range(3)]
            largest = max(
                v.dtype == "float32" and 4 * int(keras.ops.size(v)) for v in model.weights
            )
            line += (
                f" build {build:.2f} s, first initialize {first / build:.2f} x,"
                f" later {statistics.median(again) / build:.2f} x;"
                f" extra memory {extra:.0f} MB, largest variable {largest / 2**20:.0f} MB"
            )
        print(line, flush=True)


if __name__ == "__main__":
    main()
