"""The page of one training, from the rows that the callback recorded."""

import json
import math

import pytest

from kerasinit.report import write_gradients

HOSTILE = "</script><img src=x onerror=alert(1)>"


def row(step, norms, **parts):
    layers = {name: {"norm": norm, "update_ratio": 1e-3} for name, norm in norms.items()}
    total = math.hypot(*(norm or 0.0 for norm in norms.values()))
    return {"step": step, "epoch": 0, "loss": 1.0, "grad_norm": total, "layers": layers, **parts}


@pytest.fixture
def recorded(tmp_path):
    def record(rows, torn=""):
        path = tmp_path / "gradients.jsonl"
        path.write_text("".join(json.dumps(r) + "\n" for r in rows) + torn, "utf-8")
        return path

    return record


@pytest.fixture
def page_of_rows(recorded, opened, tmp_path):
    """The page of recorded rows."""
    return lambda *rows: opened(write_gradients(recorded(*rows), tmp_path / "page.html"))


def charts(page):
    (only,) = page.data["cells"]
    return only


def test_torn_last_line_is_left_out(page_of_rows):
    page = page_of_rows([row(0, {"a": 1.0}), row(1, {"a": 2.0})], '{"step": 2')
    assert charts(page)["loss"]["data"][0]["x"] == [0, 1]


def test_long_trainings_are_thinned_out_with_both_ends(page_of_rows, monkeypatch):
    monkeypatch.setattr("kerasinit.report._gradients.MOST_STEPS", 5)
    page = page_of_rows([row(step, {"a": 1.0}) for step in range(101)])
    assert charts(page)["loss"]["data"][0]["x"] == [0, 25, 50, 75, 100]
    assert "101 recorded steps" in page.text


def test_what_is_not_finite_is_a_gap(page_of_rows):
    page = page_of_rows([row(0, {"a": 1.0}), row(1, {"a": None})])
    assert charts(page)["gradients"]["data"][0]["z"] == [[0.0, None]]


@pytest.mark.parametrize(
    ("ratio", "meaning"),
    [
        (9e-4, ": next to nothing arrives"), (1.1e-3, ""), (0.043, ""), (0.5, ""), (40, ""),
        (900, ""), (1100, ": it grows by far on its way"),
    ],
)  # fmt: skip
def test_summary_names_what_happens_over_depth_by_the_limits_of_diagnose(
    page_of_rows, ratio, meaning
):
    assert f"(b){meaning}.</p>" in page_of_rows([row(0, {"a": ratio, "b": 1.0})]).text


def test_summary_prefers_the_gradient_of_the_pre_activations(page_of_rows):
    only = row(0, {"a": 1.0, "b": 1.0})
    only["layers"]["a"]["signal_gradient_rms"] = 1e-9
    only["layers"]["b"]["signal_gradient_rms"] = 1.0
    assert "(b): next to nothing arrives.</p>" in page_of_rows([only]).text


def test_summary_counts_steps_that_were_not_finite(page_of_rows):
    page = page_of_rows([row(0, {"a": 1.0}), {**row(1, {"a": 1.0}), "grad_norm": None}])
    assert "<p>1 recorded step had a gradient that was not finite.</p>" in page.text


def test_plotly_accepts_every_figure(page_of_rows):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    probes = {name: {"rms": 1.0, "dead_share": 0.5} for name in "ab"}
    found = charts(page_of_rows([row(0, {"a": 1.0, "b": 0.0}, activations=probes)]))
    assert set(found) == {
        "loss", "norm", "gradients", "gradient_lines", "updates", "signal", "dead",
    }  # fmt: skip
    for chart in found.values():
        assert graph_objects.Figure({"data": chart["data"], "layout": chart["layout"]}).data


def test_hostile_layer_names_stay_text(recorded, tmp_path):
    page = write_gradients(recorded([row(0, {HOSTILE: 1.0, "b": 1.0})]), tmp_path / "page.html")
    assert HOSTILE not in page.read_text("utf-8")
    assert "&lt;/script&gt;&lt;img" in page.read_text("utf-8")


@pytest.mark.parametrize("text", ["", "not json\n", "[]\n", '{"step": 1}\n'])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match="no recorded step"):
        write_gradients(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
