"""Shallow nets at Keras' rates: is `initialize(model)` as quick as the model's own start?

    KERAS_BACKEND=torch python tests/benchmarks/shallow.py [--seeds 5]

Digits, tumours, and made-up points: two arms of a spiral, the first problem of Friedman (1991);
10 epochs in batches of 32, weights by `glorot_uniform`; medians over the seeds.
"""

import argparse

import keras
import numpy as np
import small_data
from keras import layers
from sklearn.datasets import make_friedman1

import kerasinit


def spiral():
    """Two arms of one and a half turns."""
    rng = np.random.default_rng(0)
    arm, angle = rng.integers(0, 2, 2000), 9 * np.sqrt(rng.random(2000))
    turned = angle + arm * np.pi
    points = np.stack([angle * np.cos(turned), angle * np.sin(turned)], 1)
    points = (points + 0.3 * rng.normal(size=points.shape)).astype("float32") / 4
    return (points[:1500], arm[:1500]), (points[1500:], arm[1500:])


def friedman():
    """Ten numbers, five of which make the target, of unit variance."""
    x, y = make_friedman1(2000, noise=1.0, random_state=0)
    x, y = ((values - values.mean(0)) / values.std(0) for values in (x, y))
    return (x[:1500], y[:1500]), (x[1500:], y[1500:])


# data, hidden units, their activation, classes (0: a regression)
NETS = {
    "digits, 128-64-32": (small_data.digits, (128, 64, 32), "relu", 10),
    "digits, 64-64": (small_data.digits, (64, 64), "relu", 10),
    "tumours, 64-32": (small_data.table, (64, 32), "relu", 2),
    "spiral, 128-64-32": (spiral, (128, 64, 32), "relu", 2),
    "friedman, 64-64": (friedman, (64, 64), "relu", 0),
    "spiral, 64-64, gelu": (spiral, (64, 64), "gelu", 2),
    "friedman, 64-64, gelu": (friedman, (64, 64), "gelu", 0),
}
OPTIMIZERS = {
    "SGD 0.01": lambda: keras.optimizers.SGD(0.01),
    "momentum 0.01": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "Adam 0.001": lambda: keras.optimizers.Adam(1e-3),
}


def trained(data, hidden, activation, classes, optimizer, seed, ours):
    """Training and test loss at the end."""
    (x, y), (x_test, y_test) = (
        (np.reshape(inputs, (len(inputs), -1)), targets.astype("int32" if classes else "float32"))
        for inputs, targets in data()
    )
    keras.utils.set_random_seed(seed)
    stack = [layers.Dense(units, activation) for units in hidden]
    head = layers.Dense(classes, "softmax") if classes else layers.Dense(1)
    model = keras.Sequential([keras.Input(x.shape[1:]), *stack, head])
    if ours:
        kerasinit.initialize(model, seed=seed)
    model.compile(optimizer, "sparse_categorical_crossentropy" if classes else "mse")
    losses = model.fit(x, y, batch_size=32, epochs=10, verbose=0).history["loss"]
    return losses[-1], model.evaluate(x_test, y_test, verbose=0)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(NETS), choices=list(NETS))
    options = parser.parse_args()
    seeds = options.seeds
    print("| net | optimizer | own start: training, test loss | initialize |\n|---|---|---|---|")
    for net in options.only:
        task = NETS[net]
        for name, optimizer in OPTIMIZERS.items():
            pairs = [
                np.median([trained(*task, optimizer(), n, ours) for n in range(seeds)], axis=0)
                for ours in (False, True)
            ]
            cells = " | ".join("{:.3g}, {:.3g}".format(*pair) for pair in pairs)
            print(f"| {net} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
