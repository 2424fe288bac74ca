"""Models saved while the callback is attached are like any other."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

READ = """
import sys, warnings
warnings.simplefilter("error", UserWarning)
import keras
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    state = model.optimizer.variables
    total = sum(abs(keras.ops.convert_to_numpy(v)).sum() for v in state[2:])
    print(len(state), int(model.optimizer.iterations), float(total))
assert "kerasinit" not in sys.modules
"""
ORDERS = ["before", "after"]


@pytest.fixture(scope="module")
def checkpoints(make_model, train, tmp_path_factory):
    """The optimizer's state, and what a process without kerasinit reads, by our place in the list.

    One process reads both files.
    """
    folder, states = tmp_path_factory.mktemp("checkpoints"), []
    paths = [folder / f"{order}.keras" for order in ORDERS]
    for order, path in zip(ORDERS, paths, strict=True):
        both = [GradientStats(), keras.callbacks.ModelCheckpoint(path, save_freq=1)]
        model = make_model()
        train(model, *(both if order == "before" else both[::-1]))
        states.append([keras.ops.convert_to_numpy(v) for v in model.optimizer.variables])
    run = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert run.returncode == 0, run.stderr
    return dict(zip(ORDERS, zip(states, run.stdout.splitlines(), strict=True), strict=True))


@pytest.mark.parametrize("order", ORDERS)
def test_a_checkpoint_of_every_step_loads_without_kerasinit(checkpoints, order):
    state, read = checkpoints[order]
    count, iterations, total = read.split()
    assert (int(count), int(iterations)) == (len(state), 3)
    expected = sum(np.abs(values).sum() for values in state[2:])
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_a_backup_restores_the_training(make_model, train, tmp_path):
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("power cut")

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    whole = make_model()
    train(whole, epochs=4)

    with pytest.raises(RuntimeError, match="power cut"):
        train(make_model(), GradientStats(), backup(), Crash(), epochs=4)
    model, stats = make_model(seed=9), GradientStats()
    train(model, stats, backup(), epochs=4)
    for left, right in zip(whole.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
    assert [row["step"] for row in stats.history] == [6, 7, 8, 9, 10, 11]
    assert [row["epoch"] for row in stats.history] == [2, 2, 2, 3, 3, 3]


def test_callbacks_further_down_see_the_gradient_norm_of_each_step(make_model, train):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["grad_norm"])

    stats = GradientStats()
    train(make_model(), Look(), stats)
    assert seen == pytest.approx([row["grad_norm"] for row in stats.history], rel=1e-5)


def test_the_csv_logger_writes_the_gradient_norm(make_model, train, tmp_path):
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    train(make_model(), GradientStats(), logger, epochs=2)
    header, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert "grad_norm" in header.split(",")
    assert len(lines) == 2
