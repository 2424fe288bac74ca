"""The command line: words in, exit code and text out."""

import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
from collections import Counter

import keras
import numpy as np
import pytest

from kerasinit import experiments
from kerasinit.cli import main

HANGING = 120  # seconds after which a child that does not end is killed
COMMANDS = ("compare", "report", "diagnose", "gains", "list", "playground")
SPEC = """\
initializers = ["glorot_uniform", "zeros"]
activations = ["relu"]
depths = [1]
widths = [8]
data = ["xor"]
epochs = 2
seeds = 2
learning_rates = [0.02]
target = 0.55
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture(scope="module")
def finished(spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["compare", spec, "--out", str(out), "--quiet"]) == 0
    return out


def shell(capsys, *words):
    """Exit code, stdout and stderr of one command."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def assert_refused(outcome, *parts):
    code, out, err = outcome
    assert (code, out) == (1, "")
    assert err.startswith("kerasinit: ")
    assert "Traceback" not in err
    for part in parts:
        assert part in err


# --- usage ------------------------------------------------------------------------------------


def test_help_shows_examples_of_every_command(capsys):
    code, out, _ = shell(capsys, "--help")
    assert code == 0
    assert all(f"kerasinit {command}" in out for command in COMMANDS)


def test_the_bare_command_shows_the_questions_and_help(capsys):
    code, out, err = shell(capsys)
    assert (code, err) == (0, "")
    assert "Which start is best for my data?" in out
    assert "usage: kerasinit" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(capsys, command):
    code, out, _ = shell(capsys, command, "--help")
    assert code == 0
    assert out.startswith(f"usage: kerasinit {command}")


def test_version(capsys):
    code, out, _ = shell(capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"kerasinit (\d+\.\d+\.\d+\S*|\(not installed\))\n", out)


@pytest.mark.parametrize(
    "words",
    [["train"], ["compare", "--format", "pdf"], ["diagnose", "model.keras"], ["gains", "-x"]],
    ids=["unknown command", "unknown format", "missing option", "unknown option"],
)
def test_wrong_usage_is_2(capsys, words):
    code, out, err = shell(capsys, *words)
    assert (code, out) == (2, "")
    assert "usage: kerasinit" in err


# --- gains and list ---------------------------------------------------------------------------


def test_gains_of_relu(capsys):
    code, out, _ = shell(capsys, "gains", "relu")
    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("relu"))
    assert row.split() == "relu 1.4142 1.7129 1.4142 1.0000 1.4142 1.0000 mirror".split()


def test_the_columns_of_gains_are_explained(capsys):
    _, out, _ = shell(capsys, "gains", "relu")
    assert "forward    keeps the mean square of the activations" in out


def test_gains_without_a_name_are_those_of_all_activations(capsys):
    code, out, _ = shell(capsys, "gains")
    assert code == 0
    assert {"gelu", "tanh", "sigmoid"} <= {line.split()[0] for line in out.splitlines() if line}


def test_unknown_activation_is_refused_with_near_matches(capsys):
    assert_refused(shell(capsys, "gains", "relu", "gellu"), "gellu", "'gelu'")


def test_list_names_every_initializer(capsys):
    code, out, _ = shell(capsys, "list")
    assert code == 0
    assert {"HeNormal", "Orthogonal", "Auto"} <= set(out.split())


@pytest.mark.parametrize("name", ["HeNormal", "kaiming_normal", "kerasinit>HeNormal"])
def test_list_of_one_initializer_tells_all_about_it(capsys, name):
    code, out, _ = shell(capsys, "list", name)
    assert code == 0
    for part in ("kerasinit.HeNormal(seed=None", "'kaiming_normal'", "He et al.", "Torch calls it"):
        assert part in out


def test_list_of_an_unknown_initializer_names_near_ones(capsys):
    assert_refused(shell(capsys, "list", "HeNromal"), "'HeNromal'", "'HeNormal'")


@pytest.mark.parametrize("name", ["zeros", "Constant", "he_normal"])
def test_list_says_that_an_initializer_is_of_keras(capsys, name):
    assert_refused(shell(capsys, "list", name), f"help(keras.initializers.{name})")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", ["gains", "list"])
def test_tables_fit(capsys, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = shell(capsys, command)
    assert max(map(len, out.splitlines())) <= width


# --- compare ----------------------------------------------------------------------------------


def test_run_directory_holds_records_and_page(finished):
    assert len((finished / "records.jsonl").read_text().splitlines()) == 4
    assert (finished / "report.html").stat().st_size > 1_000_000


def test_compare_prints_table_summary_and_paths(capsys, spec, finished):
    code, out, err = shell(capsys, "compare", spec, "--out", finished)
    assert code == 0
    for part in ("glorot_uniform", "symmetric", "2 initializers trained", "records.jsonl"):
        assert part in out
    assert f"Report   {finished / 'report.html'}" in out
    assert "4 are kept from before" in err


def test_second_call_trains_nothing(capsys, spec, finished):
    before = (finished / "records.jsonl").read_bytes()
    assert shell(capsys, "compare", spec, "--out", finished)[0] == 0
    assert (finished / "records.jsonl").read_bytes() == before


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_ranked_table_fits(capsys, monkeypatch, finished, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = shell(capsys, "report", finished)
    table, is_short, _ = re.split(r"(Training, epochs, .*\n)?validation(?:, training)?:", out)
    assert max(map(len, table.splitlines())) <= width
    for part in ("glorot_uniform", "symmetric", "baseline", "0/2"):
        assert part in table
    assert ("55 %" in table) == (is_short is None)
    assert re.search("better|undetermined|worse", table)  # the draws of a backend decide


def test_the_head_of_a_ranked_table_is_one_line_at_80_columns(capsys, monkeypatch, finished):
    monkeypatch.setenv("COLUMNS", "80")
    lines = shell(capsys, "report", finished)[1].splitlines()
    (head,) = [number for number, line in enumerate(lines) if line.startswith("# ")]
    assert lines[head].split()[:4] == ["#", "initializer", "start", "validation"]
    assert set(lines[head + 1].strip()) == {"\N{BOX DRAWINGS LIGHT HORIZONTAL}"}
    assert lines[head + 2].startswith("1 ")


@pytest.mark.parametrize("width", [30, 60, 79])
def test_a_narrow_terminal_loses_nothing_and_cuts_no_name(capsys, monkeypatch, finished, width):
    def table(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = shell(capsys, "report", finished)[1]
        return re.split("Training, epochs, |validation, training:", out)[0]

    def cells(text):  # all but headings, labels and punctuation
        return Counter(re.findall(r"[^\s,;─]+", text.partition("─")[2]))

    wide, narrow = cells(table(80)), cells(table(width))
    assert wide - narrow == Counter()
    assert max(map(len, table(width).splitlines())) <= width


def test_a_legend_tells_what_the_columns_mean(capsys, finished):
    out = shell(capsys, "report", finished)[1]
    assert "95 % interval" in out
    assert "trained: seeds whose training accuracy ends more than halfway" in out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
@pytest.mark.parametrize("words", [(), ("--format", "md"), ("--format", "csv")])
def test_a_file_of_any_encoding_takes_the_result(finished, monkeypatch, encoding, words):
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding=encoding))
    assert main(["report", str(finished), *words]) == 0
    sys.stdout.flush()
    text = file.getvalue().decode(encoding)
    assert "glorot" in text
    assert "\\u2" not in text


def test_the_example_is_a_specification_that_runs(capsys, tmp_path):
    code, out, _ = shell(capsys, "compare", "--example")
    assert code == 0
    path = tmp_path / "spec.toml"
    path.write_text(out)
    spec = experiments.Experiment.load(path)
    assert spec.to_dict().keys() == tomllib.loads(out).keys()
    assert "normal 0.05" in spec.rules


def test_quiet_prints_nothing(capsys, spec, finished):
    assert shell(capsys, "compare", spec, "--out", finished, "--quiet") == (0, "", "")


def test_format_prints_the_rows_alone(capsys, spec, finished):
    code, out, err = shell(capsys, "compare", spec, "--out", finished, "--format", "json")
    assert code == 0
    assert len(json.loads(out)["rows"]) == 2
    assert "report.html" in err


@pytest.mark.parametrize(
    ("form", "start"), [("csv", "model,data,activation,"), ("md", "2 initializers")]
)
def test_other_formats(capsys, finished, form, start):
    code, out, err = shell(capsys, "report", finished, "--format", form, "--quiet")
    assert (code, err) == (0, "")
    assert out.startswith(start)


def test_default_directory_is_new_and_named(capsys, spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "run", interrupted_run)
    _, _, err = shell(capsys, "compare", spec)
    assert re.search(r"^Run directory: kerasinit-runs/\d{8}-\d{6}$", err, re.MULTILINE)


def interrupted_run(spec, out, executor=None, *, on_event=None):
    on_event(experiments.Event(kind="start", done=0, total=4))
    on_event(experiments.Event(kind="epoch", done=1, total=4, epoch=1, epochs=2, replicas=2))
    raise KeyboardInterrupt


def test_interrupt_says_what_is_kept_and_how_to_go_on(capsys, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "run", interrupted_run)
    out = tmp_path / "my run"
    code, printed, err = shell(capsys, "compare", spec, "--out", out, "--baseline", "zeros")
    assert (code, printed) == (130, "")
    assert "1 of 4 trainings are finished and kept" in err
    assert f"kerasinit compare {spec} --out '{out}' --baseline zeros" in err


def test_baseline_is_chosen(capsys, finished):
    _, out, _ = shell(capsys, "report", finished, "--baseline", "zeros", "--format", "json")
    rows = {row["initializer"]: row["conclusion"] for row in json.loads(out)["rows"]}
    assert rows["zeros"] == "baseline"


def test_spec_without_the_usual_baseline_takes_its_first(capsys, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace('"glorot_uniform", "zeros"', '"zeros", "he_normal"'))
    words = ("compare", path, "--out", tmp_path / "run", "--quiet", "--format", "json")
    code, out, _ = shell(capsys, *words)
    assert code == 0
    assert json.loads(out)["baseline"] == "zeros"


OWN_BUILDER = """
import keras

def build(input_shape, classes, *, depth, width, activation):
    hidden = [keras.layers.Dense(width, activation) for _ in range(depth)]
    return keras.Sequential([keras.Input(input_shape), *hidden, keras.layers.Dense(classes)])
"""


def test_a_builder_beside_the_spec_is_found(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "nets_beside_the_spec.py").write_text(OWN_BUILDER)
    path = tmp_path / "spec.toml"
    path.write_text(SPEC + 'models = ["nets_beside_the_spec:build"]\n')
    code, out, _ = shell(capsys, "compare", path, "--out", tmp_path / "run")
    assert code == 0
    assert "2 initializers trained the nets_beside_the_spec:build on xor" in out


def test_a_builder_that_is_nowhere_says_where_it_was_looked_for(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "spec.toml"
    path.write_text(SPEC + 'models = ["no_such_nets:build"]\n')
    assert_refused(shell(capsys, "compare", path, "--quiet"), "beside the specification")


def test_nan_in_the_data_is_refused_with_its_row(capsys, tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 8))
    x[5, 3] = np.nan
    np.savez(tmp_path / "nan.npz", x=x, y=(x[:, 0] > 0).astype(int))
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace('"xor"', repr(str(tmp_path / "nan.npz"))))
    outcome = shell(capsys, "compare", path, "--out", tmp_path / "run", "--quiet")
    assert_refused(outcome, "nan in row 5")


def test_a_regression_is_compared_by_r2(capsys, tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 8))
    np.savez(tmp_path / "prices.npz", x=x, y=x[:, 0])
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace('"xor"', repr(str(tmp_path / "prices.npz"))))
    code, out, _ = shell(capsys, "compare", path, "--out", tmp_path / "run")
    assert code == 0
    assert "R2: share of the targets' variance" in " ".join(out.split())
    assert "accuracy" not in out


# --- bad input --------------------------------------------------------------------------------


def test_unknown_baseline(capsys, spec):
    outcome = shell(capsys, "compare", spec, "--baseline", "glorot_unifrom")
    assert_refused(outcome, "'glorot_unifrom' is not part", "'glorot_uniform'")


def test_spec_that_is_not_there(capsys, tmp_path):
    assert_refused(shell(capsys, "compare", tmp_path / "none.toml"), "could not be read")


def test_every_mistake_of_a_spec_is_told(capsys, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text('epochs = 0\ninitializers = ["he_norml"]\nlayers = 3\n')
    outcome = shell(capsys, "compare", path, "--out", tmp_path / "run")
    assert_refused(outcome, "epochs", "'he_normal'", "layers")
    assert not (tmp_path / "run").exists()


def test_quick_with_a_spec(capsys, spec):
    assert_refused(shell(capsys, "compare", spec, "--quick"), "--quick is the built-in comparison")


def test_directory_of_something_else(capsys, spec, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert_refused(shell(capsys, "compare", spec, "--out", tmp_path, "--quiet"), "not empty")
    assert_refused(shell(capsys, "report", tmp_path), "no readable run of kerasinit")


def test_changed_spec(capsys, finished, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace("epochs = 2", "epochs = 3"))
    outcome = shell(capsys, "compare", path, "--out", finished, "--quiet")
    assert_refused(outcome, "epochs: 2 -> 3")


def test_missing_extra_is_told_before_training(capsys, spec, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    outcome = shell(capsys, "compare", spec, "--out", tmp_path / "run")
    assert_refused(outcome, "pip install scikit-learn plotly jinja2")
    assert not (tmp_path / "run").exists()


def test_missing_cluster_extra(capsys, spec, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    words = ("--scheduler", "tcp://127.0.0.1:1", "--out", tmp_path / "run", "--quiet")
    assert_refused(shell(capsys, "compare", spec, *words), 'pip install "dask[distributed]"')


def test_full_disk_is_one_sentence(capsys, finished, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr("kerasinit.report.write", full)
    assert_refused(shell(capsys, "report", finished), "No space left on device: report.html")


# --- report of one training -------------------------------------------------------------------


def test_report_of_a_recorded_training(capsys, tmp_path):
    row = {"step": 0, "epoch": 0, "loss": 1.0, "grad_norm": 1.0, "layers": {"a": {"norm": 1.0}}}
    path = tmp_path / "gradients.jsonl"
    path.write_text(json.dumps(row) + "\n")
    code, out, _ = shell(capsys, "report", path)
    assert code == 0
    assert (tmp_path / "gradients.html").exists()
    assert "gradients.html" in out


def test_report_of_another_file(capsys, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"a": 1}\n')
    assert_refused(shell(capsys, "report", path), "line 1, is no recorded step")


# --- diagnose ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "batch.npz"
    rng = np.random.default_rng(0)
    np.savez(path, x=rng.normal(size=(64, 8)).astype("float32"), y=rng.integers(0, 3, 64))
    return path


def saved(path, initializer):
    layers = [keras.layers.Dense(16, "relu", kernel_initializer=initializer) for _ in range(2)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.save(path)
    return path


def test_healthy_model(capsys, tmp_path, batch):
    model = saved(tmp_path / "model.keras", "he_normal")
    code, out, _ = shell(capsys, "diagnose", model, "--data", batch)
    assert code == 0
    assert "dense" in out


def test_sick_model_is_1_with_its_cause(capsys, tmp_path, batch):
    model = saved(tmp_path / "model.keras", "zeros")
    code, out, _ = shell(capsys, "diagnose", model, "--data", batch)
    assert code == 1
    assert "symmetric" in out or "zero_gradient" in out


def test_model_that_is_not_there(capsys, tmp_path, batch):
    outcome = shell(capsys, "diagnose", tmp_path / "none.keras", "--data", batch)
    assert_refused(outcome, "No such model file", "none.keras")


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "No such data file"), (b"text", "could not be read as an .npz file")],
    ids=["missing", "not npz"],
)
def test_data_that_cannot_be_read(capsys, tmp_path, content, part):
    path = tmp_path / "data.npz"
    if content is not None:
        path.write_bytes(content)
    assert_refused(shell(capsys, "diagnose", "model.keras", "--data", path), part)


def test_data_without_x(capsys, tmp_path):
    np.savez(tmp_path / "data.npz", images=np.zeros(3))
    outcome = shell(capsys, "diagnose", "model.keras", "--data", tmp_path / "data.npz")
    assert_refused(outcome, "must hold an array 'x'", "['images']")


def test_data_with_pickled_objects_is_not_unpacked(capsys, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.array([object()], dtype=object))
    outcome = shell(capsys, "diagnose", "model.keras", "--data", tmp_path / "data.npz")
    assert_refused(outcome, "could not be read as an .npz file of plain arrays")


def test_a_file_of_one_array_is_the_inputs(capsys, tmp_path, batch):
    np.save(tmp_path / "x.npy", np.load(batch)["x"])
    model = saved(tmp_path / "model.keras", "he_normal")
    assert shell(capsys, "diagnose", model, "--data", tmp_path / "x.npy")[0] == 0


def test_labels_that_no_output_has(capsys, tmp_path):
    model = saved(tmp_path / "model.keras", "he_normal")
    x = np.random.default_rng(0).normal(size=(8, 8))
    np.savez(tmp_path / "batch.npz", x=x, y=np.arange(8))
    code, out, _ = shell(capsys, "diagnose", model, "--data", tmp_path / "batch.npz")
    assert (code, "bad targets" in out) == (1, True)


LAYERS = """
import keras

@keras.saving.register_keras_serializable("mine")
class Doubling(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


def test_layers_of_ones_own_are_imported(capsys, tmp_path, batch, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "doubling_layers.py").write_text(LAYERS)
    layer = importlib.import_module("doubling_layers").Doubling()
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((8,)), layer, keras.layers.Dense(3)]).save(path)
    sys.modules.pop("doubling_layers")
    keras.saving.get_custom_objects().pop("mine>Doubling")
    words = ("diagnose", path, "--data", batch)
    assert_refused(shell(capsys, *words), "`--import` the module")
    assert_refused(shell(capsys, *words, "--import", "nowhere"), "'nowhere' could not be imported")
    out = shell(capsys, *words, "--import", "doubling_layers")[1]
    assert "dense" in out
    keras.saving.get_custom_objects().pop("mine>Doubling")


# --- progress ---------------------------------------------------------------------------------

EVENTS = (
    experiments.Event(kind="start", done=0, total=4),
    experiments.Event(kind="cell_start", done=0, total=4, cell={"activation": "relu", "depth": 3}),
    experiments.Event(
        kind="epoch", done=0, total=4, share=0.1, epoch=1, epochs=2, replicas=2,
        cell={"activation": "relu", "depth": 3},
    ),
    experiments.Event(kind="note", done=0, total=4, message="[b]not mapped[/b]"),
    experiments.Event(kind="note", done=0, total=4, message="[b]not mapped[/b]"),
    experiments.Event(
        kind="cell_end", done=2, total=4, share=0.2, cell={"activation": "relu", "depth": 3}
    ),
    experiments.Event(kind="end", done=2, total=4, share=0.2),
)  # fmt: skip


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def play(capsys, monkeypatch, spec, tmp_path):
    """Runs `compare` with `play(tell)` in place of the trainings; exit code and stderr."""

    def command(tell, *words, out=tmp_path / "run"):
        def run(spec, out, executor=None, *, on_event=None):
            tell(on_event)

        monkeypatch.setattr(experiments, "run", run)
        code, printed, err = shell(capsys, "compare", spec, "--out", out, *words)
        assert printed == ""
        return code, err

    return command


def interrupted(on_event):
    for event in EVENTS:
        on_event(event)
    raise KeyboardInterrupt


def test_progress_names_the_setting_and_tells_a_note_once(play):
    code, text = play(interrupted)
    assert code == 130
    assert "relu, depth 3" in text
    assert text.count("[b]not mapped[/b]") == 1
    assert "Interrupted: 2 of 4 trainings are finished" in text


def test_progress_on_a_terminal_names_the_setting_and_tells_a_note_once(play, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert play(interrupted)[0] == 130
    text = terminal.getvalue()
    assert "relu, depth 3" in text
    assert text.count("[b]not mapped[/b]") == 1
    assert "Interrupted: 2 of 4 trainings are finished" in text


def test_progress_in_a_file_estimates_what_is_left(play):
    _, text = play(interrupted)
    assert re.search(r"2 of 4 trainings done, about \d+ s left", text)


def test_what_is_left_is_estimated_from_the_work_that_is_done(play, monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    def tell(on_event):
        nonlocal now
        for event in EVENTS:
            now = {"epoch": 104.0, "cell_end": 105.0}.get(event.kind, now)
            on_event(event)
        raise KeyboardInterrupt

    # A fifth of the work took 5 s, though half of the trainings are done.
    assert "5.0 s, 2 of 4 trainings done, about 20 s left" in play(tell)[1]


def test_settings_of_one_name_have_their_own_times(play, monkeypatch):
    """As on a cluster, where all settings begin before one of them ends."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    cells = [{"activation": "relu", "depth": 3, "width": width} for width in (8, 16)]

    def tell(on_event):
        nonlocal now
        for kind, times in (("cell_start", (1.0, 2.0)), ("cell_end", (5.0, 9.0))):
            for cell, time in zip(cells, times, strict=True):
                now = time
                on_event(experiments.Event(kind=kind, done=0, total=2, cell=cell))
        raise KeyboardInterrupt

    assert re.findall(r"depth 3: ([\d.]+) s", play(tell)[1]) == ["4.0", "7.0"]


def test_first_control_c_waits_for_the_next_event(play):
    passed = []

    def tell(on_event):
        on_event(EVENTS[0])
        signal.raise_signal(signal.SIGINT)
        passed.append("the signal")
        on_event(EVENTS[1])
        passed.append("the event")

    code, text = play(tell)
    assert (code, passed) == (130, ["the signal"])
    assert "Interrupted: 0 of 4 trainings" in text


def test_second_control_c_stops_at_once(play):
    passed = []

    def tell(on_event):
        for name in ("first", "second"):
            signal.raise_signal(signal.SIGINT)
            passed.append(name)

    assert play(tell)[0] == 130
    assert passed == ["first"]


def test_handler_of_before_comes_back(play):
    handlers = []

    def tell(on_event):
        handlers.append(signal.getsignal(signal.SIGINT))
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    play(tell)
    assert handlers != [before]
    assert signal.getsignal(signal.SIGINT) is before


def test_quiet_progress_says_nothing(play, finished):
    def tell(on_event):
        for event in EVENTS:
            on_event(event)

    assert play(tell, "--quiet", out=finished) == (0, "")


# --- as a process -----------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child alone")
def test_control_c_ends_with_130_and_keeps_the_finished(spec, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace("epochs = 2", "epochs = 100000"))
    words = ["-m", "kerasinit", "compare", str(path), "--out", str(tmp_path / "run")]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(HANGING, process.kill)
        watchdog.start()
        for line in process.stderr:
            if line.startswith("4 trainings"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        watchdog.cancel()
    assert process.returncode == 130, rest
    assert "To go on: kerasinit compare" in rest
    assert "Traceback" not in rest


@pytest.mark.cluster
def test_trainings_run_on_a_dask_scheduler(capsys, spec, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        words = ("--scheduler", cluster.scheduler_address, "--out", tmp_path / "run")
        code, out, _ = shell(capsys, "compare", spec, *words)
    assert code == 0
    assert "2 initializers trained" in out


@pytest.mark.cluster
def test_scheduler_that_does_not_answer(capsys, spec, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    patient = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: patient(address, timeout=1))
    words = ("--scheduler", "tcp://127.0.0.1:9", "--out", tmp_path / "run", "--quiet")
    assert_refused(shell(capsys, "compare", spec, *words), "No Dask scheduler answers")
