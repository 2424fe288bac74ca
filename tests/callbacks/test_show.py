"""Recorded steps become a table and a picture."""

import pytest

from kerasinit.callbacks import GradientStats


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
