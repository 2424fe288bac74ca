"""The README and the guides do what they show: their code runs, and prints what stands below it.

`python tests/test_guides.py` writes the outputs anew.
"""

import contextlib
import io
import re
import shlex
import sys
import tempfile
from pathlib import Path

import keras
import pytest

from kerasinit.cli import main as shell
from kerasinit.experiments import Experiment
from kerasinit.signals import TRAINING_CAUSES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "examples").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


def blocks(page, *languages):
    return [
        text for language, text in BLOCK.findall(page.read_text("utf-8")) if language in languages
    ]


def has_code(page):
    return bool(blocks(page, "python"))


def run(page):
    """Pairs of what the page shows below a block of code, and what the code prints."""
    names = {"__name__": "__main__"}
    keras.utils.set_random_seed(0)
    found = []
    printed = None
    for language, text in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, page.name, "exec"), names)
            printed = out.getvalue()
        elif language == "text" and printed is not None:
            found.append((text, printed))
            printed = None
    return found


def shape_of(text):
    """The words of an output, each number as one sign: the last digits depend on the machine."""
    return [NUMBER.sub("0", word) for word in text.split()]


@pytest.mark.parametrize("page", [*filter(has_code, PAGES)], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(page)
    if keras.config.backend() == "tensorflow":
        for shown, printed in found:
            assert shape_of(printed) == shape_of(shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_are_understood(page, capsys):
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            if line.startswith("kerasinit "):
                words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
                assert shell([*words, "--unknown"]) == 2  # nothing runs, as one word is wrong:
                assert "unrecognized arguments: --unknown\n" in capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_specs_of_a_page_are_valid(page, tmp_path):
    for block in blocks(page, "toml"):
        (tmp_path / "spec.toml").write_text(block)
        Experiment.load(tmp_path / "spec.toml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_guide_to_diagnoses_has_every_cause():
    text = (ROOT / "examples" / "reading_a_diagnosis.md").read_text("utf-8")
    assert [cause for cause in TRAINING_CAUSES if cause not in text] == []


def main():
    """Writes the outputs of every page anew."""
    for page in PAGES:
        text = page.read_text("utf-8")
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            found = run(page)
        for shown, printed in found:
            text = text.replace(f"```text\n{shown}```", f"```text\n{printed}```", 1)
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
