"""Rows have the documented schema, in `history` and in the files."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.callbacks import GradientRow, GradientStats, Row

COMPILED = keras.config.backend() == "jax"  # XLA takes long on TensorFlow


@pytest.fixture(scope="module")
def written(make_model, train, tmp_path_factory):
    """Two trainings with all that a row can hold: the callback and its file."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    model, stats = make_model(), GradientStats(path=path, activations_every=1, clipped=True)
    train(model, stats)
    train(model, stats, epochs=2)
    return stats, path


def test_a_row_has_the_keys_of_its_type(written):
    stats, _ = written
    assert {frozenset(row) for row in stats.history} == {frozenset(Row.__annotations__)}


def test_layers_have_the_keys_of_their_type_and_variables_all_but_one(written):
    for row in written[0].history:
        for layer in row["layers"].values():
            assert layer.keys() == GradientRow.__annotations__.keys()
        for variable in row["variables"].values():
            own = GradientRow.__annotations__.keys() - {"signal_gradient_rms"}
            assert variable.keys() == own


def test_what_was_not_asked_for_is_left_out(make_model, train):
    stats = GradientStats(histogram=False)
    train(make_model(), stats)
    (row, *_) = stats.history
    assert row.keys() == Row.__annotations__.keys() - {"activations"}
    for layer in row["layers"].values():
        assert layer.keys() == GradientRow.__annotations__.keys() - {"clipped", "histogram"}


def test_the_run_is_that_of_one_fit(written):
    runs = [row["run"] for row in written[0].history]
    first, second = set(runs[:3]), set(runs[3:])
    assert (len(runs), len(first), len(second)) == (9, 1, 1)
    assert first != second


def test_the_lines_of_the_file_are_the_rows(written):
    stats, path = written
    assert [json.loads(line) for line in path.read_text().splitlines()] == list(stats.history)


def test_the_csv_names_the_run(make_model, train, tmp_path):
    model, stats = make_model(), GradientStats(path=tmp_path / "rows.csv")
    for _ in range(2):
        train(model, stats)
    with (tmp_path / "rows.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    parts = 4 + 2  # variables and layers
    assert [line["run"] for line in lines[::parts]] == [row["run"] for row in stats.history]
    assert len({line["run"] for line in lines}) == 2


def test_the_table_names_the_run(written):
    stats, _ = written
    assert set(stats.to_dataframe()["run"]) == {row["run"] for row in stats.history}


def test_layers_have_the_names_that_diagnose_gives_them():
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.Bidirectional(layers.GRU(2, return_sequences=True), name="both"),
            layers.RNN(layers.LSTMCell(2), return_sequences=True, name="cell"),
            layers.LSTM(2, name="lstm"),
            layers.Dense(1, name="head"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=COMPILED)
    x, y = np.ones((4, 4, 3), "float32"), np.ones((4, 1), "float32")
    stats = GradientStats()
    model.fit(x, y, verbose=0, callbacks=[stats])
    (row,) = stats.history
    assert set(row["layers"]) == {one.name for one in kerasinit.diagnose(model, x, y).layers}


class Wrapped(layers.Layer):
    """Holds variables that it made before it was called, as `TorchModuleWrapper` does."""

    def __init__(self, size, label=None, **options):
        super().__init__(**options)
        self.first = keras.Variable(np.ones((3, size), "float32"), name=label)
        self.second = keras.Variable(np.ones((size,), "float32"))

    def call(self, inputs):
        return inputs @ self.first * self.second


def fitted(*wrapped):
    model = keras.Sequential([keras.Input((3,)), *wrapped, layers.Dense(1, name="head")])
    model.compile("sgd", "mse", jit_compile=COMPILED)
    x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    stats = GradientStats()
    model.fit(x, y, verbose=0, callbacks=[stats])
    return stats.history[0]


def test_variables_whose_path_names_no_layer_belong_to_their_layer():
    row = fitted(Wrapped(3, name="one"), Wrapped(2, name="two"))
    assert {name: part["count"] for name, part in row["layers"].items()} == {
        "one": 12,
        "two": 8,
        "head": 3,
    }


def test_variables_of_one_name_in_two_layers_stay_apart():
    row = fitted(Wrapped(3, "scale", name="one"), Wrapped(2, "scale", name="two"))
    counts = {name: part["count"] for name, part in row["layers"].items()}
    assert counts == {"scale": 9, "one": 3, "scale#2": 6, "two": 2, "head": 3}


def test_layers_inside_of_a_loop_have_rows_of_their_own():
    inner = keras.Sequential([layers.Dense(4, "relu", name="a"), layers.Dense(3, name="b")])
    loops = [
        layers.TimeDistributed(inner, name="each"),
        layers.RNN([layers.LSTMCell(2, name="c"), layers.GRUCell(2, name="d")], name="cells"),
    ]
    model = keras.Sequential([keras.Input((4, 3)), *loops, layers.Dense(1, name="head")])
    model.compile("sgd", "mse", jit_compile=COMPILED)
    stats = GradientStats()
    model.fit(np.ones((4, 4, 3)), np.ones((4, 1)), verbose=0, callbacks=[stats])
    parts = [name.rpartition("/")[2] for name in stats.history[0]["layers"]]
    assert parts == ["a", "b", "c", "d", "head"]
