"""Charts: valid Plotly figures that say what the records say."""

import json

import numpy as np
import pytest

from kerasinit.report._charts import charts_of
from kerasinit.report._figures import label
from kerasinit.report._series import series_by_cell
from kerasinit.report._theory import predictor

CHARTS = {
    "loss", "accuracy", "gradients", "signal", "backward", "activation_bins", "gradient_bins",
    "units", "seeds",
}  # fmt: skip
HOSTILE = "</script><b>%{x}"


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(settings=(("relu", 30),))


@pytest.fixture(scope="module")
def members(comparison):
    return next(iter(series_by_cell(comparison).values()))


def drawn(members, comparison=None):
    names = [series.row.initializer for series in members]
    predict = predictor(comparison) if comparison else lambda series: None
    return charts_of(members, names.index, predict)


def figures(charts):
    for name, chart in charts.items():
        for place, figure in enumerate(chart.get("panels", [chart])):
            yield f"{name} {place}", {"data": figure["data"], "layout": figure["layout"]}


def test_all_charts_are_drawn(members):
    assert set(drawn(members)) == CHARTS


def test_plotly_accepts_every_figure(members, comparison):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for name, figure in figures(drawn(members, comparison)):
        assert graph_objects.Figure(figure).data, name


def test_figures_are_strict_json(members, comparison):
    json.dumps(drawn(members, comparison), allow_nan=False)


def test_every_chart_has_a_table_of_its_numbers(members):
    for chart in drawn(members).values():
        table = chart["table"]
        assert table["caption"]
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}


def test_loss_band_spans_the_seeds(members):
    series = members[0]
    band = next(t for t in drawn(members)["loss"]["data"] if t["meta"]["role"] == "band")
    first = [replica.curves["loss"][0] for replica in series.replicas]
    assert band["y"][-1] == pytest.approx(max(first), rel=1e-3)
    assert band["y"][0] == pytest.approx(min(first), rel=1e-3)


def test_curve_ends_where_training_became_non_finite(members):
    place = next(i for i, s in enumerate(members) if s.row.initializer == "random_normal 1")
    line = next(
        t for t in drawn(members)["loss"]["data"] if t["meta"] == {"role": "line", "i": place}
    )
    assert line["y"][1] is not None
    assert line["y"][2] is None


def test_gradient_panel_has_one_row_per_layer_and_one_column_per_measurement(members):
    panel = drawn(members)["gradients"]["panels"][0]
    assert np.array(panel["data"][0]["z"]).shape == (31, 3)


def test_theory_line_of_glorot_with_relu_falls_by_half_per_layer(members, comparison):
    place = next(i for i, s in enumerate(members) if s.row.initializer == "glorot_uniform")
    lines = {
        name: next(
            t["y"] for t in drawn(members, comparison)[name]["data"]
            if t["meta"] == {"role": "theory", "i": place}
        )
        for name in ("signal", "backward")
    }  # fmt: skip
    # Weights of variance 1 / width: the mean square halves in both directions.
    assert lines["signal"][20] / lines["signal"][0] == pytest.approx(2**-10, rel=0.6)
    assert lines["backward"][0] / lines["backward"][20] == pytest.approx(2**-10, rel=0.6)


def test_zeros_have_no_theory_line(members, comparison):
    place = next(i for i, s in enumerate(members) if s.row.initializer == "zeros")
    roles = {
        t["meta"]["role"]
        for t in drawn(members, comparison)["signal"]["data"] if t["meta"].get("i") == place
    }  # fmt: skip
    assert "theory" not in roles


def test_names_are_escaped_for_plotly(make_comparison):
    hostile = make_comparison(
        initializers=("glorot_uniform", "zeros"), settings=(("relu", 2),), layers=[HOSTILE] * 3
    )
    text = json.dumps(drawn(next(iter(series_by_cell(hostile).values()))))
    assert "&lt;b&gt;" in text
    for template in text.split('"hovertemplate": "')[1:]:
        assert "script" not in template.split('"')[0]


def test_long_names_are_cut():
    assert len(label("x" * 100)) < 30
