"""Plain stacks of 10,000 layers on digits, an epoch at a time.

    KERAS_BACKEND=jax python tests/benchmarks/kinds/ten_thousand.py relu --epochs 20 --out runs/deep

Width 64, SGD with momentum 0.9, batches of 68 (21 steps an epoch); from epoch 10 on the rate falls
to nothing at epoch 20. The weights are those that
`kerasinit.initialize` gives a Keras model of 10,000 `Dense` layers. They are trained in one loop
over equal layers, which compiles at once and is many times faster than 10,000 layers one by one:
its outputs are checked against the model's. After each epoch weights and momenta are kept in the
folder; the same command goes on from there, `--epochs` at a time.
"""

import argparse
import functools
import sys
import threading
import time
from pathlib import Path

import jax
import keras
import numpy as np
from data import VALIDATION, digits
from jax import numpy as jnp
from keras import layers

import kerasinit

RATES = {"relu": 3e-5, "gelu": 3e-5, "tanh": 1e-4, "sigmoid": 2e-5}
WIDTH, BATCH, MOMENTUM, EPOCHS = 64, 68, 0.9, 20


def start(activation, depth, seed):
    """Weights of all hidden layers, stacked, and of the head, as `initialize` draws them."""
    hidden = [layers.Dense(WIDTH, activation) for _ in range(depth)]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])
    begin = time.process_time()
    kerasinit.initialize(model, seed=seed)
    print(f"initialize: {time.process_time() - begin:.0f} s of processor time", flush=True)
    kernels, biases = (
        np.stack([np.asarray(getattr(layer, name)) for layer in model.layers[:-1]])
        for name in ("kernel", "bias")
    )
    head = tuple(np.asarray(variable) for variable in model.layers[-1].weights)
    weights = (kernels, biases, head)
    x = digits()[0][:2]
    expected = x
    for layer in model.layers:
        expected = layer(expected)
    np.testing.assert_allclose(outputs(weights, x, activation), expected, rtol=1e-2, atol=1e-3)
    return weights


def outputs(weights, x, activation):
    """Logits of a batch."""
    kernels, biases, (kernel, bias) = weights
    act = keras.activations.get(activation)

    def layer(h, own):
        return act(h @ own[0] + own[1]), None

    h, _ = jax.lax.scan(layer, jnp.asarray(x), (kernels, biases))
    return h @ kernel + bias


def loss_of(weights, x, y, activation):
    """Mean cross-entropy of a batch."""
    logs = jax.nn.log_softmax(outputs(weights, x, activation))
    return -jnp.mean(jnp.take_along_axis(logs, y[:, None], axis=1))


@functools.partial(jax.jit, static_argnames="activation", donate_argnums=(0, 1))
def step(weights, momenta, x, y, rate, activation):
    """Weights and momenta after one step, as of `keras.optimizers.SGD`."""
    gradients = jax.grad(loss_of)(weights, x, y, activation)
    momenta = jax.tree.map(lambda m, g: MOMENTUM * m - rate * g, momenta, gradients)
    return jax.tree.map(jnp.add, weights, momenta), momenta


def kept_in(path):
    """Weights, momenta and the number of epochs done; None if there is no file."""
    if not path.exists():
        return None
    with np.load(path) as file:
        arrays = [file[f"arr_{k}"] for k in range(8)]
        epochs = int(file["epochs"])
    first, second = ((one[0], one[1], (one[2], one[3])) for one in (arrays[:4], arrays[4:]))
    return first, second, epochs


def keep(path, weights, momenta, epochs):
    """Writes a new file, then puts it in the place of the old one."""
    new = path.with_suffix(".new.npz")
    np.savez(new, *jax.tree.leaves((weights, momenta)), epochs=epochs)
    new.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("activation", choices=list(RATES))
    parser.add_argument("--depth", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=1, help="how many more")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/deep"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    activation, rate = options.activation, options.rate or RATES[options.activation]
    path = options.out / f"{activation}-{options.depth}-{options.seed}.npz"
    kept = kept_in(path)
    if kept is None:
        weights = start(activation, options.depth, options.seed)
        kept = weights, jax.tree.map(np.zeros_like, weights), 0
    weights, momenta, done = kept
    x, y = digits()
    x_train, y_train, x, y = x[VALIDATION:], y[VALIDATION:], x[:VALIDATION], y[:VALIDATION]
    for epoch in range(done, done + options.epochs):
        begin = time.process_time()
        now = rate * min(1.0, 2 * (1 - epoch / EPOCHS))
        order = np.random.default_rng(epoch).permutation(len(x_train))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            weights, momenta = step(
                weights, momenta, x_train[batch], y_train[batch], now, activation
            )
        found = outputs(weights, x, activation)
        keep(path, weights, momenta, epoch + 1)
        accuracy = np.mean(np.argmax(np.asarray(found), -1) == y)
        loss = float(loss_of(weights, x, y, activation))
        print(
            f"{activation}, {options.depth} layers, rate {now:g}, epoch {epoch + 1}: validation "
            f"loss {loss:.4g}, accuracy {accuracy:.3f}, {time.process_time() - begin:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    sys.setrecursionlimit(1_000_000)  # Keras goes down a graph layer by layer
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
