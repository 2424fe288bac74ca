"""The advised rate on ordinary small models, as `rate_advice.py` on deep ones.

    KERAS_BACKEND=jax python tests/benchmarks/rate_held_out.py --out runs/held_out [--seeds 0 1]

Small models on other data, with SGD (momentum 0.9) and Adam, 330 steps of 32 samples from
`initialize(model, seed)`, at 26 rates a factor 1.55 apart. Of each the training loss at the end and
the loss on a test part, at the end and at the best of 30 checkpoints; how often it comes close to
that of the best rate, at the advised rate, at Keras' default, at the rate of a range test (steepest
fall), and a tenth of that. Every second rate is one that `learning_rate` tries; it sees the first
28 batches. Ten of the tasks were looked at when its rule was made, eight were not. Finished tasks
are kept; the tables are printed from the records. An hour of one core.
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
from kerasinit.preparation._copies import Copies
from kerasinit.preparation._rate_rule import ABOVE, FACTOR
from kerasinit.preparation._task import task_of

STEPS, BATCH = 330, 32
CHECKPOINT = 11  # steps, after which the loss on the test part is read
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


def cnn():
    inputs = keras.Input((8, 8, 1))
    x = layers.BatchNormalization()(layers.Conv2D(16, 3, use_bias=False)(inputs))
    x = layers.BatchNormalization()(layers.Conv2D(32, 3, use_bias=False)(layers.ReLU()(x)))
    x = layers.Dense(10)(layers.Flatten()(layers.ReLU()(x)))
    return keras.Model(inputs, x), sparse(), small_data.digits()


def waves():
    x = [keras.Input((32, 1)), layers.LSTM(32), layers.Dense(4)]
    return keras.Sequential(x), sparse(), small_data.wave_classes()


def letters():
    train, test = small_data.sentences()
    count = int(train[0].max()) + 1
    x = [keras.Input((small_data.WORDS,), dtype="int32"), layers.Embedding(count, 16)]
    x += [layers.GRU(48, return_sequences=True), layers.Dense(count)]
    return keras.Sequential(x), sparse(), (train, test)


def cloud():
    inputs = keras.Input((32, 3))
    x = layers.Dense(64, "relu")(layers.Dense(32, "relu")(inputs))
    x = layers.Dense(4)(layers.Dense(32, "relu")(layers.GlobalMaxPooling1D()(x)))
    return keras.Model(inputs, x), sparse(), small_data.points()


def pendulum():
    ((state, torque), y), ((test_state, test_torque), test_y) = small_data.swings()
    train = np.concatenate([state, torque], 1), y
    return (
        stack(4, 64, "silu", 3, 1),
        "mse",
        (train, (np.concatenate([test_state, test_torque], 1), test_y)),
    )


def autoencoder():
    (x, _), (test, _) = small_data.digits()
    x, test = x.reshape(-1, 64), test.reshape(-1, 64)
    widths = (48, 12, 48)
    hidden = [layers.Dense(width, "relu") for width in widths]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(64, "sigmoid")])
    return model, "mse", ((x, x), (test, test))


def noisy():
    x, y = datasets.make_classification(4000, 40, n_informative=8, flip_y=0.2, random_state=0)
    return stack(40, 64, "relu", 2, 1), binary(), small_data.split(standard(x), y)


def spirals():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    turn = 9.0 * np.sqrt(rng.uniform(size=3000))
    x = np.stack([np.cos(turn + np.pi * y), np.sin(turn + np.pi * y)], 1) * turn[:, None] / 5
    return (
        stack(2, 64, "tanh", 3, 1),
        binary(),
        small_data.split(x + rng.normal(size=x.shape) / 30, y),
    )


SEEN_TASKS = {  # the rule was changed after looking at these
    task.__name__: task
    for task in (
        wine, cancer, diabetes, friedman, swiss_roll, rare, embeddings, forecast, residual, vit,
    )
}  # fmt: skip
FRESH_TASKS = {
    task.__name__: task
    for task in (cnn, waves, letters, cloud, pendulum, autoencoder, noisy, spirals)
}
TASKS = SEEN_TASKS | FRESH_TASKS


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
    copies = Copies(task_of(model))
    left, losses, tests = [copies.start(start, rate) for rate in rates], [], []
    whole = (*test, None)
    for first in range(0, STEPS, CHECKPOINT):
        left, found = copies.advance(left, batches.items[first : first + CHECKPOINT])
        losses.append(found)
        still = [copies.start(copy.weights, 0.0) for copy in left]  # a step that moves nothing
        tests.append(copies.advance(still, [whole])[1][:, 0])
    tests = np.stack(tests, 1)
    tests[~np.isfinite(tests)] = np.inf
    record = {"rates": rates, "losses": np.concatenate(losses, 1), "tests": tests}
    return record | {"range": range_test(model, batches)}


def at(record, rate):
    """Place of the nearest rate of the grid; that of the slowest where there is none."""
    if not np.isfinite(rate):
        return FINE - 1
    return int(np.abs(np.log(record["rates"][:FINE] / rate)).argmin())


def training_loss(record):
    """Mean loss of the last 40 steps, for each rate."""
    found = record["losses"][:, -40:].mean(1)
    return np.where(np.isfinite(found), found, np.inf)


RULES = {
    "advised": lambda r: at(r, advised(r, 1)),
    "advised, rates between": lambda r: at(r, advised(r, 0)),
    "Keras' default": lambda r: FINE,
    "range test": lambda r: at(r, r["range"]),
    "a tenth of the range test": lambda r: at(r, r["range"] / 10),
    "lowest final test loss with another seed": lambda r: r["other"]["tests"][:FINE, -1].argmin(),
    "lowest training loss in full": lambda r: training_loss(r)[:FINE].argmin(),
}
LOSSES = {
    "training": training_loss,
    "test, at the end": lambda r: r["tests"][:, -1],
    "test, best checkpoint": lambda r: r["tests"].min(1),
}


def table(records):
    """For each loss and each rule, the share of trainings that come close to the best rate."""
    for (task, seed), record in records.items():
        others = [r for (other, number), r in records.items() if other == task and number != seed]
        record["other"] = others[0] if others else None
    print(f"{len(records)} trainings; within 5 % of the loss, and of its whole fall")
    print(f"{'':42s}" + "".join(f"{name:>24s}" for name in LOSSES))
    for name, rule in RULES.items():
        shown = ""
        for loss_of in LOSSES.values():
            close, near = [], []
            for record in records.values():
                if "another seed" in name and record["other"] is None:
                    continue
                losses, first = loss_of(record), float(record["losses"][0, 0])
                best, own = losses[:FINE].min(), losses[rule(record)]
                close.append(own <= CLOSE * best + 1e-9)
                near.append(own - best <= (CLOSE - 1) * (first - best))
            shares = f"{np.mean(close):17.0%} {np.mean(near):6.0%}" if close else f"{'-':>24s}"
            shown += shares
        print(f"{name:42s}{shown}")


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
    for group in (SEEN_TASKS, FRESH_TASKS):
        paths = [p for p in sorted(arguments.out.iterdir()) if p.name.partition("-")[0] in group]
        print(", ".join(group))
        table({(path.stem, path.suffix): pickle.loads(path.read_bytes()) for path in paths})


if __name__ == "__main__":
    main()
