import json
import os
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from kerasinit.experiments._directory import RECORDS_FILE, RunDirectory, spec_changes

SPEC = {"epochs": 2, "seeds": [0, 1]}


@pytest.fixture
def directory(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.prepare(SPEC)
    return made


def test_a_new_directory_holds_its_spec(directory):
    assert directory.load_spec() == SPEC


def test_records_come_back_in_order(directory, replica):
    with directory.writer() as writer:
        writer.append([replica(seed=1), replica(seed=0)])
        writer.append([replica(seed=2)])
    assert [record.seed for record in directory.replicas()] == [1, 0, 2]


def test_a_torn_last_line_is_left_out_when_reading(directory, replica):
    with directory.writer() as writer:
        writer.append([replica(seed=0), replica(seed=1)])
    whole = directory.records_path.read_bytes()
    directory.records_path.write_bytes(whole[:-20])
    assert [record.seed for record in directory.replicas()] == [0]


@pytest.mark.parametrize("cut", [1, 2, 300])
def test_a_torn_last_line_is_dropped_before_the_next_record(directory, replica, cut):
    with directory.writer() as writer:
        writer.append([replica(seed=0), replica(seed=1)])
    whole = directory.records_path.read_bytes()
    directory.records_path.write_bytes(whole[:-cut])
    with directory.writer() as writer:
        writer.append([replica(seed=2)])
    assert [record.seed for record in directory.replicas()] == [0, 2]


def test_a_broken_line_in_the_middle_is_reported_with_its_number(directory, replica):
    directory.records_path.write_text(f"{replica().to_line()}\nnonsense\n", "utf-8")
    with pytest.raises(ValueError, match=r"records\.jsonl', line 2: .*nonsense"):
        directory.replicas()


def test_a_record_that_was_written_twice_counts_once(directory, replica):
    directory.records_path.write_text(f"{replica().to_line()}\n" * 2, "utf-8")
    assert len(directory.replicas()) == 1


def test_the_same_spec_may_go_on(directory):
    directory.prepare(SPEC)


def test_a_changed_spec_is_refused_with_what_changed(directory):
    with pytest.raises(ValueError, match=r"epochs: 2 -> 3; target: \(none\) -> 0\.5"):
        directory.prepare({**SPEC, "epochs": 3, "target": 0.5})


def test_no_change_is_found_in_equal_specs():
    assert spec_changes(SPEC, dict(SPEC)) == []


def test_a_foreign_directory_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"not empty.*thesis\.tex"):
        RunDirectory(tmp_path).prepare(SPEC)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


SPEC_TEXT = json.dumps({"kind": "kerasinit experiment", "spec": SPEC}, indent=1)


@pytest.mark.parametrize("size", [0, 10, 45, len(SPEC_TEXT)])
def test_a_half_written_spec_of_a_run_that_died_is_written_anew(tmp_path, size):
    (tmp_path / "spec.half").write_text(SPEC_TEXT[:size])
    RunDirectory(tmp_path).prepare(SPEC)
    assert RunDirectory(tmp_path).load_spec() == SPEC
    assert not (tmp_path / "spec.half").exists()


def test_a_spec_half_that_is_no_beginning_of_ours_is_a_foreign_file(tmp_path):
    (tmp_path / "spec.half").write_text("years of work")
    with pytest.raises(ValueError, match=r"not empty.*spec\.half"):
        RunDirectory(tmp_path).prepare(SPEC)
    assert (tmp_path / "spec.half").read_text() == "years of work"


@pytest.mark.parametrize("text", ["{", '{"spec": {}}', "[]", '{"kind": "other", "spec": {}}'])
def test_a_spec_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(ValueError, match="kerasinit compare --out"):
        RunDirectory(tmp_path).load_spec()


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no readable run"):
        RunDirectory(tmp_path / "nowhere").load_spec()


def test_a_second_run_in_the_same_directory_is_refused(directory):
    with (
        directory.writer(),
        pytest.raises(ValueError, match=rf"Another run \(process {os.getpid()}\)"),
        directory.writer(),
    ):
        pass


ASK_FOR_THE_LOCK = """
import pathlib, sys
from kerasinit.experiments._directory import RunDirectory
try:
    with RunDirectory(pathlib.Path(sys.argv[1])).writer():
        sys.exit("two runs in one directory")
except ValueError as error:
    print(error)
"""


def test_every_other_process_is_told_who_writes(directory):
    command = [sys.executable, "-c", ASK_FOR_THE_LOCK, str(directory.path)]
    with directory.writer():
        for _ in range(2):  # asking must not forget the answer
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            assert f"Another run (process {os.getpid()}) writes" in done.stdout


def test_a_directory_is_claimed_by_one_run_at_a_time(tmp_path):
    with FileLock(tmp_path / "run.lock"), pytest.raises(ValueError, match="Another run"):
        RunDirectory(tmp_path).prepare(SPEC)


def test_a_finished_run_leaves_no_owner(directory):
    with directory.writer():
        pass
    names = {entry.name for entry in directory.path.iterdir()}
    assert names <= {"spec.json", "records.jsonl", "run.lock"}


def test_the_lock_is_free_again_after_the_run(directory, replica):
    for seed in (0, 1):
        with directory.writer() as writer:
            writer.append([replica(seed=seed)])
    assert len(directory.replicas()) == 2


WRITE_UNTIL_KILLED = """
import pathlib, sys
from kerasinit.experiments._directory import RunDirectory
with RunDirectory(pathlib.Path(sys.argv[1])).writer() as writer:
    while True:
        writer.stream.write(sys.argv[2].encode())
"""


def test_a_killed_run_leaves_whole_records_and_no_lock(directory, replica):
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, directory.path, replica().to_line() + "\n"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and not grown_to(directory.records_path, 100_000):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert len(directory.replicas()) == 1
    with directory.writer() as writer:
        writer.append([replica(seed=7)])
    assert [record.seed for record in directory.replicas()] == [0, 7]


def grown_to(path, size):
    return path.exists() and path.stat().st_size > size


# A limit on the size of files fails a write as a full disk does. It holds for the whole process,
# its output included, so that the test gets a process of its own.
WRITE_UNTIL_FULL = """
import pathlib, resource, signal, sys
from kerasinit.experiments import Replica
from kerasinit.experiments._directory import RunDirectory
path, size, *lines = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with RunDirectory(pathlib.Path(path)).writer() as writer:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    try:
        writer.append([Replica.from_line(line) for line in lines])
    except OSError as error:
        sys.exit(0 if "all earlier ones are kept" in str(error) else repr(error))
sys.exit("the disk was not full")
"""


def test_a_full_disk_keeps_the_whole_records(directory, replica):
    lines = [replica(seed=seed).to_line() for seed in range(4)]
    line = len(lines[0]) + 1
    size = str(2 * line + line // 2)
    command = [sys.executable, "-c", WRITE_UNTIL_FULL, str(directory.path), size, *lines]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert directory.records_path.stat().st_size == 2 * line
    assert [record.seed for record in directory.replicas()] == [0, 1]


def test_the_files_are_plain(directory):
    assert json.loads((directory.path / "spec.json").read_text())["spec"] == SPEC
    assert directory.records_path.name == RECORDS_FILE
