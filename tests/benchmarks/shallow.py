"""Shallow ReLU nets at Keras' rates: is `initialize(model)` as quick as the model's own start?

    KERAS_BACKEND=torch python tests/benchmarks/shallow.py [--seeds 5]

Digits and tumours, 10 epochs in batches of 32, weights by `glorot_uniform`; medians over the seeds.
"""

import argparse

import keras
import numpy as np
import small_data
from keras import layers

import kerasinit

NETS = {
    "digits, 128-64-32": (small_data.digits, (128, 64, 32), 10),
    "digits, 64-64": (small_data.digits, (64, 64), 10),
    "tumours, 64-32": (small_data.table, (64, 32), 2),
}
OPTIMIZERS = {
    "SGD 0.01": lambda: keras.optimizers.SGD(0.01),
    "momentum 0.01": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "Adam 0.001": lambda: keras.optimizers.Adam(1e-3),
}


def trained(data, hidden, classes, optimizer, seed, ours):
    """Training and test loss at the end."""
    (x, y), (x_test, y_test) = (
        (np.reshape(inputs, (len(inputs), -1)), targets.astype("int32"))
        for inputs, targets in data()
    )
    keras.utils.set_random_seed(seed)
    stack = [layers.Dense(units, "relu") for units in hidden]
    model = keras.Sequential([keras.Input(x.shape[1:]), *stack, layers.Dense(classes, "softmax")])
    if ours:
        kerasinit.initialize(model, seed=seed)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    losses = model.fit(x, y, batch_size=32, epochs=10, verbose=0).history["loss"]
    return losses[-1], model.evaluate(x_test, y_test, verbose=0)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    print("| net | optimizer | own start: training, test loss | initialize |\n|---|---|---|---|")
    for net, task in NETS.items():
        for name, optimizer in OPTIMIZERS.items():
            pairs = [
                np.median([trained(*task, optimizer(), n, ours) for n in range(seeds)], axis=0)
                for ours in (False, True)
            ]
            cells = " | ".join("{:.3g}, {:.3g}".format(*pair) for pair in pairs)
            print(f"| {net} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
