"""The plan: a table to read, rows to look up, plain values to keep."""

import json
import os

import keras
import pytest

import kerasinit


@pytest.fixture
def plan():
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dropout(0.5)],
        name="small",
    )
    return kerasinit.initialize(model, "he_normal", seed=3)


def test_printing_shows_a_row_per_variable_with_its_reason(plan):
    text = str(plan)
    assert "Plan for 'small': changed 2 of 3 variables, seed=3" in text
    assert "HeNormal for every kernel" in text
    assert "(left alone)" in text


def test_a_row_is_found_by_the_end_of_its_path(plan):
    assert plan["hidden/kernel"] is plan["small/hidden/kernel"]


def test_an_ambiguous_path_is_refused(plan):
    with pytest.raises(KeyError, match="0 variables end with 'nothing'"):
        plan["nothing"]


def test_kernels_have_fans_and_gain(plan):
    row = plan["hidden/kernel"]
    assert (row.fan_in, row.fan_out) == (8, 4)
    assert row.gain == pytest.approx(2**0.5)


def test_changed_and_left_alone_split_the_rows(plan):
    assert {row.kind for row in plan.changed} == {"kernel", "bias"}
    assert [row.kind for row in plan.left_alone] == ["seed"]


def test_the_plan_is_plain_values(plan):
    assert json.loads(json.dumps(plan.to_dict()))["rows"][0]["kind"] == "kernel"


def test_what_starts_at_zero_or_one_as_its_layer_says_is_counted_not_listed():
    layers = [keras.layers.Dense(4), keras.layers.LayerNormalization(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    plan = kerasinit.initialize(model, "he_normal", seed=0)
    shown = str(plan)
    assert "2 x bias (Zeros), 1 x gamma (Ones), 1 x beta (Zeros): the layer's own" in shown
    assert "/bias" not in shown
    assert len(plan) == 6


def test_a_kernel_of_zeros_and_a_bias_left_alone_are_listed():
    head = keras.layers.Dense(2, kernel_initializer="zeros", name="head")
    hidden = keras.layers.Dense(4, name="hidden")
    model = keras.Sequential([keras.Input((3,)), hidden, head])
    assert "head/kernel" in str(kerasinit.reset(model, dry_run=True))
    hidden.trainable = False
    assert "hidden/bias" in str(kerasinit.initialize(model, dry_run=True))


def test_frozen_layers_have_one_reason_however_many_they_are():
    hidden = [keras.layers.Dense(4, trainable=False) for _ in range(12)]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(2)])
    assert str(kerasinit.initialize(model, seed=1)).count("trainable=False") == 1


def test_norms_that_start_as_usual_are_counted_in_a_line():
    units = [keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    model = keras.Sequential([keras.Input((4,)), *units, keras.layers.Dense(2)])
    text = str(kerasinit.initialize(model, seed=1))
    assert "1 x gamma (Ones), 1 x beta (Zeros)" in text
    assert "batch_normalization/gamma" not in text


def test_states_of_random_generators_are_counted_in_a_line():
    units = [keras.layers.Dense(4), keras.layers.Dropout(0.1), keras.layers.Dropout(0.2)]
    text = str(kerasinit.initialize(keras.Sequential([keras.Input((4,)), *units]), seed=1))
    assert "2 x seed_generator_state (left alone): state of a random generator" in text
    assert text.count("seed_generator") == 1


@pytest.mark.parametrize(("terminal", "widest"), [(60, 80), (100, 100), (300, 120)])
def test_a_table_is_as_wide_as_the_terminal(monkeypatch, terminal, widest):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="n" * 200)])
    plan = kerasinit.initialize(model, seed=1)
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((terminal, 24)))
    assert max(map(len, str(plan).splitlines())) == widest
