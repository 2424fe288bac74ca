"""The pages and tables of a real run and of a real training."""

import csv
import io
import json

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit import report
from kerasinit.experiments import Experiment, compare, run


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    out = tmp_path_factory.mktemp("journey") / "run"
    spec = Experiment(
        data="gauss", activations=("relu", "tanh"), depths=2, widths=8, epochs=2, seeds=2,
        learning_rates=0.1, initializers=("glorot_uniform", "zeros", "he_normal"),
    )  # fmt: skip
    run(spec, out)
    return compare(out)


def test_the_page_draws_what_was_recorded(comparison, page_of):
    data = page_of(comparison).data
    assert set(data["initializers"]) == {"glorot_uniform", "zeros", "he_normal"}
    assert len(data["cells"]) == 2
    for cell, charts in zip(comparison.cells, data["cells"], strict=True):
        for row in comparison.rows_of(cell):
            meta = {"role": "line", "i": data["initializers"].index(row.initializer)}
            (line,) = (trace for trace in charts["loss"]["data"] if trace["meta"] == meta)
            curves = [replica.curves["loss"] for replica in comparison.replicas_of(row)]
            assert line["y"] == pytest.approx(np.median(curves, axis=0), rel=1e-3)


def test_tables_say_the_same_in_every_form(comparison, page_of):
    rows = json.loads(report.export(comparison, "json"))["rows"]
    lines = list(csv.DictReader(io.StringIO(report.export(comparison, "csv"))))
    markdown, page = report.export(comparison, "md"), page_of(comparison).text
    assert len(rows) == len(lines) == len(comparison.rows)
    for row, line in zip(rows, lines, strict=True):
        assert float(line["val_accuracy"]) == pytest.approx(row["val_accuracy"]["value"], abs=1e-6)
        percent = f"{100 * row['val_accuracy']['value']:.1f}"
        assert percent in markdown
        assert percent in page
    for sentence in report.summary(comparison):
        assert sentence.split("“")[0] in page


def test_a_recorded_training_becomes_a_page(tmp_path, opened):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, "tanh", name="a"),
            keras.layers.Dense(1, name="b"),
        ]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).standard_normal((40, 4)).astype("float32")
    stats = kerasinit.callbacks.GradientStats(path=tmp_path / "rows.jsonl", activations_every=1)
    model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0, callbacks=[stats])
    page = opened(report.write_gradients(tmp_path / "rows.jsonl", tmp_path / "page.html"))
    assert "6 recorded steps" in page.text
    (charts,) = page.data["cells"]
    norms = [row["grad_norm"] for row in stats.history]
    assert charts["norm"]["data"][0]["y"] == pytest.approx(norms, rel=1e-3)
    assert page.data["initializers"] == ["a", "b"]
    assert {"gradient_lines", "updates", "signal"} <= set(charts)
