"""TensorBoard reads what was written, and TensorFlow is not needed for it."""

import os
import subprocess
import sys

import keras
import pytest

from kerasinit.callbacks import GradientStats

pytest.importorskip("tensorboard", reason="the tensorboard package is an extra")


@pytest.fixture(scope="module")
def events(make_model, train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    stats = GradientStats(log_dir=folder, activations_every=1)
    train(make_model(), stats)
    from tensorboard.compat.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    return stats, [Event.FromString(data) for data in records(path.read_bytes())]


def records(data):
    """The framed records of an event file: length, two checksums, payload."""
    while data:
        length = int.from_bytes(data[:8], "little")
        yield data[12 : 12 + length]
        data = data[16 + length :]


def test_scalars_arrive(events):
    stats, written = events
    values = {v.tag: v.simple_value for v in written[1].summary.value}
    row = stats.history[0]
    assert values["gradient/norm"] == pytest.approx(row["grad_norm"], rel=1e-6)
    assert values["norm/first"] == pytest.approx(row["layers"]["first"]["norm"], rel=1e-6)
    for name in ("weight_norm", "update_ratio", "zero_fraction", "signal_gradient_rms"):
        expected = row["layers"]["first"][name]
        assert values[f"{name}/first"] == pytest.approx(expected, rel=1e-6)
    for name, expected in row["activations"]["first"].items():
        assert values[f"activation_{name}/first"] == pytest.approx(expected, rel=1e-6)


def test_each_recorded_step_is_an_event(events):
    _, written = events
    assert [event.step for event in written[1:]] == [0, 1, 2]


def test_histograms_arrive(events):
    stats, written = events
    (histogram,) = [v.histo for v in written[1].summary.value if v.tag == "log2_gradient/last"]
    assert list(histogram.bucket) == stats.history[0]["layers"]["last"]["histogram"]
    assert histogram.num == sum(histogram.bucket)


def test_a_missing_package_is_one_sentence_at_construction(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        GradientStats(log_dir=tmp_path / "events")
    assert not (tmp_path / "events").exists()


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="TensorFlow runs here")
def test_tensorflow_is_not_imported(tmp_path):
    code = (
        "import sys, keras, numpy as np\n"
        "from kerasinit.callbacks import GradientStats\n"
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n"
        "stats = GradientStats(log_dir=sys.argv[1])\n"
        "model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[stats])\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert run.returncode == 0, run.stderr
