"""The advised rate on tasks that its rule was not made on, as in `rate_advice.py`.

    KERAS_BACKEND=jax python tests/benchmarks/rate_held_out.py --out runs/held_out [--seeds 0 1]

Ten small models on other data, with SGD (momentum 0.9) and Adam, 330 steps of 32 samples from
`initialize(model, seed)`: the loss on a test part after the last step, at the advised rate, at
Keras' default, at the rate of a range test (steepest fall), a tenth of that, and at the best of 26
rates a factor 1.55 apart. Every second of these is one that `learning_rate` tries; it sees the
first 44 batches. Finished tasks are kept; the table is printed from the records.
"""

import argparse
import pickle
from pathlib import Path

import keras
import numpy as np
import small_data
from keras import layers
from rate_advice import FINE, advised, range_test
from sklearn import datasets

import kerasinit
from kerasinit.experiments._stacking import Weights
from kerasinit.preparation._batches import batches_of
from kerasinit.preparation._mapped import MappedCopies
from kerasinit.preparation._rate_rule import ABOVE, FACTOR, IN_ONE_CALL, IN_TURN
from kerasinit.preparation._task import task_of
from kerasinit.preparation._trial import outputs_of

STEPS, BATCH = 330, 32
CLOSE = 1.05  # of the best loss
OPTIMIZERS = {
    "sgd": (lambda: keras.optimizers.SGD(0.01, momentum=0.9), 0.01),  # and Keras' default rate
    "adam": (keras.optimizers.Adam, 0.001),
}


def sparse():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def binary():
    return keras.losses.BinaryCrossentropy(from_logits=True)


def stack(features, units, activation, depth, outputs):
    hidden = [layers.Dense(units, activation) for _ in range(depth)]
    return keras.Sequential([keras.Input((features,)), *hidden, layers.Dense(outputs)])


def standard(x):
    return (x - x.mean(0)) / x.std(0)


def wine():
    x, y = datasets.load_wine(return_X_y=True)
    return stack(13, 32, "relu", 1, 3), sparse(), small_data.split(standard(x), y)


def cancer():
    return stack(30, 64, "gelu", 2, 1), binary(), small_data.table()


def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    return stack(10, 64, "tanh", 2, 1), "mse", small_data.split(standard(x), standard(y)[:, None])


def friedman():
    x, y = datasets.make_friedman1(3000, noise=0.5, random_state=0)
    return stack(10, 64, "relu", 3, 1), "mse", small_data.split(standard(x), standard(y)[:, None])


def swiss_roll():
    x, y = datasets.make_swiss_roll(2000, noise=0.2, random_state=0)
    return stack(3, 128, "silu", 4, 1), "mse", small_data.split(standard(x), standard(y)[:, None])


def rare():
    return stack(30, 128, "elu", 2, 1), binary(), small_data.rare()


def embeddings():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(12, 16)(inputs))
    x = layers.Dense(1)(layers.Dense(64, "relu")(x))
    return keras.Model(inputs, x), binary(), small_data.categories()


def forecast():
    inputs = keras.Input((32, 1))
    x = layers.Conv1D(16, 5, strides=2, activation="relu")(inputs)
    x = layers.Conv1D(32, 5, strides=2, activation="relu")(x)
    x = layers.Dense(small_data.FUTURE)(layers.Flatten()(x))
    return keras.Model(inputs, x), "mse", small_data.series()


def residual():
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(64)(layers.Flatten()(inputs))
    for _ in range(4):
        h = layers.Dense(64, "gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(64)(h)
    return keras.Model(inputs, layers.Dense(10)(x)), sparse(), small_data.digits()


def vit():
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(32)(layers.Reshape((8, 8))(inputs))
    h = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(4, 8)(h, h)
    x = x + layers.Dense(32)(layers.Dense(64, "gelu")(layers.LayerNormalization()(x)))
    x = layers.Dense(10)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, x), sparse(), small_data.digits()


TASKS = {
    task.__name__: task
    for task in (
        wine, cancer, diabetes, friedman, swiss_roll, rare, embeddings, forecast, residual, vit,
    )
}  # fmt: skip


def trained(name, optimizer, seed):
    """Rates, losses of every step and losses on the test part of copies at each rate."""
    keras.utils.set_random_seed(seed)
    model, loss, ((x, y), test) = TASKS[name]()
    make, usual = OPTIMIZERS[optimizer]
    model.compile(make(), loss)
    kerasinit.initialize(model, seed=seed)
    start = Weights.of(model)
    highest = usual * FACTOR**ABOVE * np.sqrt(FACTOR)
    rates = np.append(highest * np.sqrt(FACTOR) ** -np.arange(float(FINE)), usual)
    batches = batches_of(x, y, None, batch_size=BATCH, steps=STEPS, seed=seed)
    item = batches.items[0]
    copies = MappedCopies(task_of(model), item[1], outputs_of(model, item[0]), 9)
    ends, losses = copies.advance([copies.start(start, rate) for rate in rates], batches.items)
    found = []
    for end in ends:
        for variable, value in zip(model.trainable_variables, end.weights.trainable, strict=True):
            variable.assign(value)
        at_end = model.evaluate(*test, batch_size=1024, verbose=0)
        found.append(at_end if np.isfinite(at_end) else np.inf)
    for variable, value in zip(model.trainable_variables, start.trainable, strict=True):
        variable.assign(value)
    record = {"rates": rates, "losses": losses, "test": np.array(found)}
    return record | {"range": range_test(model, batches)}


def at(record, rate):
    """The loss of the nearest rate of the grid; that of the slowest where there is none."""
    if not np.isfinite(rate):
        return record["test"][FINE - 1]
    return record["test"][int(np.abs(np.log(record["rates"][:FINE] / rate)).argmin())]


RULES = {
    "advised, mapped": lambda r: at(r, advised(r, 1, IN_ONE_CALL)),
    "advised, in turn": lambda r: at(r, advised(r, 1, IN_TURN)),
    "Keras' default": lambda r: r["test"][-1],
    "range test": lambda r: at(r, r["range"]),
    "a tenth of the range test": lambda r: at(r, r["range"] / 10),
    "the best with another seed": lambda r: r["test"][r["other"]],
}


def table(records):
    """A line for each training and one for each rule: how far above the best of the grid."""
    ratios = {}
    for (task, seed), record in records.items():
        best = record["test"][:FINE].min()
        if best <= 0:  # a test part of 44 wines
            continue
        others = [r for (other, number), r in records.items() if other == task and number != seed]
        record["other"] = int((others or [record])[0]["test"][:FINE].argmin())
        ratios[task, seed] = [rule(record) / best for rule in RULES.values()]
        rate = advised(record, 1, IN_ONE_CALL)
        fastest = record["rates"][:FINE][record["test"][:FINE].argmin()]
        shown = "  ".join(f"{ratio:7.3f}" for ratio in ratios[task, seed])
        print(f"{task:18s} best {best:8.4g} at {fastest:7.2g}, advised {rate:7.2g}   {shown}")
    print(f"\nloss over the best of {FINE} rates, {len(ratios)} trainings")
    print(f"{'':28s} within 5 %   10 %   median      most")
    for name, column in zip(RULES, np.array([*ratios.values()]).T, strict=True):
        five, ten = (column <= CLOSE).mean(), (column <= 1.1).mean()
        print(f"{name:28s} {five:9.0%} {ten:7.0%}   {np.median(column):6.3f}   {column.max():7.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/held_out"))
    parser.add_argument("--only", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        for optimizer in OPTIMIZERS:
            for seed in arguments.seeds:
                path = arguments.out / f"{name}-{optimizer}.{seed}"
                if not path.exists():
                    path.write_bytes(pickle.dumps(trained(name, optimizer, seed)))
                    print(path.name, flush=True)
    paths = sorted(arguments.out.iterdir())
    table({(path.stem, path.suffix): pickle.loads(path.read_bytes()) for path in paths})


if __name__ == "__main__":
    main()
