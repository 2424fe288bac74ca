"""The page as text: whole, small, self-contained, and with every name as text."""

import dataclasses
import html.parser
import re

import pytest

from kerasinit import report
from kerasinit.report import _theory

HOSTILE = "<img src=x onerror=alert(1)></script><!--\u2028\"'"
LIMIT = 6_000_000  # bytes
VOID = {"meta", "link", "input", "br", "path", "circle", "img"}


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(settings=(("relu", 3), ("tanh", 3)))


@pytest.fixture(scope="module")
def text(comparison, page_of):
    return page_of(comparison).text


def test_the_column_of_epochs_names_the_target_of_the_spec(comparison, page_of):
    easy = dataclasses.replace(comparison, spec={**comparison.spec, "target": 0.55})
    assert "epochs\nto 55 %" in page_of(easy).text
    assert "| epochs to 55 % |" in report.export(easy, "md")


class Outline(html.parser.HTMLParser):
    """Checks that tags nest, and collects them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def without_packed(text):
    return re.sub(r"[A-Za-z0-9+/=]{1000,}", "", text)


def test_file_is_written_and_small(comparison, tmp_path):
    path = report.write(comparison, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert path.stat().st_size < LIMIT


def test_same_comparison_gives_the_same_bytes(comparison, page_of, text):
    _theory._scales.cache_clear()  # or what was drawn for the first page would hide the rest
    assert page_of(comparison).text == text


def test_tags_nest(text):
    assert Outline(text).all("main")


def test_nothing_is_loaded_from_elsewhere(text):
    outline = Outline(text)
    assert not [a for a in outline.all("script") if "src" in a]
    assert [a["href"] for a in outline.all("link")] == ["data:,"]
    assert not re.search(r"https?://|url\(|@import", without_packed(text))
    assert "default-src 'none'" in text


def test_every_section_is_a_named_landmark_that_the_contents_reach(text):
    outline = Outline(text)
    ids = {a["id"] for _, a in outline.tags if "id" in a}
    sections = outline.all("section")
    assert all(a["aria-labelledby"] in ids for a in sections)
    anchors = [a["href"][1:] for a in outline.all("a")]
    assert set(anchors) <= ids
    assert len(sections) == 9


def test_ids_are_unique(text):
    ids = [a["id"] for _, a in Outline(text).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_tables_have_captions_and_header_cells(text):
    outline = Outline(text)
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all("scope" in a for a in outline.all("th"))


def test_charts_have_names_for_screen_readers(text):
    charts = [a for a in Outline(text).all("div") if "data-chart" in a]
    assert len(charts) == 6
    assert all(a["role"] == "img" and a["aria-label"] for a in charts)


def test_hostile_names_stay_text(comparison, page_of):
    rows = tuple(
        dataclasses.replace(row, initializer=HOSTILE) if row.initializer == "zeros" else row
        for row in comparison.rows
    )
    replicas = tuple(
        dataclasses.replace(r, initializer=HOSTILE, layers=[HOSTILE] * len(r.layers))
        if r.initializer == "zeros" else r
        for r in comparison.replicas
    )  # fmt: skip
    spec = {**comparison.spec, "initializers": [HOSTILE]}
    page = page_of(
        dataclasses.replace(comparison, rows=rows, replicas=replicas, spec=spec, baseline=HOSTILE)
    ).text
    outline = Outline(page)
    assert outline.all("img") == []
    assert not [a for _, a in outline.tags if "onerror" in a]
    assert len(outline.all("script")) == 3
    assert "&lt;img src=x" in page


def test_specification_and_command_are_there(text):
    assert "kerasinit compare spec.toml" in text
    assert "depths = [3]" in text


def test_map_is_left_out_for_a_single_setting(make_comparison, page_of):
    page = page_of(make_comparison(settings=(("relu", 3),))).text
    assert 'id="map"' not in page
    assert 'href="#map"' not in page


def test_unfinished_run_is_drawn_as_far_as_it_is(comparison, page_of):
    replicas = tuple(r for r in comparison.replicas if r.initializer in ("zeros", "he_normal"))
    rows = tuple(r for r in comparison.rows if r.initializer in ("zeros", "he_normal"))
    page = page_of(dataclasses.replace(comparison, rows=rows, replicas=replicas)).text
    assert "2 initializers" in page


def test_charts_beyond_the_limit_are_left_out_and_counted(comparison, page_of, monkeypatch):
    monkeypatch.setattr("kerasinit.report._page.MOST_CHART_BYTES", 1)
    assert "the charts of 2 settings are left out" in page_of(comparison).text


def test_settings_beyond_the_limit_are_counted(comparison, page_of, monkeypatch):
    monkeypatch.setattr("kerasinit.report._page.MOST_ROWS", 8)
    page = page_of(comparison).text
    assert "1 setting more are in the records" in page
    assert page.count('class="cell"') == 1


@pytest.mark.parametrize(("flat", "chosen"), [("relu", 1), ("tanh", 0)])
def test_page_opens_on_the_setting_that_tells_most(comparison, page_of, flat, chosen):
    rows = tuple(
        dataclasses.replace(row, val_accuracy=dataclasses.replace(row.val_accuracy, value=0.5))
        if row.cell["activation"] == flat
        else row
        for row in comparison.rows
    )
    text = page_of(dataclasses.replace(comparison, rows=rows)).text
    assert re.findall(r'<option value="(\d)" selected>', text) == [str(chosen)]
