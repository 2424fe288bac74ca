"""Plain stacks of 10,000 layers on digits, an epoch at a time.

    KERAS_BACKEND=jax python tests/benchmarks/kinds/ten_thousand.py relu --epochs 20 --out runs/deep
    ... ten_thousand.py tanh --channels 16 --depth 1000 --rate 1e-3 --epochs 20

Width 64, SGD with momentum 0.9, batches of 68 (21 steps an epoch); from epoch 10 on the rate falls
to nothing at epoch 20. The weights are those that `kerasinit.initialize` gives a Keras model of
10,000 `Dense` layers, or of so many convolutions of 3x3 pixels before a `Flatten`. They are
trained in one loop over equal layers, which compiles at once and is many times faster than 10,000
layers one by one: its outputs are checked against the model's. After each epoch weights and momenta
are kept in the folder; the same command goes on from there, `--epochs` at a time.
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


def start(activation, depth, channels, seed):
    """Weights of the first layer, of the equal ones, stacked, and of the head."""
    if channels:
        convolution = functools.partial(layers.Conv2D, channels, 3, padding="same")
        hidden = [convolution(activation=activation) for _ in range(depth)]
        hidden.append(layers.Flatten())
    else:
        hidden = [layers.Dense(WIDTH, activation) for _ in range(depth)]
    shape = (8, 8, 1) if channels else (64,)
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(10)])
    begin = time.process_time()
    kerasinit.initialize(model, seed=seed)
    print(f"initialize: {time.process_time() - begin:.0f} s of processor time", flush=True)
    first, *equal, head = (
        [np.asarray(variable) for variable in layer.weights]
        for layer in model.layers
        if layer.weights
    )
    weights = (tuple(first), tuple(map(np.stack, zip(*equal, strict=True))), tuple(head))
    x = digits()[0][:2]
    expected = x.reshape(-1, *shape)
    for layer in model.layers:
        expected = layer(expected)
    np.testing.assert_allclose(outputs(weights, x, activation), expected, rtol=1e-2, atol=1e-3)
    return weights


def outputs(weights, x, activation):
    """Logits of a batch of pictures, `(batch, 64)`."""
    first, equal, (kernel, bias) = weights
    act = keras.activations.get(activation)

    def layer(h, own):
        kernel, bias = own
        if kernel.ndim == 4:
            h, kernel = patches(h), kernel.reshape(-1, kernel.shape[-1])
        return act(h @ kernel + bias), None

    x = jnp.asarray(x)
    h, _ = layer(x.reshape(-1, 8, 8, 1) if first[0].ndim == 4 else x, first)
    h, _ = jax.lax.scan(layer, h, equal)
    return h.reshape(len(x), -1) @ kernel + bias


def patches(h):
    """What 3x3 windows of pictures see, `(batch, 8, 8, 9 * channels)`: faster than XLA's own."""
    padded = jnp.pad(h, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = [padded[:, row : row + 8, column : column + 8] for row, column in np.ndindex(3, 3)]
    return jnp.concatenate(windows, axis=-1)


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
        pairs = [(file[f"arr_{k}"], file[f"arr_{k + 1}"]) for k in range(0, 12, 2)]
        epochs = int(file["epochs"])
    return tuple(pairs[:3]), tuple(pairs[3:]), epochs


def keep(path, weights, momenta, epochs):
    """Writes a new file, then puts it in the place of the old one."""
    new = path.with_suffix(".new.npz")
    np.savez(new, *jax.tree.leaves((weights, momenta)), epochs=epochs)
    new.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("activation", choices=list(RATES))
    parser.add_argument("--depth", type=int, default=10_000)
    parser.add_argument("--channels", type=int, default=0, help="of convolutions; 0: Dense")
    parser.add_argument("--epochs", type=int, default=1, help="how many more")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/deep"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    activation, rate = options.activation, options.rate or RATES[options.activation]
    kind = f"-{options.channels}" if options.channels else ""
    path = options.out / f"{activation}{kind}-{options.depth}-{options.seed}.npz"
    kept = kept_in(path)
    if kept is None:
        weights = start(activation, options.depth, options.channels, options.seed)
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
