"""The ranked table and the trainable-depth map."""

import dataclasses
import math
import re

import numpy as np
import pytest

from kerasinit.cli._tables import rankings
from kerasinit.experiments import Estimate
from kerasinit.report._ranking import ranked

BAR_WIDTH = 56  # px of the box that the page draws a bar in


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(settings=(("relu", 3), ("relu", 30), ("tanh", 3)))


def test_rows_keep_their_order(comparison):
    rows = comparison.rows_of(comparison.cells[0])
    assert [line.rank for line in ranked(rows)] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("estimate", "text", "low", "high"),
    [
        (Estimate(0.5, 0.4, 0.6), "50.0", "40.0", "60.0"),
        (Estimate(0.99, 0.9, 1.2), "99.0", "90.0", "100.0"),
        (Estimate(0.5), "50.0", "", ""),
    ],
    ids=["inside", "past 100 %", "single seed"],
)
def test_accuracy_in_percent(comparison, estimate, text, low, high):
    row = dataclasses.replace(comparison.rows[0], val_accuracy=estimate)
    value = ranked([row])[0].val
    assert (value.text, value.low, value.high) == (text, low, high)


def test_bar_stays_inside_its_box(comparison):
    row = dataclasses.replace(comparison.rows[0], val_accuracy=Estimate(1.0, -0.5, 1.5))
    bar = ranked([row])[0].val.bar
    assert 0 < bar["low"] <= bar["at"] <= bar["high"] < BAR_WIDTH


def test_unknown_numbers_are_dashes_and_sort_last(comparison):
    row = dataclasses.replace(
        comparison.rows[0], epochs_to_target=None, first_gradient=None,
        val_accuracy=Estimate(math.nan),
    )  # fmt: skip
    line = ranked([row])[0]
    assert (line.epochs, line.first, line.val.text) == ("\u2013",) * 3
    assert (line.epochs_key, line.first_key, line.val.key) == ("", "", "")


def test_every_verdict_has_a_word_and_a_sign(comparison):
    assert all(line.verdict.text and line.verdict.icon for line in ranked(comparison.rows))


@pytest.fixture(scope="module")
def page(comparison, page_of):
    return page_of(comparison)


def test_bars_are_drawn_in_a_box_of_their_width(page):
    assert page.text.count(f'viewBox="0 0 {BAR_WIDTH} 12"') == page.text.count('class="bar"') > 0


def test_map_has_one_column_per_setting_grouped_by_activation(page):
    groups, columns, *_ = page.map
    assert groups == ["", "relu", "tanh"]
    assert re.findall(r'colspan="(\d)"', page.text) == ["2", "1"]
    assert columns == ["initializer, by depth", "3", "30", "3"]


def shares(page):
    _, _, *rows = page.map
    return {name: [share.rstrip("\u200a %") for share in found] for name, *found in rows}


def test_map_shows_where_an_initializer_trains(page):
    assert shares(page)["glorot_uniform"] == ["100", "0", "100"]
    assert shares(page)["zeros"] == ["0", "0", "0"]


def test_map_shows_what_was_not_run_as_unknown(comparison, page_of):
    kept = tuple(
        row for row in comparison.rows
        if not (row.initializer == "zeros" and row.cell["activation"] == "tanh")
    )  # fmt: skip
    page = page_of(dataclasses.replace(comparison, rows=kept))
    assert shares(page)["zeros"] == ["0", "0", "\N{EN DASH}"]


def test_single_setting_needs_no_map(make_comparison, page_of):
    assert page_of(make_comparison(settings=(("relu", 3),))).map == []


def test_best_first_is_by_mean_place(comparison, page):
    places = {
        name: np.mean([row.rank for row in comparison.rows if row.initializer == name])
        for name in page.data["initializers"]
    }
    assert list(places.values()) == sorted(places.values())
    assert list(places)[-1] == "zeros"
    assert list(shares(page)) == list(places)


@pytest.mark.parametrize("width", range(40, 160, 4))
def test_all_settings_of_a_run_have_one_layout_at_every_width(comparison, width):
    parts = [(str(cell), comparison.rows_of(cell)) for cell in comparison.cells]
    first, *others = parts[0][1]
    wide = dataclasses.replace(first, val_accuracy=Estimate(0.5, 0.0, 1.0))  # "too few seeds"
    parts[0] = (parts[0][0], [wide, *others])
    assert len({len(table.columns) for table in rankings(parts, width=width)}) == 1


def test_each_table_is_headed_by_its_own_score(comparison):
    parts = [(str(cell), comparison.rows_of(cell)) for cell in comparison.cells[:2]]
    parts[1] = (parts[1][0], [dataclasses.replace(row, score="R2") for row in parts[1][1]])
    first, second = rankings(parts, width=160)
    assert "accuracy %" in first.columns[3].header
    assert "R2 %" in second.columns[3].header
