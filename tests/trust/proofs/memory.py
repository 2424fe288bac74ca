"""A long training takes no more memory for being watched."""

import resource
import warnings
from pathlib import Path

import keras
import numpy as np

from kerasinit.callbacks import GradientStats

MOST_GROWTH = 8 * 2**20  # bytes, from a fifth of the training to its end
SHARES = 5


class Resident(keras.callbacks.Callback):
    """Notes the resident memory at each fifth of `steps`."""

    def __init__(self, steps):
        super().__init__()
        self.every, self.found, self.step = steps // SHARES, [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % self.every == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.found.append(pages * resource.getpagesize())


def memory(count, where):
    """`count` steps, each recorded into a file; one case per fifth after the first."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(min(count, 1000), 4)).astype("float32")
    resident = Resident(count)
    stats = GradientStats(activations_every=10, history_size=100, path=where / "rows.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of verdicts
        model.fit(x, x[:, :1], batch_size=1, epochs=-(-count // len(x)), verbose=0,
                  callbacks=[stats, resident])  # fmt: skip
    warm, *later = resident.found
    for place, found in enumerate(later, start=2):
        grown = (found - warm) / 2**20
        wrong = found - warm > MOST_GROWTH
        yield f"{grown:.1f} MiB more after {place} fifths of {count:,} steps" if wrong else ""
