"""Charts: valid Plotly figures that say what the records say."""

import json
import random
import sys

import numpy as np
import pytest

CHARTS = {
    "loss", "accuracy", "gradients", "signal", "backward", "activation_bins", "gradient_bins",
    "units", "seeds",
}  # fmt: skip
HOSTILE = "</script><b>%{x}"


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(settings=(("relu", 30),))


@pytest.fixture(scope="module")
def data(comparison, page_of):
    return page_of(comparison).data


@pytest.fixture(scope="module")
def charts(data):
    (only,) = data["cells"]
    return only


def figures(charts):
    for name, chart in charts.items():
        for place, figure in enumerate(chart.get("panels", [chart])):
            yield f"{name} {place}", {"data": figure["data"], "layout": figure["layout"]}


def trace(chart, role, place):
    """The trace of the initializer at `place` of the page's list; None where there is none."""
    wanted = {"role": role, "i": place}
    return next((found for found in chart["data"] if found["meta"] == wanted), None)


def test_all_charts_are_drawn(charts):
    assert set(charts) == CHARTS


def test_plotly_accepts_every_figure(charts):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for name, figure in figures(charts):
        assert graph_objects.Figure(figure).data, name


def test_every_chart_has_a_table_of_its_numbers(charts):
    for chart in charts.values():
        table = chart["table"]
        assert table["caption"]
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}


def test_loss_band_spans_the_seeds(comparison, data, charts):
    best = comparison.rows[0]
    band = trace(charts["loss"], "band", data["initializers"].index(best.initializer))
    first = [replica.curves["loss"][0] for replica in comparison.replicas_of(best)]
    assert band["y"][-1] == pytest.approx(max(first), rel=1e-3)
    assert band["y"][0] == pytest.approx(min(first), rel=1e-3)


def test_curve_ends_where_training_became_non_finite(data, charts):
    line = trace(charts["loss"], "line", data["initializers"].index("random_normal 1"))
    assert line["y"][1] is not None
    assert line["y"][2] is None


def test_gradient_panel_has_one_row_per_layer_and_one_column_per_measurement(charts):
    panel = charts["gradients"]["panels"][0]
    assert np.array(panel["data"][0]["z"]).shape == (31, 3)


def test_theory_line_of_glorot_with_relu_falls_by_half_per_layer(data, charts):
    place = data["initializers"].index("glorot_uniform")
    signal, backward = (
        trace(charts[name], "theory", place)["y"] for name in ("signal", "backward")
    )
    # Weights of variance 1 / width: the mean square halves in both directions.
    assert signal[20] / signal[0] == pytest.approx(2**-10, rel=0.6)
    assert backward[0] / backward[20] == pytest.approx(2**-10, rel=0.6)


def test_zeros_have_no_theory_line(data, charts):
    place = data["initializers"].index("zeros")
    assert trace(charts["signal"], "line", place)
    assert not trace(charts["signal"], "theory", place)


def test_theory_follows_the_graph_of_a_residual_net(make_comparison, page_of):
    layers = ["stem", "block_1a_conv", "block_1b_conv", "output"]
    one = make_comparison(("he_normal",), (("relu", 1),), model="resnet", layers=layers)
    charts = page_of(one).data["cells"][0]
    stem, first, second = trace(charts["signal"], "theory", 0)["y"]
    assert first == pytest.approx(0.5**0.5, rel=0.01)  # relu of a normalized signal
    assert (stem, second) == (None, None)  # theory starts from these, as measured
    assert not trace(charts["backward"], "theory", 0)


@pytest.mark.parametrize("model", ["antigravity:mlp", "cnn"])
def test_a_model_that_is_not_built_has_no_theory_line(make_comparison, page_of, model):
    one = make_comparison(("he_normal",), (("relu", 1),), model=model)  # no layers of a `cnn`
    assert not trace(page_of(one).data["cells"][0]["signal"], "theory", 0)
    assert "antigravity" not in sys.modules


def test_names_are_escaped_for_plotly(make_comparison, page_of):
    hostile = make_comparison(
        initializers=("glorot_uniform", "zeros"), settings=(("relu", 2),), layers=[HOSTILE] * 3
    )
    text = json.dumps(page_of(hostile).data["cells"])
    assert "&lt;b&gt;" in text
    for template in text.split('"hovertemplate": "')[1:]:
        assert "script" not in template.split('"')[0]


def test_long_names_are_cut(make_comparison, page_of):
    long = make_comparison(("zeros",), settings=(("relu", 2),), layers=["x" * 100] * 3)
    ((panel,),) = (chart["gradients"]["panels"] for chart in page_of(long).data["cells"])
    assert all(3 < len(name) < 30 for name in panel["data"][0]["y"])


def test_theory_leaves_the_random_numbers_of_the_program_alone(make_comparison, page_of):
    comparison = make_comparison(("he_normal",), settings=(("softsign", 3),))
    before = random.getstate()
    assert page_of(comparison).data["cells"][0]["backward"]["data"][1]["name"] == "theory"
    assert random.getstate() == before
