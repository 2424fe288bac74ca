"""Recorded steps arrive in files, and a file that fails does not end the training."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasinit.callbacks import GradientStats, GradientWarning

FULL = Path("/dev/full")  # a disk without a free byte


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
    model, stats = make_model(), GradientStats(path=tmp_path / "rows.csv")
    for _ in range(2):
        train(model, stats)
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


@pytest.fixture(scope="module")
def plain_weights(make_model, train):
    """The weights after two epochs without the callback."""
    model = make_model()
    train(model, epochs=2)
    return model.get_weights()


def assert_trains_as_without(train, model, stats, plain_weights, warning):
    """One warning, whose words are given, and the weights are as without the callback."""
    with pytest.warns(GradientWarning, match=warning) as seen:
        train(model, stats, epochs=2)
    assert len([w for w in seen if w.category is GradientWarning]) == 1
    for left, right in zip(model.get_weights(), plain_weights, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.skipif(not FULL.exists(), reason="Linux has such a disk")
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_full_disk_is_one_warning(make_model, train, plain_weights, tmp_path, name):
    (tmp_path / name).symlink_to(FULL)
    stats = GradientStats(path=tmp_path / name)
    words = f"Writing to .*{name} stopped, training goes on.*No space left on device"
    assert_trains_as_without(train, make_model(), stats, plain_weights, words)
    assert len(stats.history) == 6


def test_a_file_that_fails_takes_no_other_with_it(
    make_model, train, plain_weights, tmp_path, monkeypatch
):
    pytest.importorskip("tensorboard", reason="the tensorboard package is an extra")
    from tensorboard.summary.writer.record_writer import RecordWriter

    write = RecordWriter.write

    def until_it_is_full(self, data):
        if b"brain.Event" not in data:  # the first of a file
            raise OSError(28, "No space left on device")
        write(self, data)

    monkeypatch.setattr(RecordWriter, "write", until_it_is_full)
    stats = GradientStats(path=tmp_path / "rows.jsonl", log_dir=tmp_path / "events")
    assert_trains_as_without(
        train, make_model(), stats, plain_weights, "Writing to .*events.* stopped"
    )
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 6


def test_a_step_that_cannot_be_recorded_takes_no_other_with_it(own_model, train):
    def made():
        keras.utils.set_random_seed(0)
        model, losses = own_model("loss"), []

        def told(loss):
            losses.append(loss)
            return keras.ops.stack([loss, loss]) if len(losses) == 3 else loss

        model.told = told
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    stats, plain = GradientStats(), made()
    train(plain, epochs=2)
    assert_trains_as_without(train, made(), stats, plain.get_weights(), "could not be recorded")
    assert [row["step"] for row in stats.history] == [0, 1, 3, 4, 5]


def test_a_vector_that_nobody_expected_is_a_warning(make_model, train, monkeypatch):
    def broken(arrays):
        raise IndexError("bad row")

    monkeypatch.setattr(np, "column_stack", broken)
    with pytest.warns(GradientWarning, match="could not be recorded.*bad row"):
        logs = train(make_model(), GradientStats()).history
    assert sorted(logs) == ["grad_verdicts", "loss"]
