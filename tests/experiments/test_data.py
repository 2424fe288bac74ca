import numpy as np
import pytest

from kerasinit.experiments import run
from kerasinit.experiments._data import load

PLAYGROUND = ("circle", "xor", "gauss", "spiral")


@pytest.mark.parametrize("name", ["digits", "breast_cancer", *PLAYGROUND])
def test_inputs_are_standardised_over_the_training_part(name):
    data = load(name)
    assert data.x.mean() == pytest.approx(0, abs=1e-5)
    assert data.x.std() == pytest.approx(1, abs=1e-4)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize("name", ["digits", *PLAYGROUND])
def test_the_split_is_the_same_every_time(name):
    np.testing.assert_array_equal(load(name).x_val, load(name).x_val)


def test_digits_are_split_as_in_the_literature():
    data = load("digits")
    assert (len(data.x) + len(data.x_val), data.classes, data.input_shape) == (1797, 10, (64,))
    assert len(data.x) == pytest.approx(1400, abs=5)


@pytest.mark.parametrize("name", PLAYGROUND)
def test_playground_sets_have_two_even_classes(name):
    data = load(name)
    assert np.mean(np.concatenate([data.y, data.y_val])) == pytest.approx(0.5, abs=0.06)


def test_a_straight_line_cannot_split_the_spiral():
    data = load("spiral")
    direction = np.linalg.lstsq(data.x, 2.0 * data.y - 1, rcond=None)[0]
    assert np.mean((data.x @ direction > 0) == data.y) < 0.75


def test_a_file_is_split_and_its_labels_counted_from_zero(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.arange(50.0).reshape(25, 2), y=np.array([3, 7, 7, 9, 3] * 5))
    data = load(str(path))
    assert data.classes == 3
    assert set(np.concatenate([data.y, data.y_val]).tolist()) == {0, 1, 2}


def test_a_file_may_bring_its_own_split(tmp_path):
    path = tmp_path / "mine.npz"
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8) % 2
    np.savez(path, x=x, y=y, x_val=x[:2], y_val=y[:2])
    assert (len(load(str(path)).x), len(load(str(path)).x_val)) == (8, 2)


@pytest.fixture
def run_on(tmp_path, tiny):
    """Runs an experiment on a data set."""
    return lambda name: run(tiny(data=str(name)), tmp_path / "run")


def test_a_file_without_labels_says_what_it_holds(tmp_path, run_on):
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.zeros(3))
    with pytest.raises(ValueError, match=r"must hold the arrays 'x' and 'y'.*\['images'\]"):
        run_on(path)


def test_labels_that_are_no_integers_are_refused(tmp_path, run_on):
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.zeros((3, 2)), y=np.zeros(3))
    with pytest.raises(ValueError, match="one integer label per example"):
        run_on(path)


def test_a_file_that_is_no_archive_is_refused(tmp_path, run_on):
    path = tmp_path / "mine.npz"
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"could not be read as an \.npz.*a file of another kind"):
        run_on(path)


def test_keras_data_that_cannot_be_fetched_says_what_to_do(run_on, monkeypatch):
    def offline():
        raise OSError("no route to host")

    monkeypatch.setattr("keras.datasets.mnist.load_data", offline)
    with pytest.raises(ValueError, match=r"data: .*could not be fetched.*'digits'"):
        run_on("keras:mnist")


def test_keras_data_keeps_its_own_split(monkeypatch):
    images = np.random.default_rng(0).integers(0, 255, (6, 28, 28))
    labels = np.arange(6)
    monkeypatch.setattr(
        "keras.datasets.mnist.load_data", lambda: ((images, labels), (images[:2], labels[:2]))
    )
    data = load("keras:mnist")
    assert (data.input_shape, len(data.x_val), data.classes) == ((28, 28), 2, 6)


def stored(tmp_path, **arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    return load(str(tmp_path / "mine.npz"))


@pytest.mark.parametrize(
    "counts", [(2, 2, 40), (90, 8, 2), (5, 5, 5), (3, 2, 2), (300, 200, 100)], ids=str
)
def test_each_class_has_its_share_in_both_parts_of_a_file(counts, tmp_path):
    y = np.repeat(np.arange(len(counts)), counts)
    data = stored(tmp_path, x=np.random.default_rng(0).normal(size=(len(y), 2)), y=y)
    assert len(data.y) + len(data.y_val) == len(y)
    for label, count in enumerate(counts):
        kept = int(np.sum(data.y_val == label))
        assert 1 <= kept < count
        assert abs(kept - 0.22 * count) <= 1


def test_a_class_of_one_sample_takes_none_from_a_class_of_two(tmp_path):
    y = np.array([0, 0, *range(1, 9)])
    data = stored(tmp_path, x=np.random.default_rng(0).normal(size=(10, 2)), y=y)
    assert (np.sum(data.y == 0), np.sum(data.y_val == 0)) == (1, 1)


def test_no_sample_of_a_file_is_in_both_parts(tmp_path):
    y = np.arange(50) % 3
    data = stored(tmp_path, x=np.arange(100.0).reshape(50, 2), y=y)
    found = np.concatenate([data.x, data.x_val])[:, 0]
    assert len(np.unique(found)) == 50


def test_each_column_of_a_table_is_standardised_over_the_training_part(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3)) * [1e-6, 1.0, 1e6] + [0, 5, -1e7]
    data = stored(tmp_path, x=x, y=np.arange(60) % 2)
    np.testing.assert_allclose(data.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.x.std(axis=0), 1, atol=1e-5)
    assert 0.5 < data.x_val[:, 0].std() < 2


@pytest.mark.parametrize("shape", [(4, 4), (5, 2), (4, 4, 3)])
def test_pictures_and_sequences_are_standardised_as_a_whole(shape, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, *shape)) * np.geomspace(0.01, 1, shape[-1])
    data = stored(tmp_path, x=x, y=np.arange(60) % 2)
    assert data.x.std() == pytest.approx(1, abs=1e-4)
    assert data.x[..., 0].std() < 0.1 * data.x[..., -1].std()


def test_a_column_that_is_constant_in_training_is_zero_everywhere(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    x[:, 0] = 0.1
    new = np.where(np.arange(2) == 0, 255.0, x[:4])
    data = stored(tmp_path, x=x, y=y, x_val=new, y_val=y[:4])
    assert not data.x[:, 0].any()
    assert not data.x_val[:, 0].any()
