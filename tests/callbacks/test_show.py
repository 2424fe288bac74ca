"""Recorded steps become a table and a picture."""

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats

COMPILED = keras.config.backend() == "jax"  # XLA takes long on TensorFlow


@pytest.fixture(scope="module")
def stats(make_model, train):
    found = GradientStats()
    train(make_model(), found)
    return found


@pytest.mark.parametrize(("level", "lines"), [("variables", 12), ("layers", 6)])
def test_a_table_has_a_line_for_each_step_and_part(stats, level, lines):
    table = stats.to_dataframe(level)
    assert len(table) == lines
    assert {"step", "loss", "name", "norm", "update_ratio"} <= set(table.columns)


def test_an_unknown_level_is_refused(stats):
    with pytest.raises(ValueError, match=r"`level` must be one of.*Received: level='units'"):
        stats.to_dataframe("units")


def test_the_picture_has_layers_and_steps(stats):
    (heat,) = stats.plot().data
    assert list(heat.y) == ["first", "last"]
    assert list(heat.x) == [0, 1, 2]
    assert heat.customdata[1][2] == stats.history[2]["layers"]["last"]["norm"]


def test_an_unknown_statistic_is_refused(stats):
    with pytest.raises(ValueError, match=r"`statistic` must be one of.*Received: statistic='mode'"):
        stats.plot("mode")


def test_an_empty_history_has_no_picture():
    with pytest.raises(ValueError, match="needs recorded steps"):
        GradientStats().plot()


def test_the_picture_shows_what_only_some_layers_have():
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Embedding(9, 4), keras.layers.Flatten(),
         keras.layers.Dense(3, "relu"), keras.layers.Dense(1)]
    )  # fmt: skip
    model.compile("sgd", "mse", jit_compile=COMPILED)
    stats = GradientStats(activations_every=1)
    model.fit(np.ones((8, 6), "int32"), np.ones((8, 1)), verbose=0, callbacks=[stats])
    seen = {key for part in stats.history[0]["layers"].values() for key in part}
    assert "signal_gradient_rms" in seen
    (heat,) = stats.plot("signal_gradient_rms").data
    assert any(value is not None for line in heat.z for value in line)
