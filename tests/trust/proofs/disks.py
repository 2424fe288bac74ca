"""A full disk costs no finished training, and no training at all where we only watch."""

import contextlib
import random
import resource
import warnings

import keras
import numpy as np

from kerasinit.callbacks import GradientStats, GradientWarning
from proofs.small import SEVERAL, shell, told, trainings, whole_lines, write_spec


@contextlib.contextmanager
def full_after(size):
    """No file of this process may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_disks(count, where):
    """Half of the cases stop a comparison, which then goes on; the others a recorded training."""
    rng = random.Random(0)
    spec = write_spec(where / "spec.toml", SEVERAL)
    code, _, err = shell("compare", spec, "--out", where / "whole", "--quiet")
    assert code == 0, err
    lines = whole_lines(where / "whole" / "records.jsonl")
    expected, size = trainings(lines), sum(map(len, lines))
    plain = watched(where / "rows.jsonl")
    for number in range(count // 2):
        limit, out = rng.randrange(size), where / f"run{number}"
        with full_after(limit):
            stopped = shell("compare", spec, "--out", out, "--quiet")
        wrong = told(*stopped, str(out), "could not be written")
        code, _, err = shell("compare", spec, "--out", out, "--quiet")
        found = trainings(whole_lines(out / "records.jsonl"))
        if not wrong and (code != 0 or found != expected):
            wrong = f"the run does not go on: {err[:200]}"
        yield wrong and f"{limit} bytes: {wrong}"
    for number in range(count - count // 2):
        limit = rng.randrange(20_000)
        with full_after(limit):
            found = watched(where / f"rows{number}.{rng.choice(['jsonl', 'csv'])}")
        yield "" if found == plain else f"{limit} bytes: the training is another one"


def watched(path):
    """The weights that a recorded training ends with, as bytes."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientWarning)  # it says that the file is not written
        model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[GradientStats(path=path)])
    return [weight.tobytes() for weight in model.get_weights()]
