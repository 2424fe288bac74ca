"""The page is one whole file and replaces nothing but a page."""

import pytest

from kerasinit import playground
from kerasinit.cli import main
from kerasinit.cli._parser import DATA


def test_the_page_is_small_and_names_no_address(page):
    text = page.read_text("utf-8")
    assert len(text) < 1e6
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


def test_the_table_works_without_scripts(page):
    text = page.read_text("utf-8")
    assert '<th scope="row">constant</th>' in text


def test_a_page_is_replaced(page, reel, starts):
    playground.write_playground([reel], starts, page, left="constant")
    assert "steps from constant" in page.read_text("utf-8")
    playground.write_playground([reel], starts, page)


def test_a_file_that_is_no_page_stays(tmp_path, reel, starts):
    path = tmp_path / "model.keras"
    path.write_text("weights of months")
    with pytest.raises(ValueError, match="exists and is no page of kerasinit"):
        playground.write_playground([reel], starts, path)
    assert path.read_text() == "weights of months"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["--left", "zerosz"], "Unknown start 'zerosz'. Near matches: 'zeros'"),
        (["--activation", "softmax"], "mixes the units"),
        (["--out", "."], "is a folder"),
    ],
)
def test_a_mistake_is_told_before_the_trainings(words, mistake, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(playground, "film", lambda *_: pytest.fail("this trains"))
    assert main(["playground", *words]) == 1
    assert mistake in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_shell_offers_the_data_of_the_room():
    assert DATA == playground.DATA  # written twice: the parser imports nothing of the package


def test_unknown_data_is_wrong_usage(capsys):
    assert main(["playground", "--data", "square"]) == 2
    assert "invalid choice: 'square'" in capsys.readouterr().err


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    film = playground.film
    monkeypatch.setattr(playground, "film", lambda *words: film(*words, epochs=1))
    words = ["playground", "--data", "gauss", "--activation", "relu", "--right", "orthogonal"]
    assert main([*words, "--out", "sub/page.html"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "Training on gauss from 13 starts\n"
    assert "sub/page.html" in printed.out.replace("\\", "/")
    assert "orthogonal" in (tmp_path / "sub" / "page.html").read_text("utf-8")
