"""Small stacks on smooth and on winding targets: `initialize` against Keras' own start.

    KERAS_BACKEND=jax python tests/benchmarks/smooth.py [--activations gelu] [--depths 2 6]

Hidden layers of 64 units, 800 steps in batches of 64, five seeds trained side by side, the lowest
test loss on the way (looked at every 50 steps); Adam at 1e-3 and 3e-3, SGD with momentum 0.9 at
1e-2. Printed is the median of Keras' start, then that of `initialize` as a share of it, and in how
many of the seeds it is lower. Smooth are `friedman`, `tanh`, `product`; `waves` winds in a plane.
"""

import argparse

import jax
import keras
import numpy as np
from jax import numpy as jnp
from keras import layers
from sklearn import datasets

import kerasinit

SEEDS, STEPS, LOOKED, BATCH, WIDTH, SAMPLES = 5, 800, 50, 64, 64, 1200
RULES = {"Adam 1e-3": (True, 1e-3), "Adam 3e-3": (True, 3e-3), "momentum 1e-2": (False, 1e-2)}


def standard(values):
    """Columns of mean 0 and variance 1, `(samples, columns)`."""
    values = np.asarray(values, "float32").reshape(len(values), -1)
    return (values - values.mean(0)) / (values.std(0) + 1e-6)


def tasks():
    """Name -> inputs and targets; classes as rows of a unit matrix."""
    rng = np.random.default_rng(0)
    x, y = datasets.make_friedman1(SAMPLES, noise=0.3, random_state=0)
    yield "friedman", standard(x), standard(y)
    x, weights = rng.normal(size=(SAMPLES, 20)), rng.normal(size=(20, 10))
    yield "tanh", x, standard(np.tanh(x @ weights / 4) + 0.1 * rng.normal(size=(SAMPLES, 10)))
    x = rng.normal(size=(SAMPLES, 8))
    noise = 0.1 * rng.normal(size=SAMPLES)
    yield "product", x, standard(x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + noise)
    x = rng.uniform(-2, 2, (SAMPLES, 2))
    yield "waves", standard(x), standard(np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1]))
    x, y = datasets.load_digits(return_X_y=True)
    yield "digits", standard(x), np.eye(10)[y]
    x, y = datasets.make_classification(
        SAMPLES, 20, n_informative=8, n_classes=4, n_clusters_per_class=2, random_state=0
    )
    yield "classes", standard(x), np.eye(4)[y]


def start(activation, depth, inputs, outputs, seed, ours):
    """Kernels and biases in turn."""
    keras.utils.set_random_seed(seed)
    hidden = [layers.Dense(WIDTH, activation) for _ in range(depth)]
    model = keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])
    if ours:
        kerasinit.initialize(model, seed=seed)
    return [np.asarray(variable) for variable in model.trainable_variables]


def losses(name, x, y, activation, depth):
    """Lowest test losses, `(optimizers, starts, seeds)`."""
    starts = [
        [start(activation, depth, x.shape[1], y.shape[1], seed, ours) for seed in range(SEEDS)]
        for ours in (False, True)
    ]
    weights = [
        np.stack([[one[k] for one in each] for each in starts]) for k in range(2 * depth + 2)
    ]
    order = np.random.default_rng(1).permutation(len(x))
    x, y = jnp.asarray(x[order], "float32"), jnp.asarray(y[order], "float32")
    count = len(x) * 3 // 4
    act = keras.activations.get(activation)

    def loss(weights, x, y):
        for k in range(0, 2 * depth, 2):
            x = act(x @ weights[k] + weights[k + 1])
        x = x @ weights[-2] + weights[-1]
        if name in ("digits", "classes"):
            return -jnp.mean(jnp.sum(jax.nn.log_softmax(x) * y, axis=-1))
        return jnp.mean(jnp.square(x - y))

    def trained(weights, key, is_adam, rate):
        def step(state, number):
            weights, mean, square, lowest = state
            chosen = jax.random.randint(jax.random.fold_in(key, number), (BATCH,), 0, count)
            gradient = jax.grad(loss)(weights, x[chosen], y[chosen])
            share, time = jnp.where(is_adam, 0.1, 1.0), number + 1.0
            mean = jax.tree.map(lambda m, g: 0.9 * m + share * g, mean, gradient)
            square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradient)

            def moved(w, m, v):
                root = jnp.sqrt(v / (1 - 0.999**time)) + 1e-7
                return w - rate * jnp.where(is_adam, m / (1 - 0.9**time) / root, m)

            weights = jax.tree.map(moved, weights, mean, square)
            lowest = jax.lax.cond(
                number % LOOKED == LOOKED - 1,
                lambda: jnp.minimum(lowest, loss(weights, x[count:], y[count:])),
                lambda: lowest,
            )
            return (weights, mean, square, lowest), None

        still = jax.tree.map(jnp.zeros_like, weights)
        first = weights, still, still, jnp.inf
        return jax.lax.scan(step, first, jnp.arange(STEPS))[0][3]

    over_seeds = jax.vmap(trained, (0, 0, None, None))
    over_starts = jax.vmap(over_seeds, (0, None, None, None))
    run = jax.jit(jax.vmap(over_starts, (None, None, 0, 0)))
    is_adam, rates = zip(*RULES.values(), strict=True)
    keys = jax.random.split(jax.random.key(0), SEEDS)
    return np.asarray(run(weights, keys, jnp.array(is_adam), jnp.array(rates)))


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--activations", nargs="*", default=["relu", "tanh", "gelu", "elu"])
    parser.add_argument("--depths", nargs="*", type=int, default=[2, 6])
    options = parser.parse_args()
    print(f"| target | activation | layers | {' | '.join(RULES)} |\n{'|---' * (3 + len(RULES))}|")
    for activation in options.activations:
        for depth in options.depths:
            for name, x, y in tasks():
                found = losses(name, x, y, activation, depth)
                cells = [
                    f"{np.median(own):.3g}: {np.median(ours) / np.median(own):.2f} "
                    f"({np.sum(ours < own)} of {SEEDS})"
                    for own, ours in found
                ]
                print(f"| {name} | {activation} | {depth} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
