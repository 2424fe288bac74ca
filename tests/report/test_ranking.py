"""The ranked table and the trainable-depth map."""

import dataclasses
import html
import math
import re

import numpy as np
import pytest

from kerasinit import experiments, report
from kerasinit.cli import main
from kerasinit.experiments import Estimate

BAR_WIDTH = 56  # px of the box that the page draws a bar in


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(settings=(("relu", 3), ("relu", 30), ("tanh", 3)))


class Cell:
    """A cell of the ranked table: the key that sorts it, its texts, and the places of its bar."""

    def __init__(self, key, content):
        self.key = html.unescape(key)
        bar = re.search(r'd="M([\d.]+) 6H([\d.]+)"/><circle class="dot" cx="([\d.]+)"', content)
        self.bar = bar and tuple(float(bar[place]) for place in (1, 3, 2))
        parts = re.sub(r"<.*?>", "\0", html.unescape(content)).split("\0")
        self.texts = [part.strip() for part in parts if part.strip()]


def cells_of(page, setting=0):
    """The rows of the ranked table of a setting."""
    table = re.findall(r'<table class="ranked sortable">.*?</table>', page.text, re.DOTALL)[setting]
    body = table.partition("<tbody>")[2]
    return [
        [Cell(*cell) for cell in re.findall(r'<t[dh][^>]*data-value="(.*?)">(.*?)</t[dh]>', row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


@pytest.fixture(scope="module")
def row_of(comparison, page_of):
    """The first row of the table, with other values."""

    def make(**fields):
        row = dataclasses.replace(comparison.rows[0], **fields)
        return cells_of(page_of(dataclasses.replace(comparison, rows=(row,))))[0]

    return make


def test_rows_keep_their_order(comparison, page):
    rows = comparison.rows_of(comparison.cells[0])
    found = [(cells[0].texts[0], cells[1].key) for cells in cells_of(page)]
    assert found == [(str(rank), row.initializer) for rank, row in enumerate(rows, start=1)]


@pytest.mark.parametrize(
    ("estimate", "texts"),
    [
        (Estimate(0.5, 0.4, 0.6), ["50.0", "40.0\u201360.0"]),
        (Estimate(0.99, 0.9, 1.2), ["99.0", "90.0\u2013100.0"]),
        (Estimate(0.5), ["50.0"]),
    ],
    ids=["inside", "past 100 %", "single seed"],
)
def test_accuracy_in_percent(row_of, estimate, texts):
    assert row_of(val_accuracy=estimate)[3].texts == texts


def test_bar_stays_inside_its_box(row_of):
    low, at, high = row_of(val_accuracy=Estimate(1.0, -0.5, 1.5))[3].bar
    assert 0 < low <= at <= high < BAR_WIDTH


def test_unknown_numbers_are_dashes_and_sort_last(row_of):
    cells = row_of(epochs_to_target=None, first_gradient=None, val_accuracy=Estimate(math.nan))
    unknown = [cells[place] for place in (3, 6, 7)]
    assert [cell.texts for cell in unknown] == [["\u2013"]] * 3
    assert [cell.key for cell in unknown] == [""] * 3


def test_every_verdict_has_a_word_and_a_sign(page):
    for setting in range(3):
        for cells in cells_of(page, setting):
            sign, word = cells[2].texts
            assert len(sign) == 1
            assert word == cells[2].key


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


def test_best_first_is_by_mean_place(comparison, page):
    places = {
        name: np.mean([row.rank for row in comparison.rows if row.initializer == name])
        for name in page.data["initializers"]
    }
    assert list(places.values()) == sorted(places.values())
    assert list(places)[-1] == "zeros"
    assert list(shares(page)) == list(places)


@pytest.fixture
def heads(tmp_path, monkeypatch, capsys):
    """The last line at the head of each table that `kerasinit report` prints of a comparison."""

    def printed(comparison, width):
        monkeypatch.setattr(experiments, "compare", lambda *_: comparison)
        monkeypatch.setattr(report, "write", lambda _, path: path)  # the page is not asked for
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        assert main(["report", str(tmp_path)]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        found = [words for words in lines if words[:1] == ["#"]]
        assert len(found) == len(comparison.cells)
        return found

    return printed


def changed(comparison, setting, **fields):
    """A comparison in which the rows of one setting have other values."""
    cell = comparison.cells[setting]
    rows = [
        dataclasses.replace(row, **fields) if row.cell == cell else row for row in comparison.rows
    ]
    return dataclasses.replace(comparison, rows=tuple(rows))


@pytest.mark.parametrize("width", range(44, 160, 8))
def test_all_settings_of_a_run_have_one_layout_at_every_width(comparison, heads, width):
    wide = Estimate(0.5, 0.0, 1.0)  # "too few seeds"
    first, *others = heads(changed(comparison, 0, val_accuracy=wide), width)
    assert others == [first] * len(others)


def test_the_widest_words_of_a_table_have_a_line_at_80_columns(comparison, heads):
    rows = changed(
        comparison,
        0,
        val_accuracy=Estimate(0.5, 0.0, 1.0),  # "too few seeds"
        verdict="unexpected_loss",
        diverged=1,
        difference=Estimate(-0.104, -0.2, 0.1),
        conclusion="undetermined",
    )
    for head in heads(rows, 80):
        assert " ".join(head) == "# initializer start validation % trained against baseline"


def test_each_table_is_headed_by_its_own_score(comparison, heads):
    first, second, third = heads(changed(comparison, 1, score="R2"), 160)
    assert [head.count("R2") for head in (first, second, third)] == [0, 2, 0]
    assert [head.count("accuracy") for head in (first, second, third)] == [2, 0, 2]
