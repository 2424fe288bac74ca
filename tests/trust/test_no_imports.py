"""What a stranger sends runs no code, unless a command says that it does."""

import json
import sys

import pytest

from kerasinit.experiments import Experiment

PAYLOAD = "raise AssertionError('the code of the sender runs')\n"
FOREIGN = {"module": "payload", "class_name": "Build", "config": {}, "registered_name": None}
NESTED = {"class_name": "kerasinit>ICNR", "config": {"scale": 2, "initializer": FOREIGN}}


@pytest.fixture
def payload(tmp_path, monkeypatch):
    """A module on the path that must not be imported."""
    (tmp_path / "payload.py").write_text(PAYLOAD)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert "payload" not in sys.modules


@pytest.mark.parametrize(
    "changes",
    [
        {"models": ["payload:build"]},
        {"initializers": [{"label": "he_normal", **FOREIGN}]},
        {"initializers": [{"label": "he_normal", **NESTED}]},
        {"optimizer": FOREIGN},
        {"activations": [FOREIGN]},
    ],
    ids=["model", "initializer", "nested initializer", "optimizer", "activation"],
)
def test_a_report_imports_nothing_that_the_spec_names(payload, run_directory, shell, changes):
    path = run_directory / "spec.json"
    data = json.loads(path.read_text())
    data["spec"] |= changes
    path.write_text(json.dumps(data))
    code, _, err = shell("report", run_directory, "--quiet")
    assert (code, err) == (0, "")


def test_a_report_imports_nothing_that_a_record_names(payload, run_directory, assert_refused):
    path = run_directory / "records.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["cell"]["activation"] = FOREIGN
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert_refused("report", run_directory, parts=["line 1", "'cell'"])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"initializers": [FOREIGN]}, "initializers"),
        ({"initializers": [NESTED]}, "initializers"),
        ({"initializers": [{"label": "a", "initializer": FOREIGN}]}, "initializers"),
        ({"optimizer": FOREIGN}, "optimizer"),
        ({"activations": [FOREIGN]}, "activations"),
    ],
)
def test_a_spec_imports_nothing_but_builders(payload, changes, key):
    with pytest.raises(ValueError, match=key):
        Experiment(**changes)


def test_compare_says_first_that_it_runs_code(written_spec, tmp_path, monkeypatch, shell):
    (tmp_path / "own_payload.py").write_text("raise RuntimeError('no network\\x1b[2J')")
    monkeypatch.syspath_prepend(tmp_path)
    code, _, err = shell("compare", written_spec("own_payload:build"), "--out", tmp_path / "run")
    assert code == 1
    first, rest = err.split("\n", 1)
    assert first.startswith("Runs your own code")
    assert first.endswith("own_payload:build")
    assert "no network\\x1b[2J (RuntimeError)" in rest


def test_compare_says_nothing_of_code_where_there_is_none(written_spec, tmp_path, shell):
    _, _, err = shell("compare", written_spec(), "--out", tmp_path / "run")
    assert "code" not in err


@pytest.mark.parametrize(("command", "words"), [("compare", "runs that code"),
                                                ("report", "runs no code"),
                                                ("diagnose", "you trust")])  # fmt: skip
def test_help_says_what_runs(shell, command, words):
    assert words in " ".join(shell(command, "--help")[1].split())


@pytest.mark.parametrize(
    ("name", "text"),
    [("broken_syntax", "def build(:"), ("broken_kind", "build = 3"), ("broken_sum", "1 / 0")],
)
def test_a_builder_that_cannot_be_had_is_one_sentence(
    written_spec, tmp_path, monkeypatch, assert_refused, name, text
):
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    spec = written_spec(f"{name}:build")
    assert_refused(
        "compare", spec, "--out", tmp_path / "run", parts=[name, "could not be imported"]
    )


def test_a_module_that_is_not_found_comes_with_where_it_was_looked_for(
    written_spec, tmp_path, assert_refused
):
    spec = written_spec("no_such_module_anywhere:build")
    parts = ["no_such_module_anywhere", "PYTHONPATH"]
    assert_refused("compare", spec, "--out", tmp_path / "run", parts=parts)
