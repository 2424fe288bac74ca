"""The page in a real headless browser, opened from disk."""

import dataclasses
import json

import keras
import pytest

from kerasinit import report

HOSTILE = "<img src=x onerror=window.hacked=1></script><b>%{x}"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        keras.config.backend() != "tensorflow", reason="one backend is enough for a page"
    ),
]


@pytest.fixture(scope="module")
def path(make_comparison, tmp_path_factory):
    comparison = make_comparison(
        initializers=("glorot_uniform", "zeros", "random_normal 1"),
        settings=(("relu", 2), ("tanh", 12)),
        seeds=2,
    )
    rename = {"zeros": HOSTILE}
    comparison = dataclasses.replace(
        comparison,
        rows=tuple(
            dataclasses.replace(r, initializer=rename.get(r.initializer, r.initializer))
            for r in comparison.rows
        ),
        replicas=tuple(
            dataclasses.replace(
                r, initializer=rename.get(r.initializer, r.initializer),
                layers=[HOSTILE, *r.layers[1:]],
            )
            for r in comparison.replicas
        ),
    )  # fmt: skip
    return report.write(comparison, tmp_path_factory.mktemp("page") / "report.html")


class Opened:
    """A page with what it complained about and asked the network for."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(
            **{"viewport": {"width": 1240, "height": 900}, **options}
        )
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type != "log" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.wait("0")

    def wait(self, cell):
        self.page.wait_for_selector(f"body[data-drawn='{cell}']", timeout=60_000)

    def run(self, script):
        return self.page.evaluate(script)


@pytest.fixture(scope="module")
def desktop(browser, path):
    opened = Opened(browser, path)
    yield opened
    opened.context.close()


@pytest.fixture
def fresh(browser, path):
    made = []

    def open_page(**options):
        made.append(Opened(browser, path, **options))
        return made[-1]

    yield open_page
    for opened in made:
        opened.context.close()


def test_page_opens_from_disk_without_a_complaint(desktop):
    assert desktop.errors == []


def test_page_asks_for_nothing_but_itself(desktop, path):
    assert desktop.requests == [path.as_uri()]


def test_every_chart_is_drawn(desktop):
    drawn = desktop.run(
        "[...document.querySelectorAll('figure:not([hidden]) .chart')]"
        ".map(c => c.querySelectorAll('svg .trace, svg image, svg .heatmaplayer *').length)"
    )
    assert len(drawn) > 10
    assert all(count > 0 for count in drawn)


def test_hostile_names_stay_text(desktop):
    assert desktop.run("window.hacked === undefined")
    assert desktop.run("document.querySelectorAll('main img').length") == 0
    assert desktop.page.locator("table.ranked tbody th", has_text="<img src=x").count() >= 1
    labels = desktop.run("[...document.querySelectorAll('svg text')].map(t => t.textContent)")
    assert any(text.startswith("<img src=x") for text in labels)


def test_other_setting_is_drawn_when_chosen(fresh):
    opened = fresh()
    opened.page.select_option("#cell", "1")
    opened.wait("1")
    assert opened.page.locator(".cell:visible h3").inner_text() == "tanh, depth 12"
    assert "tanh, depth 12" in opened.page.locator("#curves .how").inner_text()
    assert opened.errors == []


def test_keyboard_reaches_selector_picker_and_tables(fresh):
    opened = fresh()
    reached = []
    for _ in range(40):
        opened.page.keyboard.press("Tab")
        reached.append(
            opened.run(
                "(e => e.id || e.className || e.closest('[id]')?.id || e.tagName)"
                "(document.activeElement)"
            )
        )
    assert reached[0] == "skip"
    assert "cell" in reached
    assert "shown" in reached
    assert "scroll" in reached


def test_arrow_key_changes_the_setting(fresh):
    opened = fresh()
    opened.page.focus("#cell")
    opened.page.keyboard.press("ArrowDown")
    opened.wait("1")


def test_table_is_sorted_by_keyboard(fresh):
    opened = fresh()
    button = opened.page.locator(".cell:visible thead button").nth(1)
    button.focus()
    opened.page.keyboard.press("Enter")
    names = opened.page.locator(".cell:visible tbody th").all_inner_texts()
    assert names == sorted(names)
    assert opened.page.locator(".cell:visible th[aria-sort]").count() == 1
    opened.page.keyboard.press("Enter")
    names = opened.page.locator(".cell:visible tbody th").all_inner_texts()
    assert names == sorted(names, reverse=True)


def test_initializers_can_be_hidden_and_shown(fresh):
    opened = fresh()
    opened.page.click("#shown summary")
    opened.page.click("[data-preset=none]")
    opened.wait("0")
    assert opened.page.locator("#shown-count").inner_text() == "0 of 3"
    opened.page.click("#choices label >> nth=0")
    opened.wait("0")
    assert opened.page.locator("[data-legend=loss] li").count() == 1
    opened.page.keyboard.press("Escape")
    assert not opened.run("document.getElementById('shown').open")


def test_numbers_behind_a_chart_are_a_table(desktop):
    captions = desktop.run(
        "[...document.querySelectorAll('figure:not([hidden]) details table caption')]"
        ".map(c => c.textContent)"
    )
    assert len(captions) == 9
    assert all(captions)


@pytest.mark.parametrize("width", [390, 320, 768])
def test_narrow_page_does_not_scroll_sideways(fresh, width):
    opened = fresh(viewport={"width": width, "height": 844})
    assert opened.run("document.documentElement.scrollWidth") <= width
    wide = opened.run(
        "[...document.querySelectorAll('.chart svg.main-svg')]"
        ".filter(s => s.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert wide == 0


@pytest.mark.parametrize("width", [390, 1240])
def test_captions_stay_in_view_while_a_table_scrolls(fresh, width):
    opened = fresh(viewport={"width": width, "height": 844})
    opened.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    places = opened.run(
        """[...document.querySelectorAll('.scroll:has(caption)')]
            .filter(region => region.offsetParent)
            .flatMap(region => [0, 60, 1e4].map(left => {
                region.scrollLeft = left;
                const { left: from, right: to } = region.getBoundingClientRect();
                const text = region.querySelector('caption span').getBoundingClientRect();
                return [text.left - from, to - text.right, region.scrollLeft];
            }))"""
    )
    assert len(places) > 2 * 3
    assert all(before >= 0 and after >= 0 for before, after, _ in places)
    assert width > 390 or any(scrolled for _, _, scrolled in places)


def _brightness(colour):
    red, green, blue = (float(v) for v in colour.split("(")[1].rstrip(")").split(",")[:3])
    return (red + green + blue) / 3


def test_dark_mode_reaches_page_and_charts(fresh):
    opened = fresh(color_scheme="dark")
    back = opened.run("getComputedStyle(document.body).backgroundColor")
    label = opened.run("getComputedStyle(document.querySelector('.xtick text')).fill")
    assert _brightness(back) < 60
    assert _brightness(label) > 120


def test_charts_follow_a_change_of_the_colour_scheme(fresh):
    opened = fresh(color_scheme="light")
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_timeout(50)
    opened.wait("0")
    assert (
        _brightness(opened.run("getComputedStyle(document.querySelector('.xtick text')).fill"))
        > 120
    )


@pytest.mark.parametrize("width", [390, 900, 1200])
def test_no_figure_runs_into_the_next_column(fresh, width):
    opened = fresh(viewport={"width": width, "height": 900})
    overlapping = opened.run("""[...document.querySelectorAll('.ranked td')].filter(cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getBoundingClientRect().left < cell.getBoundingClientRect().left - 1
            || cell.scrollWidth > cell.clientWidth + 1;
    }).map(cell => cell.innerText)""")
    assert overlapping == []


def test_print_shows_every_table_in_light_colours(fresh, tmp_path):
    opened = fresh(color_scheme="dark")
    opened.page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    opened.page.emulate_media(media="print")
    assert opened.page.locator(".cell:visible").count() == 2
    assert _brightness(opened.run("getComputedStyle(document.body).backgroundColor")) > 250
    assert opened.errors == []


def test_page_without_scripts_shows_every_table(browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator(".cell:visible").count() == 2
    context.close()


def test_page_of_one_training_is_drawn_without_a_complaint(browser, tmp_path):
    rows = [
        {"step": step, "epoch": 0, "loss": 1.0, "grad_norm": 1.0,
         "layers": {HOSTILE: {"norm": 0.1, "update_ratio": 1e-3}, "last": {"norm": 1.0}}}
        for step in range(3)
    ]  # fmt: skip
    lines = tmp_path / "gradients.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    opened = Opened(browser, report.write_gradients(lines, tmp_path / "page.html"))
    assert opened.errors == []
    assert opened.run("window.hacked === undefined")
    assert opened.page.locator("figure:visible .chart svg.main-svg").count() >= 5
    assert opened.page.locator("#units").is_hidden()
    opened.context.close()


def test_charts_are_lower_on_paper_and_as_before_afterwards(fresh):
    opened = fresh()
    height = "document.querySelector('.chart .main-svg').getBoundingClientRect().height"
    before = opened.run(height)
    opened.run("dispatchEvent(new Event('beforeprint'))")
    assert opened.run(height) == pytest.approx(0.75 * before, abs=1)
    opened.run("dispatchEvent(new Event('afterprint'))")
    assert opened.run(height) == pytest.approx(before, abs=1)


def test_a_long_name_breaks_between_its_parts(fresh):
    opened = fresh(viewport={"width": 390, "height": 844})
    parts = opened.run("""[...document.querySelectorAll('.ranked tbody th span')].flatMap(
        name => [...name.childNodes].filter(node => node.nodeType === Node.TEXT_NODE).map(node => {
            const range = document.createRange();
            range.selectNodeContents(node);
            return [node.data, range.getClientRects().length];
        }))""")
    short = [(text, lines) for text, lines in parts if len(text) <= 12 and " " not in text]
    assert len(short) > 4
    assert [text for text, lines in short if lines > 1] == []
