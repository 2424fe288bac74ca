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


def test_print_shows_the_first_and_the_last_gradient_of_each_layer_and_where_more_is(stats):
    lines = str(stats).splitlines()
    assert lines[0] == "GradientStats: 3 recorded steps"
    (last,) = [line.split() for line in lines if line.startswith("last")]
    norms = [stats.history[step]["layers"]["last"]["norm"] for step in (0, 2)]
    assert last == ["last", *(f"{norm:.2e}" for norm in norms)]
    assert "Found: nothing wrong." in lines
    assert "stats.history[-1]" in str(stats)


def test_print_shows_what_was_found_and_its_fix():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="only")])
    model.compile(keras.optimizers.SGD(1e12), "mse", jit_compile=COMPILED)
    stats = GradientStats(on_verdict=lambda verdict: None)
    assert "nothing recorded yet" in str(stats)
    model.fit(np.ones((8, 4)), np.ones((8, 2)), batch_size=1, verbose=0, callbacks=[stats])
    text = " ".join(str(stats).split())
    first = stats.verdicts[0]
    assert f"{first.cause.replace('_', ' ')} at {first.where}, because " in text
    assert f"To fix: {' '.join(first.fix.split())}" in text
    assert "not finite" in text


def test_print_shows_the_ends_of_a_deep_model_and_how_to_see_the_rest():
    hidden = [keras.layers.Dense(2, name=f"hidden_{i}") for i in range(9)]
    model = keras.Sequential([keras.Input((4,)), *hidden])
    model.compile("sgd", "mse", jit_compile=COMPILED)
    stats = GradientStats()
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0, callbacks=[stats])
    lines = str(stats).splitlines()
    assert "... 3 more: stats.plot()" in lines
    assert len(lines) <= 15


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
