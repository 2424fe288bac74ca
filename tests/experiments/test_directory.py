"""The directory of a run: what is kept, what is refused, and that one run at a time writes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from filelock import FileLock

from kerasinit.experiments import Experiment, compare, run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def short(tiny):
    """Two trainings of an epoch."""
    return tiny(initializers="he_normal", epochs=1)


@pytest.fixture
def done(finished, tmp_path):
    """A copy of the finished run, to write into."""
    path = tmp_path / "done"
    path.mkdir()
    for name in ("spec.json", "records.jsonl"):
        (path / name).write_bytes((finished / name).read_bytes())
    return path


def seeds(out):
    return [record.seed for record in compare(out).replicas]


def test_a_new_directory_holds_its_spec(out, spec, claimed):
    assert json.loads((claimed(spec, out) / "spec.json").read_text())["spec"] == spec.to_dict()


def without_split(directory):
    """The directory, as versions left it that split files in another way."""
    content = json.loads((directory / "spec.json").read_text("utf-8"))
    del content["split"]
    (directory / "spec.json").write_text(json.dumps(content), "utf-8")
    return directory


def test_a_run_on_a_file_that_an_older_version_split_is_not_continued(out, tiny, claimed, tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(90, 2)), y=np.arange(90) % 2)
    spec = tiny(data=str(path))
    claimed(spec, out)
    claimed(spec, out)  # of this version: goes on
    with pytest.raises(ValueError, match=r"another version.*Received: split 1.*another directory"):
        run(spec, without_split(out))


def test_a_run_on_bundled_data_of_an_older_version_goes_on(out, spec, claimed):
    claimed(spec, without_split(claimed(spec, out)))


def test_records_come_back_in_order(out, replica, written):
    written(out, {}, [replica(seed=1), replica(seed=0), replica(seed=2)])
    assert seeds(out) == [1, 0, 2]


def test_a_torn_last_line_is_left_out_when_reading(out, replica, written):
    written(out, {}, [replica(seed=0), replica(seed=1)])
    cut_off(out / "records.jsonl", 20)
    assert seeds(out) == [0]


def cut_off(path, size):
    path.write_bytes(path.read_bytes()[:-size])


@pytest.mark.parametrize("cut", [1, 300])
def test_a_torn_last_line_is_dropped_before_the_next_record(done, spec, cut):
    whole = compare(done).replicas
    cut_off(done / "records.jsonl", cut)
    run(spec, done)
    lines = (done / "records.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(whole) == 6
    assert [record.key for record in compare(done).replicas] == [record.key for record in whole]


def test_a_broken_line_in_the_middle_is_reported_with_its_number(out, replica, written):
    written(out, {}, [replica()])
    with (out / "records.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("nonsense\n")
    with pytest.raises(ValueError, match=r"records\.jsonl', line 2: .*nonsense"):
        compare(out)


def test_a_record_that_was_written_twice_counts_once(out, replica, written):
    assert seeds(written(out, {}, [replica()] * 2)) == [0]


def test_the_same_spec_may_go_on(done, spec):
    before = (done / "records.jsonl").read_bytes()
    run(spec, done)
    assert (done / "records.jsonl").read_bytes() == before


def test_a_changed_spec_is_refused_with_what_changed(out, spec, tiny, written):
    older = {key: value for key, value in spec.to_dict().items() if key != "target"}
    written(out, older, [])
    with pytest.raises(ValueError, match=r"epochs: 2 -> 3; target: \(none\) -> 0\.5\. Use"):
        run(tiny(epochs=3, target=0.5), out)


def test_a_foreign_directory_is_refused_and_left_alone(tmp_path, spec):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"not empty.*thesis\.tex"):
        run(spec, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("size", [0, 10, 45, None])
def test_a_half_written_spec_of_a_run_that_died_is_written_anew(tmp_path, spec, claimed, size):
    text = (claimed(spec, tmp_path / "whole") / "spec.json").read_text("utf-8")
    out = tmp_path / "half"
    out.mkdir()
    (out / "spec.half").write_text(text[:size])
    claimed(spec, out)
    assert (out / "spec.json").read_text("utf-8") == text
    assert not (out / "spec.half").exists()


def test_a_spec_half_that_is_no_beginning_of_ours_is_a_foreign_file(tmp_path, spec):
    (tmp_path / "spec.half").write_text("years of work")
    with pytest.raises(ValueError, match=r"not empty.*spec\.half"):
        run(spec, tmp_path)
    assert (tmp_path / "spec.half").read_text() == "years of work"


@pytest.mark.parametrize("text", ["{", '{"spec": {}}', "[]", '{"kind": "other", "spec": {}}'])
def test_a_spec_file_of_something_else_is_refused(tmp_path, spec, text):
    (tmp_path / "spec.json").write_text(text)
    for use in (compare, lambda out: run(spec, out)):
        with pytest.raises(ValueError, match="kerasinit compare --out"):
            use(tmp_path)
    assert (tmp_path / "spec.json").read_text() == text


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no readable run"):
        compare(tmp_path / "nowhere")


def test_a_second_run_in_the_same_directory_is_refused(out, short):
    def again(event):
        run(short, out)

    with pytest.raises(ValueError, match=rf"Another run \(process {os.getpid()}\)"):
        run(short, out, on_event=again)


RUN = """
import json, sys
from kerasinit.experiments import Experiment, run
run(Experiment.from_dict(json.loads(sys.argv[1])), sys.argv[2])
"""
ASK_TWICE = """
import json, sys
from kerasinit.experiments import Experiment, run
for _ in range(2):  # asking must not forget the answer
    try:
        run(Experiment.from_dict(json.loads(sys.argv[1])), sys.argv[2])
    except ValueError as error:
        print(error)
"""


def command(spec, out, code=RUN):
    return [sys.executable, "-c", code, json.dumps(spec.to_dict()), str(out)]


def test_another_process_is_told_who_writes_as_often_as_it_asks(out, short):
    told = []

    def ask(event):
        if event.kind == "start":
            asking = command(short, out, ASK_TWICE)
            told.append(subprocess.run(asking, capture_output=True, text=True, check=True).stdout)

    run(short, out, on_event=ask)
    assert told[0].count(f"Another run (process {os.getpid()}) writes") == 2
    assert seeds(out) == [0, 1]


def test_a_directory_is_claimed_by_one_run_at_a_time(tmp_path, spec):
    with FileLock(tmp_path / "run.lock"), pytest.raises(ValueError, match="Another run"):
        run(spec, tmp_path)


def test_a_finished_run_leaves_no_owner(finished):
    names = {entry.name for entry in finished.iterdir()}
    assert names - {"run.lock"} == {"spec.json", "records.jsonl"}


def test_a_run_that_was_interrupted_leaves_no_owner(out, short, claimed):
    claimed(short, out)
    assert not (out / "run.owner").exists()
    run(short, out)
    assert seeds(out) == [0, 1]


def test_a_killed_run_leaves_whole_records_and_no_lock(out, tiny):
    spec = tiny(initializers="he_normal", widths=(2, 3, 4, 5), epochs=1, seeds=1)
    process = subprocess.Popen(command(spec, out), stderr=subprocess.DEVNULL)
    while process.poll() is None and not lines_of(out):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    kept = lines_of(out)
    assert 1 <= len(kept) < 4
    run(spec, out)
    assert lines_of(out)[: len(kept)] == kept
    assert [record.cell["width"] for record in compare(out).replicas] == [2, 3, 4, 5]


def lines_of(out):
    """The whole lines of the records."""
    path = out / "records.jsonl"
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


# A limit on the size of files fails a write as a full disk does. It holds for the whole process,
# its output included, so that the test gets a process of its own.
RUN_UNTIL_FULL = """
import json, resource, signal, sys
from kerasinit.experiments import Experiment, run

def fill(event):
    if event.kind == "epoch":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    run(Experiment.from_dict(json.loads(sys.argv[1])), sys.argv[2], on_event=fill)
except OSError as error:
    sys.exit(0 if "all earlier ones are kept" in str(error) else repr(error))
sys.exit("the disk was not full")
"""


def test_a_full_disk_keeps_the_whole_records(out, tiny):
    spec = tiny(initializers="he_normal", epochs=1, seeds=4)
    run(spec, out)
    sizes = [len(line) + 1 for line in lines_of(out)]
    out = out.with_name("full")
    limit = str(sum(sizes[:2]) + sizes[2] // 2)
    done = subprocess.run(
        [*command(spec, out, RUN_UNTIL_FULL), limit], stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (out / "records.jsonl").read_bytes().endswith(b"\n")
    assert seeds(out) == [0, 1]
    run(spec, out)
    assert seeds(out) == [0, 1, 2, 3]


def test_the_files_are_plain(finished, spec):
    assert Experiment.from_dict(json.loads((finished / "spec.json").read_text())["spec"]) == spec
    assert [json.loads(line)["seed"] for line in lines_of(finished)] == [0, 1] * 3
