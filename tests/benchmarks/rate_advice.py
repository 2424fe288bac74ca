"""The advised learning rate beside Keras' default, a range test, and the best of a fine grid.

Plain stacks of width 64 on digits, 10 epochs, batches of 32, from `initialize(model, seed)`: relu,
gelu, tanh, sigmoid x 3, 10, 30 layers x SGD with momentum 0.9 and Adam. Of each cell, mean accuracy
over the seeds on the validation part, and by how much it falls short of the best of 26 rates a
factor 1.55 apart. The rates of a rule are rounded to that grid:

    KERAS_BACKEND=jax python tests/benchmarks/rate_advice.py --out rates [--seeds 0 1]

Finished cells are kept in the folder and not trained again. 50 minutes of one core with two seeds.
"""

import argparse
import pickle
from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

import kerasinit
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import batches_of
from kerasinit.preparation._copies import Copies
from kerasinit.preparation._rate_rule import (
    FACTOR,
    STAGES,
    RateCurve,
    chosen,
    going_on,
    last_quarter,
)
from kerasinit.preparation._task import task_of

ACTIVATIONS, DEPTHS = ("relu", "gelu", "tanh", "sigmoid"), (3, 10, 30)
OPTIMIZERS = {
    "sgd": (lambda: keras.optimizers.SGD(0.01, momentum=0.9), 1.5),  # and the highest rate
    "adam": (keras.optimizers.Adam, 0.1),
}
FINE, STEPS, EPOCHS, VALIDATION = 26, 44, 10, 360
CLOSE = 0.01  # accuracy
RANGE = np.geomspace(1e-8, 1.0, 100)  # rates of the range test: the defaults of Lightning's finder
SMOOTH = 0.98


def data():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = ((x - x.mean()) / x.std()).astype("float32")[order]
    return x, y[order]


def stack(activation, depth, optimizer):
    hidden = [layers.Dense(64, activation) for _ in range(depth)]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[optimizer][0](), loss)
    return model


def trained(model, optimizer, seed, copies):
    """Rates, losses of every step and final accuracies of copies at each rate."""
    x, y = data()
    start = Weights.of(model)
    rates = OPTIMIZERS[optimizer][1] * np.sqrt(FACTOR) ** -np.arange(float(FINE))
    rates = np.append(rates, float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
    batches = batches_of(
        x[VALIDATION:], y[VALIDATION:], None, batch_size=32, steps=STEPS * EPOCHS, seed=seed
    )
    ends, losses = copies.advance([copies.start(start, rate) for rate in rates], batches.items)
    accuracies = []
    for end in ends:
        for variable, value in zip(model.variables, end.weights.trainable, strict=True):
            variable.assign(value)
        logits = model.predict(x[:VALIDATION], batch_size=VALIDATION, verbose=0)
        right = (logits.argmax(axis=1) == y[:VALIDATION]).mean()
        accuracies.append(right if np.isfinite(logits).all() else 0.0)
    for variable, value in zip(model.variables, start.trainable, strict=True):
        variable.assign(value)
    return {"rates": rates, "losses": losses, "acc": np.array(accuracies)}


def range_test(model, batches):
    """The rate at the steepest fall of a smoothed loss, while one training speeds up."""
    found, mean = [], 0.0
    for number, rate in enumerate(RANGE):
        inputs, targets, _ = batches.items[number]
        model.optimizer.learning_rate = rate
        mean = SMOOTH * mean + (1 - SMOOTH) * float(model.train_on_batch(inputs, targets))
        found.append(mean / (1 - SMOOTH ** (number + 1)))
        if number and not found[-1] <= 4 * min(found):
            break
    kept = np.array(found[10:-1])
    return float(RANGE[10 + int(np.gradient(kept).argmin())]) if len(kept) > 1 else float("nan")


def cell(path, activation, depth, optimizer, seeds):
    """Trains what the folder does not hold yet."""
    missing = [
        seed for seed in seeds if not (path / f"{depth}-{activation}-{optimizer}-{seed}").exists()
    ]
    if not missing:
        return
    model = stack(activation, depth, optimizer)
    copies = Copies(task_of(model))
    for seed in missing:
        kerasinit.initialize(model, seed=seed, reset_optimizer=True)
        record = trained(model, optimizer, seed, copies)
        x, y = (part[VALIDATION:] for part in data())
        batches = batches_of(x, y, None, batch_size=32, steps=len(RANGE), seed=seed)
        record["range"] = range_test(model, batches)
        with (path / f"{depth}-{activation}-{optimizer}-{seed}").open("wb") as file:
            pickle.dump(record, file)


def advised(record, offset):
    """What the rule makes of every second rate, of which copies are given up as in a search."""
    rates, losses = (
        record["rates"][offset : 24 + offset : 2],
        record["losses"][offset : 24 + offset : 2],
    )
    left, first = list(range(len(rates))), 0
    taken = [0] * len(rates)
    for count, steps in STAGES:
        if first:
            left = [left[i] for i in going_on(losses[left, :first], count)]
        first += steps
        for i in left:
            taken[i] = first
    curves = [RateCurve(r, tuple(row[:n])) for r, row, n in zip(rates, losses, taken, strict=True)]
    last = last_quarter(first)
    still = np.full(last.stop - last.start, losses[0, 0])  # of a model that does not move
    return chosen(curves, still, record["rates"][-1])[0]


def nearest(record, rate):
    if not np.isfinite(rate):
        return 0.0
    return record["acc"][int(np.abs(np.log(record["rates"][:FINE] / rate)).argmin())]


def table(path, seeds):
    rows = {}
    for depth in DEPTHS:
        for activation in ACTIVATIONS:
            for optimizer in OPTIMIZERS:
                names = [path / f"{depth}-{activation}-{optimizer}-{seed}" for seed in seeds]
                if all(name.exists() for name in names):
                    records = [pickle.loads(name.read_bytes()) for name in names]
                    rows[depth, activation, optimizer] = records
    rules = {
        "advised": lambda r: nearest(r, advised(r, 1)),
        "advised, rates between": lambda r: nearest(r, advised(r, 0)),
        "Keras' default": lambda r: r["acc"][-1],
        "range test": lambda r: nearest(r, r["range"]),
        "a tenth of the range test": lambda r: nearest(r, r["range"] / 10),
        "best in another training": None,
    }
    print(f"{len(rows)} cells, mean of {len(seeds)} seeds, against the best of {FINE} rates")
    print(f"{'':34s} within {CLOSE}   mean short   most short")
    for name, rule in rules.items():
        short = []
        for records in rows.values():
            grid = np.array([record["acc"][:FINE] for record in records])
            if rule is None:  # how far two trainings of the same cell agree on the best
                others = zip(grid, np.roll(grid, 1, axis=0), strict=True)
                got = np.mean([own[other.argmax()] for own, other in others])
            else:
                got = np.mean([rule(record) for record in records])
            short.append(grid.mean(axis=0).max() - got)
        close = np.mean(np.array(short) <= CLOSE + 1e-4)
        print(f"{name:34s} {close:9.0%}   {np.mean(short):10.4f}   {max(short):10.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("rates"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for depth in DEPTHS:
        for activation in ACTIVATIONS:
            for optimizer in OPTIMIZERS:
                cell(arguments.out, activation, depth, optimizer, arguments.seeds)
                print(depth, activation, optimizer, flush=True)
    table(arguments.out, arguments.seeds)


if __name__ == "__main__":
    main()
