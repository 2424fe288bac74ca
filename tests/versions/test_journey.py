"""What a user does first, through public names and with the arguments of the README."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


def attention_block():
    inputs = keras.Input((6, 8))
    x = layers.LayerNormalization()(inputs)
    x = layers.Add()([inputs, layers.MultiHeadAttention(2, 4)(x, x)])
    x = layers.Dense(8, "gelu")(layers.LSTM(8)(x))
    return keras.Model(inputs, layers.Dense(1)(x))


def deep_stack():
    hidden = [layers.Dense(16, "relu", kernel_initializer="kerasinit>HeNormal") for _ in range(8)]
    return keras.Sequential([keras.Input((6, 8)), layers.Flatten(), *hidden, layers.Dense(1)])


def convolutions():
    return keras.Sequential(
        [
            keras.Input((6, 8)),
            layers.Conv1D(8, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.SeparableConv1D(8, 3),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )


@pytest.fixture(params=[attention_block, deep_stack, convolutions])
def model(request):
    model = request.param()
    model.compile("adam", "mse")
    return model


@pytest.fixture
def data():
    x = np.random.default_rng(0).normal(size=(40, 6, 8)).astype("float32")
    return x, x.mean(axis=(1, 2))[:, None]


def test_a_model_is_initialized_diagnosed_trained_and_reloaded(model, data, tmp_path):
    plan = kerasinit.initialize(model)
    assert {row.path for row in plan} >= {variable.path for variable in model.weights}
    assert plan.changed
    assert len(kerasinit.diagnose(model, *data).layers) > 2
    stats = kerasinit.callbacks.GradientStats(path=tmp_path / "rows.jsonl")
    logs = model.fit(*data, batch_size=16, epochs=2, verbose=0, callbacks=[stats]).history
    assert np.isfinite(logs["grad_norm"]).all()
    rows = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len([row for row in map(json.loads, rows) if "variables" in row]) == 6
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.predict(data[0], verbose=0), model.predict(data[0], verbose=0), rtol=1e-5, atol=1e-6
    )
    kerasinit.reset(again, seed=1)
