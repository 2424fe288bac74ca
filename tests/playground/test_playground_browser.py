"""The page in a real headless browser, opened from disk."""

import keras
import numpy as np
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        keras.config.backend() != "tensorflow", reason="one backend is enough for a page"
    ),
]


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
        self.page.wait_for_selector("body[data-drawn]", timeout=60_000)

    def run(self, script, *values):
        return self.page.evaluate(script, *values)

    @property
    def drawn(self):
        """Data, left start, right start, frame and mode that are drawn."""
        return self.run("document.body.dataset.drawn").split()

    @property
    def frame(self):
        return int(self.drawn[3])

    def text(self, selector):
        return self.page.locator(selector).inner_text()


@pytest.fixture
def fresh(browser, page):
    made = []

    def open_page(**options):
        made.append(Opened(browser, page, **options))
        return made[-1]

    yield open_page
    for opened in made:
        opened.context.close()


@pytest.fixture
def last(reel):
    return len(reel.epochs) - 1


def test_page_opens_from_disk_without_a_complaint_or_a_request(fresh, page, last):
    opened = fresh()
    assert opened.errors == []
    assert opened.requests == [page.as_uri()]
    assert opened.drawn == ["xor", "zeros", "initialize", str(last), "weights"]


def test_equal_weights_are_seen_and_said(fresh):
    opened = fresh()
    assert "Every weight is exactly 0" in opened.text(".left .units")
    assert opened.page.locator(".left .net path.none").count() == 16 + 64 + 64 + 8
    assert opened.page.locator(".left .net text.copies").all_text_contents() == ["all equal"] * 3
    assert opened.page.locator(".right .net path.none").count() == 0
    assert opened.page.locator(".right .net text.copies").count() == 0
    opened.page.select_option("#left-start", label="constant")
    assert "the 8 units have equal weights" in opened.text(".left .units")
    widths = opened.run("[...document.querySelectorAll('.left .net path')].slice(16, 80)"
                        ".map(p => p.style.strokeWidth)")  # fmt: skip
    assert len(set(widths)) == 1


def test_the_page_answers_what_keras_answers(fresh, reel):
    film, half = reel.film_of("initialize"), float(np.abs(reel.x).max() * 1.08)
    hidden = [keras.layers.Dense(8, "tanh") for _ in range(3)]
    model = keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(1, "sigmoid")])
    pairs = zip(film.kernels, film.biases, strict=True)
    model.set_weights([array[-1] for pair in pairs for array in pair])
    side = 12
    found = fresh().run(
        """side => {
            const { scene, frameOf, respond } = window.playground;
            const reel = scene.reels[0], film = reel.films.at(-1);
            const maps = respond(frameOf(film, "weights", reel.steps.length - 1), reel.half, side);
            return [maps[1][0], maps[3][7], maps[4][0]].map(map => [...map]);
        }""",
        side,
    )
    at = half * ((2 * np.arange(side) + 1) / side - 1)
    x = np.stack(np.meshgrid(at, -at), axis=-1).reshape(-1, 2).astype("float32")
    outputs = [x]
    for layer in model.layers:
        outputs.append(keras.ops.convert_to_numpy(layer(outputs[-1])))
    expected = outputs[1][:, 0], outputs[3][:, 7], 2 * outputs[4][:, 0] - 1
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=0.02)  # weights have three digits there


def test_gradients_are_drawn_on_request(fresh):
    opened = fresh()
    opened.page.keyboard.press("g")
    assert opened.drawn[-1] == "gradients"
    assert "power of ten" in opened.text("#legend")
    assert opened.page.locator(".left .net path.none").count() == 16 + 64 + 64 + 8
    opened.page.locator(".mode label", has_text="Weights").click()
    assert opened.drawn[-1] == "weights"


def test_arrow_keys_step_and_jump(fresh, last):
    opened = fresh()
    press = opened.page.keyboard.press
    press("ArrowLeft")
    assert opened.frame == last - 1
    press("Home")
    assert opened.frame == 0
    assert opened.text("#step").startswith("step 0 of")
    assert opened.text(".right .loss") == "\u2013"
    press("ArrowRight")
    assert opened.frame == 1
    press("End")
    assert opened.frame == last


def test_space_plays_from_the_start_and_stops(fresh, last):
    opened = fresh()
    opened.page.keyboard.press("Space")
    assert opened.page.locator("#play").get_attribute("aria-pressed") == "true"
    opened.page.wait_for_selector("body:not([data-drawn*=' 0 '])")
    opened.page.keyboard.press("Space")
    assert opened.page.locator("#play").get_attribute("aria-pressed") == "false"
    stopped = opened.frame
    assert 0 < stopped <= last
    opened.page.wait_for_timeout(300)
    assert opened.frame == stopped


def test_nothing_moves_by_itself(fresh, last):
    opened = fresh(reduced_motion="reduce")
    opened.page.wait_for_timeout(400)
    assert opened.frame == last


def test_the_slider_says_its_step(fresh, reel):
    opened = fresh()
    opened.page.focus("#frame")
    opened.page.keyboard.press("Home")
    opened.page.keyboard.press("ArrowRight")
    said = opened.page.locator("#frame").get_attribute("aria-valuetext")
    assert said == f"after {reel.steps[1]} of {reel.steps[-1]} steps"
    assert opened.frame == 1


def test_any_start_can_be_put_left_or_right(fresh):
    opened = fresh()
    card = opened.page.locator(".card", has_text="glorot_uniform")
    card.get_by_role("button", name="left").click()
    assert opened.drawn[1] == "glorot_uniform"
    opened.page.select_option("#right-start", label="constant")
    assert opened.drawn[2] == "constant"
    assert opened.errors == []


def test_a_unit_is_shown_in_large_by_keyboard(fresh):
    opened = fresh()
    opened.page.locator(".right .unit[tabindex='0']").focus()
    assert opened.text(".right figcaption") == "Response of unit 1 of layer 1"
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowDown")
    assert opened.text(".right figcaption") == "Response of unit 2 of layer 2"
    opened.page.keyboard.press("Escape")
    assert opened.text(".right figcaption") == "Answer of the network"


def test_a_click_on_the_loss_goes_there(fresh, last):
    opened = fresh()
    opened.page.locator("#loss").click(position={"x": 300, "y": 60})
    assert 0 < opened.frame < last


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_page_does_not_scroll_sideways(fresh, width):
    opened = fresh(viewport={"width": width, "height": 844})
    assert opened.run("document.documentElement.scrollWidth") <= width
    outside = opened.run(
        "[...document.querySelectorAll('.unit, canvas, .net text, button')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert outside == 0


def _brightness(colour):
    red, green, blue = (float(v) for v in colour.split("(")[1].rstrip(")").split(",")[:3])
    return (red + green + blue) / 3


def test_dark_mode_reaches_page_and_pictures(fresh):
    opened = fresh(color_scheme="light")
    corner = "(c => [...c.getContext('2d').getImageData(2, 2, 1, 1).data].slice(0, 3))" \
             "(document.querySelector('.left .boundary canvas'))"  # fmt: skip
    light = sum(opened.run(corner)) / 3
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_timeout(300)
    assert _brightness(opened.run("getComputedStyle(document.body).backgroundColor")) < 60
    assert sum(opened.run(corner)) / 3 < 80 < 200 < light


def test_print_is_light_and_whole(fresh, tmp_path):
    opened = fresh(color_scheme="dark")
    opened.page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    opened.page.emulate_media(media="print")
    assert _brightness(opened.run("getComputedStyle(document.body).backgroundColor")) > 240
    assert opened.errors == []


def test_page_without_scripts_shows_the_table(browser, page):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(page.as_uri())
    assert opened.locator("tbody tr:visible").count() == 4
    assert not opened.locator(".controls").is_visible()
    context.close()
