"""A file with numbers instead of labels is compared by mean squared error and R2."""

import re

import numpy as np
import pytest
from sklearn.metrics import r2_score

from kerasinit import experiments, report
from kerasinit.experiments._data import load
from kerasinit.experiments._objective import explained


def write(path, y, **arrays):
    x = np.random.default_rng(0).normal(size=(len(y), 4)).astype("float32")
    np.savez(path, x=x, y=y, **arrays)
    return str(path)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    x = np.random.default_rng(0).normal(size=(400, 4)).astype("float32")
    return write(tmp_path_factory.mktemp("data") / "numbers.npz", 50 + 7 * x[:, 0] - 4 * x[:, 1])


@pytest.fixture(scope="module")
def comparison(file, tmp_path_factory):
    spec = experiments.Experiment(
        data=[file], initializers=["glorot_uniform", "zeros"], activations=["relu"], depths=[1],
        widths=[16], learning_rates=[0.05], epochs=6, seeds=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("run") / "run"
    experiments.run(spec, folder)
    return experiments.compare(folder)


def test_targets_are_standardised_over_the_training_part(file):
    data = load(file)
    assert (data.classes, data.outputs, data.guess) == (0, 1, 0.0)
    assert data.y.dtype == np.float32
    assert np.mean(data.y) == pytest.approx(0, abs=1e-5)
    assert np.std(data.y) == pytest.approx(1, abs=1e-5)
    assert data.targets(data.y[:3]).tolist() == data.y[:3, None].tolist()


def test_the_score_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    y = rng.normal(2, 3, 50)
    guesses = y + rng.normal(size=50)
    error = np.mean((y - guesses) ** 2)
    assert explained(np.array([error]), y)[0] == pytest.approx(r2_score(y, guesses))


def test_a_start_that_trains_explains_the_targets_and_zeros_do_not(comparison):
    trained, stuck = comparison.rows
    assert (trained.initializer, stuck.initializer) == ("glorot_uniform", "zeros")
    assert trained.score == comparison.score == "R2"
    assert trained.val_accuracy.value > 0.9
    assert trained.trained_share == 1
    assert stuck.val_accuracy.value < 0.1
    assert (stuck.trained_share, stuck.verdict) == (0, "symmetric")


def test_the_score_of_a_record_follows_from_its_loss(comparison, file):
    variance = np.var(load(file).y_val)
    for replica in comparison.replicas:
        expected = np.clip(1 - np.array(replica.curves["val_loss"]) / variance, 0, 1)
        assert replica.curves["val_accuracy"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("form", ["md", "json", "csv"])
def test_an_export_says_r2(comparison, form):
    assert "R2" in report.export(comparison, form)


def test_every_text_says_r2_and_none_says_accuracy(comparison, tmp_path):
    page = report.write(comparison, tmp_path / "page.html").read_text("utf-8")
    shown = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", " ", shown)
    for text in (shown, str(comparison), " ".join(report.summary(comparison))):
        assert "R2" in text
        assert "accuracy" not in text


@pytest.mark.parametrize(
    ("y", "part"),
    [
        (np.array([0.5, np.nan, 1.5, 2.0] * 5), "'y' must hold finite numbers"),
        (np.array([0.5, np.inf, 1.5, 2.0] * 5), "'y' must hold finite numbers"),
        (np.full(20, 0.5), "'y' must hold two numbers at least"),
    ],
)
def test_targets_that_nothing_can_be_learned_from_are_refused(tmp_path, y, part):
    with pytest.raises(ValueError, match=part):
        load(write(tmp_path / "bad.npz", y))


def test_validation_targets_of_another_kind_are_refused(tmp_path):
    more = {"x_val": np.zeros((3, 4), "float32"), "y_val": np.array(["a", "b", "c"])}
    path = write(tmp_path / "bad.npz", np.linspace(0, 1, 20), **more)
    with pytest.raises(ValueError, match="'y_val' must hold one number per example"):
        load(path)


def test_numbers_stay_numbers_where_the_training_part_holds_whole_ones(tmp_path):
    y = np.arange(100.0)
    last = np.random.default_rng(0).permutation(100)[-1]  # in the validation part
    y[last] += 0.5
    data = load(write(tmp_path / "numbers.npz", y))
    assert data.classes == 0
    assert len(data.y) + len(data.y_val) == 100
    assert data.y_val.dtype == np.float32
