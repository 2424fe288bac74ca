"""A shell session, word for word: from a question to a page, and from a sick model to its cause."""

import json

import keras
import numpy as np

import kerasinit
from kerasinit.cli import main

SPEC = """\
initializers = ["glorot_uniform", "zeros", "initialize"]
activations = ["tanh"]
depths = [2]
widths = [8]
data = ["xor"]
epochs = 2
seeds = 2
learning_rates = [0.05]
"""


def test_a_comparison_is_run_resumed_and_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.toml").write_text(SPEC)
    assert main(["compare", "spec.toml", "--out", "runs/mine"]) == 0
    first = capsys.readouterr()
    assert "3 initializers trained the mlp on xor" in first.out
    assert (tmp_path / "runs" / "mine" / "report.html").exists()
    records = (tmp_path / "runs" / "mine" / "records.jsonl").read_bytes()
    assert main(["compare", "spec.toml", "--out", "runs/mine", "--baseline", "zeros"]) == 0
    assert "6 are kept from before" in capsys.readouterr().err
    assert (tmp_path / "runs" / "mine" / "records.jsonl").read_bytes() == records
    assert main(["report", "runs/mine", "--format", "json", "--quiet"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[-1]["initializer"] == "zeros"
    assert {row["initializer"] for row in rows} == {"glorot_uniform", "zeros", "initialize"}


def test_a_sick_model_is_diagnosed_from_its_file_and_cured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hidden = [keras.layers.Dense(16, "sigmoid") for _ in range(12)]
    model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 8)).astype("float32")
    np.savez("batch.npz", x=x, y=rng.integers(0, 3, 64))
    model.save("model.keras")
    assert main(["diagnose", "model.keras", "--data", "batch.npz"]) == 1
    assert "Root cause: vanishing" in capsys.readouterr().out
    kerasinit.initialize(model)
    model.save("model.keras")
    assert main(["diagnose", "model.keras", "--data", "batch.npz"]) == 0
    assert "Healthy" in capsys.readouterr().out
