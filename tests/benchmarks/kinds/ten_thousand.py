"""Plain stacks of 10,000 layers on digits, an epoch at a time.

    KERAS_BACKEND=torch python tests/benchmarks/kinds/ten_thousand.py relu --out runs/deep

Width 64, SGD with momentum 0.9, batches of 68 (21 steps an epoch). After each epoch weights and
momenta are kept in the folder; the same command goes on from there, `--epochs` at a time. One epoch
takes 2 to 5 minutes of three cores and 2 GB.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
from data import VALIDATION, digits
from keras import layers

import kerasinit

RATES = {"relu": 3e-5, "gelu": 3e-5, "tanh": 1e-4, "sigmoid": 1e-4}
WIDTH, BATCH = 64, 68


def kept_in(path, model):
    """Number of epochs done; weights and momenta come back from the file, if there is one."""
    if not path.exists():
        return 0
    with np.load(path) as file:
        flat, epochs = file["values"], int(file["epochs"])
    first = 0
    for variable in (*model.variables, *model.optimizer.variables):
        size = int(np.prod(variable.shape))
        variable.assign(flat[first : first + size].reshape(variable.shape).astype(variable.dtype))
        first += size
    return epochs


def keep(path, model, epochs):
    """Writes a new file, then puts it in the place of the old one."""
    values = [
        np.ravel(keras.ops.convert_to_numpy(variable)).astype("float32")
        for variable in (*model.variables, *model.optimizer.variables)
    ]
    new = path.with_suffix(".new.npz")
    np.savez(new, values=np.concatenate(values), epochs=epochs)
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
    path = options.out / f"{options.activation}-{options.depth}-{options.seed}.npz"
    hidden = [layers.Dense(WIDTH, options.activation) for _ in range(options.depth)]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = options.rate or RATES[options.activation]
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"], jit_compile=False
    )
    model.optimizer.build(model.trainable_variables)
    done = kept_in(path, model)
    if not done:
        begin = time.process_time()
        kerasinit.initialize(model, seed=options.seed)
        print(f"initialize: {time.process_time() - begin:.0f} s of processor time", flush=True)
    x, y = digits()
    for epoch in range(done, done + options.epochs):
        keras.utils.set_random_seed(epoch)
        begin = time.process_time()
        model.fit(x[VALIDATION:], y[VALIDATION:], batch_size=BATCH, verbose=0)
        found = model.evaluate(x[:VALIDATION], y[:VALIDATION], verbose=0)
        keep(path, model, epoch + 1)
        print(
            f"{options.activation}, {options.depth} layers, epoch {epoch + 1}: validation loss "
            f"{found[0]:.4g}, accuracy {found[1]:.3f}, {time.process_time() - begin:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    sys.setrecursionlimit(1_000_000)  # Keras goes down a graph layer by layer
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
