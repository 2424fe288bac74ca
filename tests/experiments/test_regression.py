"""A file with numbers instead of labels is compared by mean squared error and R2."""

import re

import numpy as np
import pytest
from sklearn.metrics import r2_score

from kerasinit import experiments, report


def write(path, y, **arrays):
    x = np.random.default_rng(0).normal(size=(len(y), 4)).astype("float32")
    np.savez(path, x=x, y=y, **arrays)
    return str(path)


def spec_of(file, **changes):
    usual = {
        "data": [file], "initializers": ["zeros"], "activations": ["relu"], "depths": [1],
        "widths": [16], "learning_rates": [0.05], "epochs": 1, "seeds": 1,
    }  # fmt: skip
    return experiments.Experiment(**usual | changes)


def compared(spec, folder):
    experiments.run(spec, folder)
    return experiments.compare(folder)


@pytest.fixture(scope="module")
def validation():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, 4)).astype("float32")
    return x, 50 + 7 * x[:, 0] - 4 * x[:, 1] + rng.normal(size=90)


@pytest.fixture(scope="module")
def file(tmp_path_factory, validation):
    x = np.random.default_rng(0).normal(size=(400, 4)).astype("float32")
    arrays = dict(zip(("x_val", "y_val"), validation, strict=True))
    y = 50 + 7 * x[:, 0] - 4 * x[:, 1]
    return write(tmp_path_factory.mktemp("data") / "numbers.npz", y, **arrays)


@pytest.fixture(scope="module")
def comparison(file, tmp_path_factory):
    spec = spec_of(file, initializers=["glorot_uniform", "zeros"], epochs=6, seeds=2)
    return compared(spec, tmp_path_factory.mktemp("run") / "run")


def test_targets_are_standardised_over_the_training_part(file, validation, tmp_path):
    """A model of zeros that hardly moves gives 0: its loss is the mean square of the targets."""
    spec = spec_of(file, learning_rates=[1e-9])
    (replica,) = compared(spec, tmp_path / "run").replicas
    with np.load(file) as arrays:
        y = arrays["y"]
    expected = np.mean(((validation[1] - y.mean()) / y.std()) ** 2)
    assert replica.curves["val_loss"][-1] == pytest.approx(expected, rel=1e-3)
    assert replica.curves["loss"][-1] == pytest.approx(1.0, rel=0.05)  # of whole batches


def test_a_start_that_trains_explains_the_targets_and_zeros_do_not(comparison):
    trained, stuck = comparison.rows
    assert (trained.initializer, stuck.initializer) == ("glorot_uniform", "zeros")
    assert trained.score == comparison.score == "R2"
    assert trained.val_accuracy.value > 0.9
    assert trained.trained_share == 1
    assert stuck.val_accuracy.value < 0.1
    assert (stuck.trained_share, stuck.verdict) == (0, "symmetric")


def test_the_score_of_a_record_is_that_of_scikit_learn(comparison, file, validation):
    with np.load(file) as arrays:
        scale = arrays["y"].std()
    y = validation[1]
    for replica in comparison.replicas:
        for loss, score in zip(
            replica.curves["val_loss"], replica.curves["val_accuracy"], strict=True
        ):
            guesses = y + loss**0.5 * scale  # off by that much, as the model is on average
            assert score == pytest.approx(max(r2_score(y, guesses), 0.0), abs=1e-4)


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
        compared(spec_of(write(tmp_path / "bad.npz", y)), tmp_path / "run")


def test_validation_targets_of_another_kind_are_refused(tmp_path):
    more = {"x_val": np.zeros((3, 4), "float32"), "y_val": np.array(["a", "b", "c"])}
    path = write(tmp_path / "bad.npz", np.linspace(0, 1, 20), **more)
    with pytest.raises(ValueError, match="'y_val' must hold one number per example"):
        compared(spec_of(path), tmp_path / "run")


def test_numbers_stay_numbers_where_the_training_part_holds_whole_ones(tmp_path):
    y = np.arange(100.0)
    last = np.random.default_rng(0).permutation(100)[-1]  # in the validation part
    y[last] += 0.5
    found = compared(spec_of(write(tmp_path / "numbers.npz", y)), tmp_path / "run")
    assert found.score == "R2"
