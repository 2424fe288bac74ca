"""A damaged file is read, or refused in one message that names it; nothing loads for ever."""

import random
import warnings

import keras
import numpy as np

from kerasinit.callbacks import GradientStats
from proofs.forks import Forks
from proofs.small import finished_run, shell, told

LONGEST = 20  # seconds for a model of a few kilobytes


def damaged(whole, rng):
    """The bytes with one to three places changed, cut out, copied, or with the end cut off."""
    data = bytearray(whole)
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice([1, 1, 2, 8, 100]))
        strange = bytes(rng.choice(b'\x00\xff\n"{}[],:-.0123456789eE\x1b') for _ in data[start:end])
        data[start:end] = rng.choice(
            [strange, rng.randbytes(end - start), b"", data[start:end] * 2]
        )
        if rng.random() < 0.1:
            del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


def damage(count, where):
    """Spreads the cases over the records and the spec of a run, recorded steps, and arrays."""
    rng = random.Random(0)
    run = finished_run(where)
    steps, arrays, none = where / "steps.jsonl", where / "arrays.npz", where / "none.keras"
    np.savez_compressed(arrays, x=np.ones((20, 2)), y=np.arange(20))
    record_steps(steps)
    commands = {
        run / "records.jsonl": ("report", run, "--format", "csv", "--quiet"),
        run / "spec.json": ("report", run, "--format", "csv", "--quiet"),
        steps: ("report", steps, "--quiet"),
        arrays: ("diagnose", none, "--data", arrays),  # the model is missing: arrays come first
    }
    for number in range(count):
        path = list(commands)[number % len(commands)]
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, rng))
        try:
            wrong = told(*shell(*commands[path]), str(path), str(run), str(none))
        except Exception as error:  # noqa: BLE001 - of this there shall be none
            wrong = f"{type(error).__name__}: {error}"
        finally:
            path.write_bytes(whole)
        yield wrong and f"{path.name}, case {number}: {wrong}"


def record_steps(path):
    model = small_model()
    x = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
    model.fit(x, np.arange(12) % 2, batch_size=4, verbose=0, callbacks=[GradientStats(path=path)])


def small_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    return model


def damaged_models(count, where):
    """Models, in processes of their own: what compiled code does there cannot be caught here."""
    rng, batch = random.Random(0), where / "batch.npz"
    np.savez(batch, x=np.random.default_rng(0).normal(size=(20, 2)), y=np.arange(20) % 2)
    wholes = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file format .h5 is an old one
        for suffix in (".keras", ".h5"):
            small_model().save(where / f"model{suffix}")
            wholes[suffix] = (where / f"model{suffix}").read_bytes()
    with Forks(where / "log") as forks:
        for number in range(count):
            suffix = (".keras", ".h5")[number % 2]
            path = where / f"damaged{suffix}"
            path.write_bytes(damaged(wholes[suffix], rng))
            code, text = forks.run("diagnose", path, "--data", batch, after=LONGEST)
            good = code in (0, 1) and "Traceback" not in text and text.strip()
            yield "" if good else f"{suffix}, case {number}: exit code {code}: {text[-300:]}"
