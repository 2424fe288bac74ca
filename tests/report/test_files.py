"""Files are whole or not there; a missing extra is one sentence."""

import dataclasses
import errno
import os
import stat
import sys

import pytest

from kerasinit import experiments
from kerasinit.cli import main
from kerasinit.report import write


@pytest.fixture(scope="module")
def comparison(make_comparison):
    return make_comparison(initializers=("zeros",), settings=(("relu", 3),))


def named(comparison, name):
    """The comparison with another name for its initializer."""
    rows = tuple(dataclasses.replace(row, initializer=name) for row in comparison.rows)
    replicas = tuple(dataclasses.replace(r, initializer=name) for r in comparison.replicas)
    return dataclasses.replace(comparison, rows=rows, replicas=replicas)


def test_text_is_written_as_it_is(comparison, tmp_path):
    path = write(named(comparison, "nüll"), tmp_path / "deep" / "page.html")
    assert "<span>nüll</span>".encode() in path.read_bytes()
    assert b"\r" not in path.read_bytes()


def test_failure_keeps_the_older_file_and_leaves_nothing_beside_it(
    comparison, tmp_path, monkeypatch
):
    path = write(comparison, tmp_path / "page.html")
    old = path.read_bytes()

    def full(handle, *arguments, **options):
        os.close(handle)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="No space left"):
        write(comparison, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_others_may_read_the_file_as_far_as_the_umask_allows(comparison, tmp_path):
    before = os.umask(0o022)
    try:
        path = write(comparison, tmp_path / "page.html")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("module", ["jinja2", "markupsafe", "plotly.offline"])
def test_missing_extra_is_one_sentence_with_the_command_before_the_trainings(
    module, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "run", lambda *_, **__: pytest.fail("this trains"))
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["compare", "--quick"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    name = module.partition(".")[0]
    assert f"The report needs {name}, which is not installed." in said
    assert said.endswith("Run: pip install scikit-learn plotly jinja2")
    assert list(tmp_path.iterdir()) == []


def test_report_without_jinja_says_how_to_install_it(comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match="needs jinja2, which is not installed"):
        write(comparison, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
