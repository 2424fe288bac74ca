"""The command `kerasinit` as it is installed: fast help, no noise."""

import importlib.util
import logging
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MODULE, FUNCTION = PROJECT["project"]["scripts"]["kerasinit"].split(":")
BESIDE = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
(SOURCE,) = (ROOT / source for source, target in BESIDE.items() if target == f"{MODULE}.py")
RUN = f"import runpy, sys; code = runpy.run_path({str(SOURCE)!r})['{FUNCTION}'](); "
START = [sys.executable, "-c", f"{RUN} sys.exit(code)"]


def started(*words):
    return subprocess.run([*START, *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shell():
    """The module that an installation puts beside the package, by the name it has there."""
    spec = importlib.util.spec_from_file_location(MODULE, SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_command_of_an_installation_is_the_shell(shell):
    installed = [entry.value for entry in entry_points(group="console_scripts", name="kerasinit")]
    assert set(installed) <= {f"{MODULE}:{FUNCTION}"}  # an older installation would have another
    assert getattr(shell, FUNCTION)(["--version"]) == 0


@pytest.mark.parametrize("words", [[], ["--help"], ["compare", "--help"], ["--version"]])
def test_help_is_shown_without_importing_keras(words):
    check = (
        f"{RUN} assert 'keras' not in sys.modules and 'numpy' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "kerasinit" in done.stdout


def test_wrong_usage_is_2():
    done = started("train")
    assert done.returncode == 2
    assert "usage: kerasinit" in done.stderr


def test_command_prints_its_result_and_no_noise():
    done = started("gains", "relu")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1.4142" in done.stdout


def test_mistakes_still_reach_stderr():
    done = started("gains", "gellu")
    assert done.returncode == 1
    assert done.stderr.startswith("kerasinit: ")


def test_what_was_held_back_is_shown_when_something_fails(shell, capfd):
    with pytest.raises(ImportError, match="broken"), shell.quiet():  # noqa: PT012
        os.write(2, b"compiled noise\n")
        raise ImportError("broken")
    assert "compiled noise" in capfd.readouterr().err


def test_what_was_held_back_is_dropped_otherwise(shell, capfd):
    with shell.quiet():
        os.write(2, b"compiled noise\n")
    assert capfd.readouterr().err == ""


def test_a_logger_set_up_while_quiet_still_writes_afterwards(shell, capsys):
    logger = logging.getLogger("test_shell")
    with shell.quiet():
        logger.addHandler(handler := logging.StreamHandler(sys.stderr))
    try:
        logger.warning("later")
    finally:
        logger.removeHandler(handler)
    assert capsys.readouterr().err == "later\n"
