"""What is saved here opens here; `.ci/run` opens it under the other versions of Keras."""

import runpy
import subprocess
import sys
from pathlib import Path

import keras
import pytest

SCRIPT = Path(__file__).parent / "saved_models.py"


def run(*words):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "here"
    done = run("save", directory)
    assert done.returncode == 0, done.stderr[-3000:]
    return directory


def test_every_model_opens_with_its_weights_and_predictions(saved):
    done = run("open", saved)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"opens what Keras {keras.version()} saved: files\n" in done.stdout


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [("own", "own.keras of Keras"), ("ours", "ours.keras of Keras"), ("twin", "its own models")],
)
def test_a_file_that_does_not_open_is_noticed(saved, spoiled, message):
    path = saved / f"{spoiled}.keras"
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(RuntimeError, match=message):
        runpy.run_path(str(SCRIPT))["check"](saved)
    path.write_bytes(whole)
