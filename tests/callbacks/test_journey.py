"""A training is recorded: in the logs, in a file, and as a table."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


@pytest.fixture
def model():
    inputs = keras.Input((6, 4))
    x = layers.LSTM(8, name="memory")(inputs)
    x = layers.Dropout(0.1)(layers.Dense(16, "relu", name="hidden")(x))
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def test_a_training_leaves_logs_a_file_and_a_table(model, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 6, 4)).astype("float32"), np.arange(50) % 3
    stats = kerasinit.callbacks.GradientStats(path=tmp_path / "gradients.jsonl")
    fitted = model.fit(
        x, y, batch_size=16, epochs=2, validation_data=(x, y), verbose=0, callbacks=[stats]
    )

    assert len(fitted.history["grad_norm"]) == 2
    assert np.all(np.array(fitted.history["grad_norm"]) > 0)
    lines = (tmp_path / "gradients.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if "layers" in row]
    assert len(rows) == len(stats.history) == 8  # the last batch of an epoch has two samples
    table = stats.to_dataframe("layers")
    assert set(table["name"]) == {"memory", "hidden", "head"}
    assert len(table) == 3 * 8
    for step, row in enumerate(rows):
        norms = table[table["step"] == row["step"]]["norm"]
        assert row["step"] == step
        assert np.sqrt(np.sum(norms**2)) == pytest.approx(row["grad_norm"], rel=1e-4)
        assert row["layers"]["head"]["norm"] == pytest.approx(
            stats.history[step]["layers"]["head"]["norm"], rel=1e-4
        )
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras").evaluate(x, y, verbose=0)
