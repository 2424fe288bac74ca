"""Files are whole or not there; a missing extra is one sentence."""

import os
import stat

import pytest

from kerasinit.report import write
from kerasinit.report._files import extra, write_whole


def test_text_is_written_as_it_is(tmp_path):
    path = write_whole(tmp_path / "deep" / "page.html", "a\nü")
    assert path.read_bytes() == "a\nü".encode()


def test_failure_keeps_the_older_file_and_leaves_nothing_beside_it(tmp_path):
    path = write_whole(tmp_path / "page.html", "old")
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_whole(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_others_may_read_the_file_as_far_as_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        path = write_whole(tmp_path / "page.html", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_missing_extra_is_one_sentence_with_the_command():
    with pytest.raises(ImportError, match=r'Run: pip install "kerasinit\[compare\]"$'):
        extra("a_module_that_is_not_there")


def test_report_without_jinja_says_how_to_install_it(make_comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ImportError, match="needs jinja2, which is not installed"):
        write(make_comparison(settings=(("relu", 3),)), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
