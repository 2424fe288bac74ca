"""Every example runs as a user would run it, and shows what it promises to show."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

# What a lesson concludes: two numbers of which one is less than half of the other.
LESSONS = {
    "spread": r"leaves (\S+) of a signal of 1, and 1 makes (\S+) of it",
    "constant": r"\(accuracy ([\d.]+)\); random weights are \d+ \(([\d.]+)\)",
    "depth": r"with 24, ([\d.]+) from glorot_uniform, .* ([\d.]+) from initialize",
    "fans": r"layers leave (\S+) with the fans of its shape, ([\d.]+) with its own",
    "very_deep": r"leaves (\S+) of the signal .* initialize\(model\) ([\d.]+) and",
    "transformer": r"Keras' own, ([\d.]+); .*: ([\d.]+)\.",
}

LESSON_NAMES = {path.stem for path in (EXAMPLES / "lessons").glob("[a-z]*.py")} - {"lesson"}

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow",
    reason="the examples run once, on the default backend; the rooms are tested on all three",
)


@pytest.fixture
def output_of(tmp_path, monkeypatch, capsys):
    """Runs an example as `__main__`, in a folder of its own; what it printed.

    In this process, which has imported TensorFlow already.
    """
    monkeypatch.chdir(tmp_path)

    def run(example, *arguments):
        monkeypatch.setattr(sys, "argv", [example, *arguments])
        runpy.run_path(str(EXAMPLES / example), run_name="__main__")
        return capsys.readouterr().out

    return run


def numbers_by_row(text):
    rows = re.findall(r"^(\S.*?)\s{2,}([\d.]+)$", text, flags=re.MULTILINE)
    return {name: float(number) for name, number in rows}


def test_swap_initializer_shows_glorot_stuck_and_initialize_trained(output_of):
    accuracy = numbers_by_row(output_of("swap_initializer.py"))
    assert accuracy["glorot_uniform"] < 0.5
    assert accuracy["kerasinit.initialize(model)"] > 0.9


def test_log_gradients_writes_one_line_per_recorded_step(output_of, tmp_path):
    path = tmp_path / "rows.jsonl"
    text = output_of("log_gradients.py", str(path))
    recorded = int(re.search(r"rows recorded: (\d+)", text).group(1))
    assert recorded > 10
    assert len(path.read_text().splitlines()) >= recorded
    assert "verdicts: none" in text


def test_textbook_mistakes_shows_each_fault_and_the_cure(output_of, tmp_path):
    text = output_of("textbook_mistakes.py", str(tmp_path / "run"))
    networks = re.split(r"\n(?=\w+, \d+ hidden layers)", text)[1:]
    assert len(networks) == 6
    for network in networks:
        rows = [line for line in network.splitlines()[2:] if line.startswith("  ")]
        ends = {line[2:24].strip(): line.split()[-2:] for line in rows}
        assert ends["zeros"][-1] == ends["constant 0.1"][-1] == "symmetric"
        assert ends["too small: std 0.01"][-1] == "vanishing"
        assert ends["too large: std 1"][-1] != "healthy"
        assert ends.keys() >= {"Xavier", "He", "Lasagne"}
        accuracy, verdict = ends["initialize(model)"]
        assert verdict == "healthy"
        assert float(accuracy) > 0.8
    assert (tmp_path / "run" / "textbook_mistakes.html").stat().st_size > 1e5


def test_own_initializer_tames_the_branches_and_survives_a_save(output_of):
    text = output_of("own_initializer.py")
    size = numbers_by_row(text)
    assert size["kerasinit>HeNormal"] > 10 > 1.5 > size["SkipInit"] > 1
    assert "Loaded with: {'branch': 0.1, 'seed': 1}" in text


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """What all lessons printed, and the folder of their pages: they train once."""
    folder = tmp_path_factory.mktemp("lessons")
    command = [sys.executable, str(EXAMPLES / "lessons"), "--out", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout, folder


def test_every_lesson_draws_its_picture_and_its_conclusion(lessons):
    text, folder = lessons
    said = {}
    for part in text.split("\n=== ")[1:]:
        *_, conclusion, picture, _ = part.strip().splitlines()
        name = part.partition(":")[0]
        assert picture.endswith(f"{name}.html")
        said[name] = conclusion
    assert said.keys() == LESSON_NAMES == {page.stem for page in folder.glob("*.html")}
    for name, sentence in LESSONS.items():
        found = re.search(sentence, said[name])
        assert found, said[name]
        low, high = map(float, found.groups())
        assert low < 0.5 * high, said[name]
    assert said["zeros"].startswith("Zeros: relu and tanh did not move at all.")
    assert "the 12 units stay 1:" in said["zeros"]
    assert "From initialize(model) they are 12." in said["zeros"]
    assert "still 1 unit" in said["constant"]


@pytest.mark.browser
@pytest.mark.parametrize("name", sorted(LESSON_NAMES))
def test_the_page_of_a_lesson_is_drawn_offline(lessons, browser, name):
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    errors, requests = [], []
    page.on("console", lambda told: errors.append(told.text) if told.type != "log" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((lessons[1] / f"{name}.html").as_uri())
    page.wait_for_selector(
        ".cartesianlayer :is(.trace, image, .points)", state="attached", timeout=60_000
    )
    assert page.locator("h1").inner_text() == page.title() != ""
    assert page.locator("pre").inner_text().strip() in lessons[0]
    assert all(url.startswith(("file:", "blob:", "data:")) for url in requests)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []
    context.close()


def test_the_notebook_runs_from_top_to_bottom():
    names = {}
    for cell in json.loads((EXAMPLES / "lessons.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec("".join(cell["source"]), names)
    ends, symmetric, curves = names["ends"], names["symmetric"], names["curves"]
    assert max(ends["zeros"], ends["random_normal_0.01"]) < 0.7 < 0.9 < ends["initialize"]
    assert symmetric["zeros"][0] == symmetric["constant 0.1"][0] == 1
    assert curves["glorot_uniform", 20][-1] < 0.6
    assert curves["initialize(model)", 20][-1] > 0.9
    assert names["after"].healthy
    assert not names["before"].healthy


@pytest.mark.parametrize(
    "path", [*EXAMPLES.glob("*.py"), EXAMPLES / "lessons.ipynb"], ids=lambda path: path.stem
)
def test_an_example_imports_kerasinit_itself(path):
    """Here its names are known to Keras before the example runs."""
    assert re.search(r'^[\s"]*(import|from) kerasinit\b', path.read_text("utf-8"), re.MULTILINE)


def test_every_example_is_run_here():
    tested = set(re.findall(r'output_of\(\s*"(\w+\.py)"', Path(__file__).read_text()))
    assert {path.name for path in EXAMPLES.glob("*.py")} <= tested


def test_diagnose_model_names_the_fault_and_the_cure_trains(output_of):
    text = output_of("diagnose_model.py")
    before, after = map(float, re.findall(r"Accuracy after 12 epochs: ([\d.]+)", text))
    assert "Root cause: vanishing at hidden_0" in text
    assert text.count("Healthy") == 1
    assert before < 0.5 < 0.9 < after
