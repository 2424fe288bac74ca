"""Names of strangers reach no terminal, page, Markdown or spreadsheet as they are."""

import base64
import csv
import dataclasses
import gzip
import io
import json
import re

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit import experiments, report
from kerasinit.callbacks import GradientStats, GradientWarning
from kerasinit.preparation import BiasRow
from kerasinit.signals import Verdict

HOSTILE = "@SUM(1)\x1b]0;title\x07\x1b[2J\u202egnp exe\u2066\x9b31m"
WRITTEN_OUT = "@SUM(1)\\x1b]0;title\\x07\\x1b[2J\\u202egnp exe\\u2066\\x9b31m"


trained_by_that_name = pytest.mark.skipif(
    keras.config.backend() == "tensorflow",
    reason="TensorFlow's own name scopes refuse layers of such names",
)


def assert_safe(text):
    hidden = {char for char in text if not char.isprintable() and char != "\n"}
    assert hidden == set()


@pytest.fixture
def model():
    made = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, "relu", name=HOSTILE, kernel_initializer="zeros"),
            keras.layers.Dense(1),
        ]
    )
    made.compile("sgd", "mse")
    return made


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.random((32, 4), "float32"), rng.random((32, 1), "float32")


@pytest.fixture
def hostile_run(run_directory):
    """A run whose records and spec are full of such names."""
    lines = []
    for line in (run_directory / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        record["initializer"] = HOSTILE + record["initializer"]
        record["cell"] |= {"activation": HOSTILE, "data": HOSTILE}
        record["layers"] = [HOSTILE for _ in record["layers"]]
        record["versions"] = {HOSTILE: HOSTILE}
        record["start"] = dict.fromkeys(record["start"], HOSTILE)
        lines.append(json.dumps(record) + "\n")
    (run_directory / "records.jsonl").write_text("".join(lines))
    spec = json.loads((run_directory / "spec.json").read_text())
    spec["spec"] |= {HOSTILE: HOSTILE, "data": [HOSTILE]}
    (run_directory / "spec.json").write_text(json.dumps(spec))
    return run_directory


def printed(name):
    """A name as a line of a result shows it."""
    name, values, _ = str(BiasRow("output", name, (0.5,), "log odds")).rpartition(" = ")
    assert values
    return name


def test_what_cannot_be_seen_is_written_out():
    assert printed(HOSTILE) == WRITTEN_OUT


@pytest.mark.parametrize("name", ["dense_1", "schicht_ü", "层", "a→b ✓"])
def test_what_can_be_seen_stays(name):
    assert printed(name) == name


def test_a_name_forges_no_line():
    assert printed("dense\nHealthy: nothing found.") == "dense\\nHealthy: nothing found."


def test_a_printed_diagnosis_is_safe(model, batch):
    diagnosis = kerasinit.diagnose(model, *batch)
    assert not diagnosis.healthy
    assert_safe(str(diagnosis))
    assert "\\x1b" in str(diagnosis)


def test_a_printed_verdict_is_safe():
    assert_safe(str(Verdict("dead_units", HOSTILE, HOSTILE, "lower the bias")))


def test_a_printed_plan_is_safe(model):
    for plan in (kerasinit.initialize(model, dry_run=True), kerasinit.reset(model, dry_run=True)):
        assert_safe(str(plan))
        assert_safe(repr(plan))
        assert "\\x1b" in str(plan)


@pytest.mark.parametrize("name", [HOSTILE, "my layer", "层", "-1", "a:b", "\\"])
def test_a_layer_of_any_name_is_drawn(name):
    """TensorFlow's own name scopes take few names; Keras takes all without a slash."""
    hidden = keras.layers.Dense(4, "relu", name=name)
    one = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    assert all(row.changed for row in kerasinit.initialize(one, seed=1) if "kernel" in row.path)
    kerasinit.portable(one)


def test_the_warning_of_learned_weights_is_safe(model):
    model.layers[0].bias.assign([0.3, -0.2, 0.1, 0.7])
    model.layers[1].bias.assign([0.4])
    with pytest.warns(UserWarning, match="learned") as caught:
        kerasinit.initialize(model, "he_normal")
    for warning in caught:
        assert_safe(str(warning.message))


def test_a_printed_output_bias_is_safe():
    assert_safe(str(BiasRow(HOSTILE, HOSTILE, (0.5,), "log odds")))
    assert_safe(str(BiasRow(HOSTILE, "", None, HOSTILE)))


def test_why_a_layer_cannot_be_drawn_is_told_safely():
    @keras.saving.register_keras_serializable("trust")
    class Fails(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            raise ValueError(HOSTILE)

    one = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="cannot fill") as caught:
        kerasinit.initialize(one, Fails())
    assert_safe(str(caught.value))


@trained_by_that_name
def test_a_verdict_in_a_warning_is_safe(model, batch):
    with pytest.warns(GradientWarning, match="x1b") as caught:
        model.fit(*batch, epochs=8, verbose=0, callbacks=[GradientStats()])
    for warning in caught:
        assert_safe(str(warning.message))


def test_the_shell_prints_a_diagnosis_safely(model, batch, tmp_path, shell):
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "batch.npz", x=batch[0], y=batch[1])
    _, out, err = shell("diagnose", tmp_path / "model.keras", "--data", tmp_path / "batch.npz")
    assert_safe(out + err)
    assert "\\x1b" in out


@pytest.mark.parametrize("words", [(), ("--format", "md"), ("--format", "csv"),
                                   ("--format", "json")])  # fmt: skip
def test_the_shell_prints_a_run_safely(hostile_run, shell, words):
    code, out, err = shell("report", hostile_run, *words)
    assert code == 0
    assert_safe(out + err)
    assert re.search("x1b|u001b", re.sub(r"\s", "", out))


@pytest.mark.parametrize("words", [("report",), ("diagnose", "--data", "none.npz"), ("list",)])
def test_the_shell_prints_a_file_name_safely(tmp_path, shell, words):
    command, *options = words
    code, out, err = shell(command, tmp_path / "\x1b[2J\u202e", *options)
    assert code in (1, 2)
    assert_safe(out + err)


def test_a_run_directory_is_named_safely(written_spec, tmp_path, shell):
    code, out, err = shell("compare", written_spec(), "--out", tmp_path / "\x1b[2J\u202e")
    assert code == 0
    assert_safe(out + err)


def unpacked(page):
    """The page with what its script unpacks, but for Plotly itself."""
    packed = re.search(r'id="page-data" type="application/octet-stream">([^<]*)<', page)[1]
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    return page + json.dumps(data, ensure_ascii=False)


def test_the_page_of_a_run_is_safe(hostile_run):
    page = report.write(experiments.compare(hostile_run), hostile_run / "page.html")
    text = unpacked(page.read_text("utf-8"))
    hidden = {char for char in text if not char.isprintable()} - {"\n", "\u200a"}
    assert hidden == set()
    assert "\\x1b]0;title" in text


@trained_by_that_name
def test_the_page_of_a_training_is_safe(model, batch, tmp_path):
    path = tmp_path / "gradients.jsonl"
    model.fit(*batch, epochs=3, verbose=0, callbacks=[GradientStats(path=path)])
    text = unpacked(report.write_gradients(path, tmp_path / "page.html").read_text("utf-8"))
    assert {char for char in text if not char.isprintable()} <= {"\n", "\u200a"}
    assert "\\x1b]0;title" in text


@pytest.fixture(scope="module")
def comparison(finished):
    return experiments.compare(finished)


def exported(comparison, *rows):
    """The cells of the CSV of these rows alone."""
    text = report.export(dataclasses.replace(comparison, rows=rows), "csv")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def cell_of(comparison):
    """The cell of the CSV in which the name of an initializer stands."""

    def cell(name):
        row = dataclasses.replace(comparison.rows[0], initializer=name)
        return exported(comparison, row)[0]["initializer"]

    return cell


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "@SUM(A1)", "-1+cmd", "-x", "  =1", "\t=1", "\n@x", "\r=1", "\uff1d1", "\uff0b1",
     "\uff0dx", "\uff20x", "\u3000\uff1d1", "\u00a0=1", "\ufe661"],  # full-width, small, spaces
)  # fmt: skip
def test_a_cell_is_no_formula(name, cell_of):
    cell = cell_of(name)
    assert cell.startswith(("'", "\\"))
    assert_safe(cell)


@pytest.mark.parametrize("value", ["dense", "-1.5", "-1e-3", "1+1", "a=b", ""])
def test_other_cells_stay(value, cell_of):
    assert cell_of(value) == value


def test_numbers_stay_numbers(comparison):
    row = dataclasses.replace(comparison.rows[0], first_gradient=-0.5, epochs_to_target=None)
    (cells,) = exported(comparison, row)
    assert (cells["first_gradient"], cells["epochs_to_target"]) == ("-0.5", "")


@trained_by_that_name
def test_the_csv_of_the_callback_holds_no_formula(model, batch, tmp_path):
    path = tmp_path / "gradients.csv"
    model.fit(*batch, epochs=3, verbose=0, callbacks=[GradientStats(path=path)])
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    hostile = [row["name"] for row in rows if "SUM" in row["name"]]
    assert hostile
    assert all(name.startswith("'@SUM(1)\\x1b") for name in hostile)
    assert all(float(row["min"]) <= 0 or row["min"] for row in rows if row["min"])


def test_the_csv_of_a_report_holds_no_formula(hostile_run):
    rows = list(csv.DictReader(report.export(experiments.compare(hostile_run), "csv").split("\n")))
    assert all(row["initializer"].startswith("'@SUM") for row in rows)
    assert all(row["data"].startswith("'@SUM") for row in rows)
