"""Recorded steps arrive in files, and a file that fails does not end the training."""

import csv
import json

import pytest
from kerasinit.callbacks._recorder import Recorder

from kerasinit.callbacks import GradientStats, GradientWarning


def test_json_lines_hold_the_rows_of_the_history(make_model, train, tmp_path):
    stats = GradientStats(path=tmp_path / "rows.jsonl")
    train(make_model(), stats, epochs=2)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(stats.history)


def test_a_second_training_is_appended(make_model, train, tmp_path):
    for _ in range(2):
        train(make_model(), GradientStats(path=tmp_path / "rows.jsonl"))
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 6


def test_a_torn_last_line_is_kept_apart(make_model, train, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 0}\n{"st')
    train(make_model(), GradientStats(path=path))
    lines = path.read_text().splitlines()
    assert lines[1] == '{"st'
    assert json.loads(lines[2])["step"] == 0


def test_csv_has_a_line_for_each_variable_and_layer(make_model, train, tmp_path):
    stats = GradientStats(path=tmp_path / "rows.csv")
    for _ in range(2):
        train(make_model(), stats)
    with (tmp_path / "rows.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6 * (4 + 2)
    assert [line["name"] for line in lines[:6]] == [
        *("first/kernel", "first/bias", "last/kernel", "last/bias"),
        *("first", "last"),
    ]
    assert float(lines[4]["norm"]) == stats.history[0]["layers"]["first"]["norm"]


def test_missing_folders_are_made(make_model, train, tmp_path):
    train(make_model(), GradientStats(path=tmp_path / "a" / "b" / "rows.jsonl"))
    assert (tmp_path / "a" / "b" / "rows.jsonl").exists()


def test_a_path_that_cannot_be_written_is_an_error_before_the_first_step(
    make_model, train, tmp_path
):
    (tmp_path / "file").write_text("")
    model = make_model()
    with pytest.raises(OSError, match="file"):
        train(model, GradientStats(path=tmp_path / "file" / "rows.jsonl"))
    assert int(model.optimizer.iterations) == 0


def test_a_folder_is_no_file(make_model, train, tmp_path):
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(IsADirectoryError, match="must be a file"):
        train(make_model(), GradientStats(path=tmp_path / "rows.jsonl"))


def test_a_full_disk_is_one_warning(make_model, train, tmp_path, monkeypatch):
    from kerasinit.callbacks import _files

    def full(self, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.JsonLines, "write", full)
    stats = GradientStats(path=tmp_path / "rows.jsonl")
    with pytest.warns(GradientWarning, match="stopped writing, training goes on") as seen:
        train(make_model(), stats, epochs=2)
    assert len([w for w in seen if w.category is GradientWarning]) == 1
    assert len(stats.history) == 6


def test_a_step_that_cannot_be_read_takes_no_other_with_it(make_model, train, monkeypatch):
    records = Recorder._records

    def broken(self, waiting):
        if any(pending.step == 2 for pending in waiting):
            raise IndexError("an odd step")
        return records(self, waiting)

    monkeypatch.setattr(Recorder, "_records", broken)
    stats = GradientStats()
    with pytest.warns(GradientWarning, match="could not be recorded.*an odd step") as seen:
        train(make_model(), stats, epochs=2)
    assert len([w for w in seen if w.category is GradientWarning]) == 1
    assert [row["step"] for row in stats.history] == [0, 1, 3, 4, 5]


def test_a_row_that_nobody_expected_is_a_warning(make_model, train, monkeypatch):
    from kerasinit.callbacks import _recorder

    def broken(measured):
        raise IndexError("bad row")

    monkeypatch.setattr(_recorder, "worked_out", broken)
    with pytest.warns(GradientWarning, match="could not be recorded.*bad row"):
        train(make_model(), GradientStats())
