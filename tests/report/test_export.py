"""JSON, CSV and Markdown."""

import csv
import dataclasses
import io
import json
import math

import pytest

from kerasinit.report import export

HOSTILE = "=1+1|<b>"


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(initializers=("glorot_uniform", "random_normal 1", "zeros"), seeds=2)


@pytest.fixture(scope="module")
def hostile(comparison):
    rows = tuple(dataclasses.replace(row, initializer=HOSTILE) for row in comparison.rows)
    return dataclasses.replace(comparison, rows=rows)


def test_json_holds_one_entry_per_row(comparison):
    values = json.loads(export(comparison, "json"))
    assert len(values["rows"]) == len(comparison.rows)
    assert len(values["summary"]) == 3


def test_json_has_null_for_what_is_not_finite(comparison):
    row = dataclasses.replace(comparison.rows[0], first_gradient=math.nan)
    text = export(dataclasses.replace(comparison, rows=(row,)), "json")
    assert json.loads(text, parse_constant=pytest.fail)["rows"][0]["first_gradient"] is None


def test_csv_holds_one_line_per_row_with_cell_and_interval(comparison):
    lines = list(csv.DictReader(io.StringIO(export(comparison, "csv"))))
    assert [line["initializer"] for line in lines] == [r.initializer for r in comparison.rows]
    first = comparison.rows[0]
    assert float(lines[0]["val_accuracy_low"]) == first.val_accuracy.low
    assert lines[0]["activation"] == first.cell["activation"]


def test_csv_name_is_no_formula(hostile):
    lines = list(csv.DictReader(io.StringIO(export(hostile, "csv"))))
    assert lines[0]["initializer"] == "'" + HOSTILE


def test_csv_negative_numbers_stay_numbers(comparison):
    lines = list(csv.DictReader(io.StringIO(export(comparison, "csv"))))
    assert all(float(line["difference"]) <= 1 for line in lines if line["difference"])


def test_markdown_has_one_table_per_setting(comparison):
    text = export(comparison, "md")
    assert text.count("\n| --- ") == len(comparison.cells)
    assert "## relu, depth 3" in text


def test_markdown_escapes_names(hostile):
    assert r"=1+1\|\<b\>" in export(hostile, "md")


def test_unknown_form_is_refused(comparison):
    with pytest.raises(ValueError, match=r"\['csv', 'json', 'md'\]"):
        export(comparison, "pdf")
