"""Many trainings: a plain loop of build and `fit` against one mapped training, side by side.

    KERAS_BACKEND=jax python tests/benchmarks/sweep.py            # ratios: 5 and 30 layers, a CNN
    KERAS_BACKEND=jax python tests/benchmarks/sweep.py --cost     # cost by replicas and depth
    KERAS_BACKEND=jax python tests/benchmarks/sweep.py --rounding # why deep losses differ

Both sides do the same trainings: the same initial weights (He normal), the same batches of 64 of
scikit-learn's digits in the same order, SGD with momentum, the same number of epochs. The loop is
a fair one: one `fit` per training on whole arrays (the epochs laid end to end, so that the batches
are the same), no callbacks, one validation at the end where the mapped side does one per epoch,
and the fastest of the ways to compile that `compile` offers, found by trying them first. The
mapped side includes drawing and tracing. The loop does a few of the trainings, each of which
costs the same, and is scaled up; --full does them all. Loop and mapped training take turns, and
the median of their ratios is printed, with the median relative difference of the final validation
losses. Deep nets amplify rounding: --rounding prints, by number of epochs, that difference and the
one between the loop and itself with all initial weights multiplied by 1 + 1e-7.
"""

import argparse
import statistics
import time

import keras
import numpy as np

from kerasinit import initialize
from kerasinit.experiments._builders import find
from kerasinit.experiments._data import load
from kerasinit.experiments._draws import Drawer
from kerasinit.experiments._objective import batch_order
from kerasinit.experiments._trainer import Trainer, replicas_per_call

OPTIMIZER = {"class_name": "SGD", "config": {"momentum": 0.9}}
RATE = 0.01
BATCH = 64
MODELS = {
    "mlp 5x64": ("mlp", {"depth": 5, "width": 64}),
    "mlp 30x64": ("mlp", {"depth": 30, "width": 64}),
    "cnn 2x16": ("cnn", {"depth": 2, "width": 16}),
}


def build(name, options, dataset):
    return find(name)(dataset.input_shape, dataset.classes, activation="relu", **options)


def loop(name, options, dataset, seeds, epochs, compile_options, factor=1.0):
    """Builds and fits one model after another; seconds and final validation losses."""
    began = time.perf_counter()
    orders = [batch_order(len(dataset.x), BATCH, 0, epoch).ravel() for epoch in range(epochs)]
    order = np.concatenate(orders)
    x, y = dataset.x[order], dataset.y[order]
    losses = []
    for seed in seeds:
        model = build(name, options, dataset)
        initialize(model, "he_normal", seed=seed)
        if factor != 1.0:
            for variable in model.trainable_variables:
                variable.assign(variable.value * factor)
        model.compile(
            keras.optimizers.SGD(RATE, momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            **compile_options,
        )
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        found = model.evaluate(dataset.x_val, dataset.y_val, batch_size=512, verbose=0)
        losses.append(found[0])
        keras.utils.clear_session()
    return time.perf_counter() - began, np.array(losses)


def fastest_compile_options(name, options, dataset, epochs):
    """The way to compile with which the loop is fastest."""
    ways = [{"jit_compile": "auto"}]
    if keras.config.backend() == "tensorflow":
        steps = len(dataset.x) // BATCH
        ways += [{"jit_compile": False}, {"jit_compile": False, "steps_per_execution": steps}]
    seconds = [loop(name, options, dataset, [0], epochs, way)[0] for way in ways]
    print({str(way): round(second, 2) for way, second in zip(ways, seconds, strict=True)})
    return ways[int(np.argmin(seconds))]


def mapped(name, options, dataset, seeds, epochs):
    """Trains all together, tracing included; seconds and final validation losses."""
    began = time.perf_counter()
    model = build(name, options, dataset)
    size = replicas_per_call(model, dataset.x, BATCH, len(seeds))
    trainer = Trainer(model, dataset, optimizer=OPTIMIZER, batch_size=BATCH, replicas=size)
    drawer = Drawer(model, dataset)
    losses = []
    for start in range(0, len(seeds), size):
        drawn = seeds[start : start + size]
        group = [drawer.draw("he_normal", "he_normal", seed) for seed in drawn]
        trainer.load(group, RATE)
        for epoch in range(epochs):
            trainer.train_epoch(epoch)
            rows = trainer.evaluate()
        losses += rows[: len(group), 0].tolist()
    keras.utils.clear_session()
    return time.perf_counter() - began, np.array(losses)


def compare(label, dataset, replicas, epochs, sample, repeats):
    name, options = MODELS[label]
    seeds = list(range(replicas))
    mapped(name, options, dataset, seeds[:2], 1)  # loads what is loaded once per process
    way = fastest_compile_options(name, options, dataset, epochs)
    ratios = []
    for _ in range(repeats):
        part, losses = loop(name, options, dataset, seeds[:sample], epochs, way)
        together, found = mapped(name, options, dataset, seeds, epochs)
        alone = part * replicas / sample
        ratios.append(alone / together)
        difference = np.median(np.abs(losses - found[:sample]) / losses)
        print(
            f"{label}: {replicas} trainings of {epochs} epochs: loop {alone:.1f} s, mapped "
            f"{together:.1f} s, {ratios[-1]:.1f} times; losses differ by {difference:.1e}",
            flush=True,
        )
    print(f"{label}: median {statistics.median(ratios):.1f} times", flush=True)


def cost(dataset, epochs):
    """Seconds by number of replicas and by depth, for a width of 64."""
    mapped("mlp", {"depth": 5, "width": 64}, dataset, [0, 1], 1)  # what is loaded once per process
    for replicas, depth in ((1, 5), (10, 5), (100, 5), (40, 5), (40, 30), (40, 100)):
        options = {"depth": depth, "width": 64}
        seconds, _ = mapped("mlp", options, dataset, list(range(replicas)), epochs)
        print(
            f"mlp {depth}x64, {replicas} replicas, {epochs} epochs: {seconds:.1f} s, "
            f"{1e3 * seconds / replicas:.0f} ms per training",
            flush=True,
        )


def rounding(dataset, replicas):
    """Median relative differences of the final validation losses of 30 layers."""
    name, options = MODELS["mlp 30x64"]
    seeds = list(range(replicas))
    way = {"jit_compile": "auto"}
    for epochs in (1, 2, 5, 10):
        _, losses = loop(name, options, dataset, seeds, epochs, way)
        _, found = mapped(name, options, dataset, seeds, epochs)
        _, moved = loop(name, options, dataset, seeds, epochs, way, factor=1 + 1e-7)
        by_mapping, by_rounding = (np.median(abs(losses - o) / losses) for o in (found, moved))
        print(
            f"{epochs} epochs: mapped against loop {by_mapping:.1e}, loop against itself with "
            f"weights times 1 + 1e-7 {by_rounding:.1e}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--replicas", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--sample", type=int, default=4, help="trainings that the loop does")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="the loop does all trainings")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounding", action="store_true")
    options = parser.parse_args()
    dataset = load("digits")
    print(f"keras {keras.__version__} on {keras.config.backend()}", flush=True)
    if options.cost:
        cost(dataset, options.epochs)
        return
    if options.rounding:
        rounding(dataset, options.sample)
        return
    sample = options.replicas if options.full else min(options.sample, options.replicas)
    for label in options.models:
        compare(label, dataset, options.replicas, options.epochs, sample, options.repeats)


if __name__ == "__main__":
    main()
