"""Damaged inputs end in one message, in the shell and in Python."""

import io
import json
import os
import warnings
import zipfile

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit import report
from kerasinit.experiments import Experiment, compare, run

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 2), "float32"), np.arange(40) % 2


def torn(path):
    path.write_bytes(path.read_bytes()[:300])


ARRAYS = {
    "two examples": ({"x": X[:2], "y": Y[:2]}, "kept for validation"),
    "no example": ({"x": X[:0], "y": Y[:0]}, "'x' must hold numbers"),
    "one label": ({"x": X, "y": 0 * Y}, "two labels"),
    "flat x": ({"x": X[:, 0], "y": Y}, "'x' must hold numbers"),
    "x of texts": ({"x": X.astype(str), "y": Y}, "'x' must hold numbers"),
    "x of objects": ({"x": X.astype(object), "y": Y}, "plain arrays"),
    "scalars": ({"x": np.float32(1), "y": np.int64(1)}, "'x' must hold numbers"),
    "y of whole floats": ({"x": X, "y": 1.0 * Y}, "Whole floats could be either"),
    "y of texts": ({"x": X, "y": Y.astype(str)}, "one integer label"),
    "NaN in y": ({"x": X, "y": np.where(X[:, 0] == X[3, 0], np.nan, Y / 2)}, "Received: 1 of"),
    "unequal": ({"x": X, "y": Y[:9]}, "one integer label"),
    "unequal validation": ({"x": X, "y": Y, "x_val": X[:5], "y_val": Y[:4]}, "'y_val' must hold"),
    "other validation": ({"x": X, "y": Y, "x_val": X[:, :1], "y_val": Y}, "'x_val' must hold"),
    "half a validation": ({"x": X, "y": Y, "x_val": X}, "both"),
    "NaN": ({"x": X * np.nan, "y": Y}, "finite numbers"),
    "one NaN": ({"x": np.where(X == X[3, 1], np.nan, X), "y": Y}, "Received: 1 of 80"),
    "too large": ({"x": X.astype("float64") * 1e200, "y": Y}, "finite numbers"),
    "other names": ({"images": X}, "'x' and 'y'"),
}


@pytest.mark.parametrize(("arrays", "part"), ARRAYS.values(), ids=ARRAYS)
def test_data_that_cannot_be_trained_on(tmp_path, written_spec, assert_refused, arrays, part):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    words = ("compare", written_spec(data=path), "--out", tmp_path / "run", "--quiet")
    assert_refused(*words, parts=["data.npz", part])
    with pytest.raises(ValueError, match=part):
        run(Experiment(data=str(path), depths=1, epochs=1, seeds=1), tmp_path / "again")


def test_the_smallest_data_trains(tmp_path, written_spec, shell):
    np.savez(tmp_path / "data.npz", x=X[:3], y=Y[:3])
    spec = written_spec(data=tmp_path / "data.npz")
    assert shell("compare", spec, "--out", tmp_path / "run", "--quiet")[0] == 0


@pytest.fixture(params=["torn", "empty", "text", "one array"])
def no_archive(request, tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=X, y=Y)
    if request.param == "torn":
        torn(path)
    elif request.param == "one array":
        np.save(tmp_path / "data.npy", X)
        (tmp_path / "data.npy").replace(path)
    else:
        path.write_text("" if request.param == "empty" else "years of work")
    return path


def test_data_that_is_no_archive(tmp_path, no_archive, written_spec, assert_refused):
    parts = ["data.npz", "could not be read as an .npz file", "numpy.savez"]
    words = ("compare", written_spec(data=no_archive), "--out", tmp_path / "run", "--quiet")
    assert_refused(*words, parts=parts)
    assert_refused("diagnose", "model.keras", "--data", no_archive, parts=parts)


def test_data_with_any_damaged_byte_is_read_or_refused(tmp_path, assert_refused):
    """What zipfile, zlib and numpy raise is a long list."""
    np.savez_compressed(tmp_path / "whole.npz", x=X, y=Y)
    whole = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "data.npz"
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        # The model is missing: the data is read first.
        assert_refused("diagnose", tmp_path / "none.keras", "--data", path, parts=[])


# --- records ----------------------------------------------------------------------------------

RECORD_DAMAGE = {
    "old format": (("format",), 0),
    "format of another type": (("format",), True),
    "cell": (("cell",), 5),
    "depth": (("cell", "depth"), "deep"),
    "activation": (("cell", "activation"), {"class_name": "gelu"}),
    "huge rate": (("cell", "learning_rate"), 10**400),
    "seed": (("seed",), None),
    "initializer": (("initializer",), ["zeros"]),
    "curves": (("curves",), {"loss": 1}),
    "curve": (("curves", "loss"), ["a"]),
    "layers": (("layers",), "dense"),
    "one layer less": (("layers",), ["dense"]),
    "norms": (("gradient_norms",), [[1.0]]),
    "huge norm": (("signal_rms",), [[10**400, 1], [1, 1]]),
    "verdict": (("start",), {}),
    "versions": (("versions",), []),
    "seconds": (("seconds",), "long"),
    "trained": (("trained",), "yes"),
    "negative norm": (("gradient_norms",), [[-1.0, 1.0], [1.0, 1.0]]),
    "negative seed": (("seed",), -1),
    "huge seed": (("seed",), 10**400),
    "huge epoch": (("measured_epochs",), [10**400]),
    "accuracy": (("curves", "val_accuracy"), [1.5]),
}


@pytest.mark.parametrize(("path", "value"), RECORD_DAMAGE.values(), ids=RECORD_DAMAGE)
def test_a_damaged_record_is_named_with_file_and_line(run_directory, assert_refused, path, value):
    records = run_directory / "records.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    part = lines[1]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert_refused("report", run_directory, parts=["records.jsonl', line 2", "Remove that line"])
    with pytest.raises(ValueError, match=r"records\.jsonl', line 2"):
        compare(run_directory)


@pytest.mark.parametrize("field", ["cell", "start", "versions", "layers", "gradient_norms"])
def test_a_record_without_a_field_is_named(run_directory, assert_refused, field):
    records = run_directory / "records.jsonl"
    line = json.loads(records.read_text().splitlines()[0])
    del line[field]
    records.write_text(json.dumps(line) + "\n")
    assert_refused("report", run_directory, parts=["line 1", f"misses a field: {field}"])


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b"9" * 5000])
def test_a_line_that_is_no_record_is_named(run_directory, assert_refused, line):
    records = run_directory / "records.jsonl"
    records.write_bytes(records.read_bytes() + line + b"\n")
    assert_refused("report", run_directory, parts=["records.jsonl', line 3"])


def test_seeds_of_another_builder_do_not_spoil_the_page(run_directory):
    """The user's own builder may have changed between two runs of one experiment."""
    records = run_directory / "records.jsonl"
    line = json.loads(records.read_text().splitlines()[0])
    line |= {"seed": 1, "layers": ["only"], "dead_share": [0.0]}
    for name in ("gradient_norms", "signal_rms", "gradient_rms"):
        line[name] = [[1.0] for _ in line[name]]
    records.write_text(records.read_text() + json.dumps(line) + "\n")
    assert report.write(compare(run_directory), run_directory / "page.html").exists()


@pytest.mark.parametrize("name", ["loss", "accuracy", "val_loss", "val_accuracy"])
def test_curves_of_nothing_but_unknown_numbers_are_shown(run_directory, shell, name):
    records = run_directory / "records.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        line["curves"][name] = [None for _ in line["curves"][name]]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, _, err = shell("report", run_directory, "--quiet")
    assert (code, err) == (0, "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
@pytest.mark.parametrize("name", ["spec.json", "records.jsonl"])
def test_a_pipe_is_not_waited_for(run_directory, assert_refused, name):
    (run_directory / name).unlink()
    os.mkfifo(run_directory / name)
    assert_refused("report", run_directory, parts=[str(run_directory), name])


def test_a_page_that_cannot_be_written_is_named(run_directory, assert_refused):
    (run_directory / "report.html").unlink()
    (run_directory / "report.html").mkdir()
    assert_refused("report", run_directory, parts=[str(run_directory / "report.html")])


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "kerasinit experiment"}',
        '{"kind": "kerasinit experiment", "spec": 5}',
        '{"kind": "kerasinit experiment", "spec": {"initializers": 5}}',
        '{"kind": "kerasinit experiment", "spec": {"data": null}}',
        "[" * 100_000,
        "",
    ],
    ids=["no spec", "spec is a number", "initializers", "data", "deep", "empty"],
)
def test_a_damaged_spec_is_named(run_directory, assert_refused, text):
    (run_directory / "spec.json").write_text(text)
    assert_refused("report", run_directory, parts=["spec.json"])
    with pytest.raises(ValueError, match=r"spec\.json"):
        compare(run_directory)


# --- recorded steps ---------------------------------------------------------------------------

STEP = {
    "step": 0, "epoch": 0, "loss": 1.0, "grad_norm": 1.0,
    "layers": {"dense": {"norm": 1.0, "update_ratio": None}}, "activations": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "first"}, {"step": 10**400}, {"epoch": None}, {"loss": "low"}, {"loss": 10**400},
        {"layers": 5}, {"layers": {"dense": 5}}, {"layers": {"dense": {"norm": "x"}}},
        {"activations": [1]},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_step_is_named_with_file_and_line(tmp_path, assert_refused, changes):
    path = tmp_path / "gradients.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (STEP, STEP | changes)))
    assert_refused("report", path, parts=["gradients.jsonl', line 2, is no recorded step"])
    with pytest.raises(ValueError, match="line 2, is no recorded step"):
        report.write_gradients(path, tmp_path / "page.html")


def test_steps_that_are_not_utf_8_are_named(tmp_path, assert_refused):
    path = tmp_path / "gradients.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    assert_refused("report", path, parts=["line 1, is no recorded step"])


# --- models -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.save(folder / "model.keras")
    np.savez(folder / "batch.npz", x=X, y=X[:, 0] > X[:, 1])  # there is something to learn
    return folder


@pytest.mark.parametrize("damage", ["torn", "empty", "text", "no config", "config", "folder"])
def test_a_damaged_model_is_named(saved, tmp_path, assert_refused, damage):
    path = tmp_path / "model.keras"
    path.write_bytes((saved / "model.keras").read_bytes())
    if damage == "torn":
        torn(path)
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage in ("empty", "text"):
        path.write_text("" if damage == "empty" else "years of work")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", "{}")
            if damage == "config":
                archive.writestr("config.json", '{"class_name": "Sequential"')
    parts = ["model.keras", "could not be read as a saved Keras model"]
    assert_refused("diagnose", path, "--data", saved / "batch.npz", parts=parts)


@pytest.fixture
def old_file(saved, tmp_path, monkeypatch):
    """A model in HDF5, and what reads it first, made quick to change."""
    path = tmp_path / "model.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format is an old one
        keras.saving.load_model(saved / "model.keras").save(path)

    def read_by(program, seconds=60):
        monkeypatch.setattr("kerasinit.cli._hdf5.READ", program)
        monkeypatch.setattr("kerasinit.cli._hdf5.SECONDS", seconds)

    return path, read_by


def test_a_model_in_hdf5_is_diagnosed(saved, old_file, shell):
    code, out, _ = shell("diagnose", old_file[0], "--data", saved / "batch.npz")
    assert (code, "dense" in out) == (0, True)


@pytest.mark.parametrize("damage", ["torn", "text", "nothing"])
def test_a_damaged_model_in_hdf5_is_named(saved, old_file, assert_refused, damage):
    path, _ = old_file
    path.write_bytes({"torn": path.read_bytes()[:3000], "text": b"years"}.get(damage, b""))
    parts = ["model.h5", "could not be read as a saved Keras model"]
    assert_refused("diagnose", path, "--data", saved / "batch.npz", parts=parts)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_file_that_kills_its_library_is_named(saved, old_file, assert_refused):
    path, read_by = old_file
    read_by("import os; os.kill(os.getpid(), 11)")
    parts = ["model.h5", "dies of it (signal 11)"]
    assert_refused("diagnose", path, "--data", saved / "batch.npz", parts=parts)


def test_a_file_that_is_read_for_ever_is_named(saved, old_file, assert_refused):
    path, read_by = old_file
    read_by("import time; time.sleep(60)", seconds=1)
    parts = ["model.h5", "comes to no end"]
    assert_refused("diagnose", path, "--data", saved / "batch.npz", parts=parts)


@pytest.mark.parametrize(
    "arrays",
    [{"x": X[:0]}, {"x": X[:, :1]}, {"x": X, "y": Y[:9]}, {"x": X.astype(str)}],
    ids=["empty", "other shape", "unequal", "texts"],
)
def test_a_batch_that_does_not_fit_is_named(saved, tmp_path, assert_refused, arrays):
    np.savez(tmp_path / "batch.npz", **arrays)
    words = ("diagnose", saved / "model.keras", "--data", tmp_path / "batch.npz")
    assert_refused(*words, parts=["model.keras", "batch.npz"])


def test_a_plan_and_a_diagnosis_print_where_only_cp1252_goes(monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "cp1252"))
    for shown in (kerasinit.initialize(model), kerasinit.diagnose(model, X)):
        assert str(shown).encode("cp1252")
