"""The command `kerasinit` as it is installed: fast help, no noise."""

import logging
import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from kerasinit import _shell

RUN = f"import runpy, sys; code = runpy.run_path({_shell.__file__!r})['main'](); "
START = [sys.executable, "-c", f"{RUN} sys.exit(code)"]


def started(*words):
    return subprocess.run([*START, *words], capture_output=True, text=True, check=False)


def test_command_of_an_installation_is_the_shell():
    found = {entry.value for entry in entry_points(group="console_scripts", name="kerasinit")}
    assert found <= {"kerasinit_shell:main"}  # empty in a source tree


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["--version"]])
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


def test_what_was_held_back_is_shown_when_something_fails(capfd):
    with pytest.raises(ImportError, match="broken"), _shell.quiet():  # noqa: PT012
        os.write(2, b"compiled noise\n")
        raise ImportError("broken")
    assert "compiled noise" in capfd.readouterr().err


def test_what_was_held_back_is_dropped_otherwise(capfd):
    with _shell.quiet():
        os.write(2, b"compiled noise\n")
    assert capfd.readouterr().err == ""


def test_a_logger_set_up_while_quiet_still_writes_afterwards(capsys):
    logger = logging.getLogger("test_shell")
    with _shell.quiet():
        logger.addHandler(handler := logging.StreamHandler(sys.stderr))
    try:
        logger.warning("later")
    finally:
        logger.removeHandler(handler)
    assert capsys.readouterr().err == "later\n"
