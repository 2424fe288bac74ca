"""Does the signal reach both ends of 50 plain layers, with `initialize(model)` and with Keras?

    python tests/benchmarks/depth_signal.py [--seeds 20] [--width 256] [--depth 50] [--conv]

Prints, for each activation and start: the logarithm of the pre-activation gradient's mean square
in the first layer over the last hidden one (smallest and largest over the seeds; 0 is ideal,
within +-1 is asked for), and the variance over inputs as a share of the mean square of the last
hidden pre-activation (smallest over the seeds; at least 0.25 is asked for).
"""

import argparse

import keras
import numpy as np
from keras import layers

import kerasinit

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "selu", "tanh")
STARTS = (None, "glorot_uniform", "he_normal")
CLASSES = 10
SAMPLES = 64
CHANNELS = 32
IMAGE = (12, 12, 3)


def dense_net(activation, depth, width):
    hidden = [layers.Dense(width, activation=activation) for _ in range(depth)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(CLASSES)])


def convolutional_net(activation, depth):
    hidden = [
        layers.Conv2D(CHANNELS, 3, padding="same", activation=activation) for _ in range(depth)
    ]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)]
    return keras.Sequential([keras.Input(IMAGE), *hidden, *head])


def measured(model, rules, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(SAMPLES, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, CLASSES, SAMPLES)
    kerasinit.initialize(model, rules, seed=seed)
    rows = kerasinit.signals.measure(model, x, y).layers
    first, last = rows[0], rows[-2]
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = 2 * (np.log(first.gradient_norm) - np.log(last.gradient_norm))
        return growth, last.preactivation_variance / np.float64(last.preactivation_mean_square)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--conv", action="store_true")
    parser.add_argument("--activations", nargs="*", default=ACTIVATIONS)
    options = parser.parse_args()
    for activation in options.activations:
        if options.conv:
            model = convolutional_net(activation, options.depth)
        else:
            model = dense_net(activation, options.depth, options.width)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        for rules in STARTS:
            found = [measured(model, rules, seed) for seed in range(options.seeds)]
            growth, apart = np.array(found).T
            print(
                f"{activation:8s} {rules or 'initialize(model)':18s}"
                f" ln gradient {growth.min():8.2f} .. {growth.max():8.2f}"
                f"   variance over inputs {apart.min():.3g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
