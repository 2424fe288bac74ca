"""Fixes that are suggested were tried, and the model is as it was."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

from .models import CLASSES, X, state_of


def compiled(inner, head, loss, optimizer="sgd"):
    model = keras.Sequential([keras.Input((6,)), *inner, head])
    model.compile(optimizer, loss)
    return model


def small_kernels():
    inner = [layers.Dense(16, "relu", kernel_initializer="zeros") for _ in range(3)]
    return compiled(inner, layers.Dense(3, "softmax"), "sparse_categorical_crossentropy")


def far_too_fast():
    return compiled([layers.Dense(16, "tanh")], layers.Dense(1), "mse", keras.optimizers.Adam(30.0))


def missing_from_logits():
    return compiled([layers.Dense(16, "relu")], layers.Dense(1, name="head"), "bce")


@pytest.mark.parametrize(
    ("make", "y"),
    [
        (small_kernels, CLASSES),
        (far_too_fast, X[:, :1]),
        (missing_from_logits, (CLASSES[:, None] > 0).astype("int32")),
    ],
)
def test_a_fix_that_helps_is_told_with_its_losses_and_nothing_changes(make, y):
    model = make()
    before = state_of(model)[0]
    found = kerasinit.diagnose(model, X[:64], y[:64], verify=True)
    assert state_of(model)[0] == before
    first = found.verdicts[0]
    assert first.remedy is not None
    assert "; tried: loss " in first.fix
    assert "in 30 steps, without it " in " ".join(str(found).split())


def test_a_fix_that_does_not_help_is_not_suggested():
    model = small_kernels()
    y = np.zeros(64, "int32")  # there is nothing to tell apart: a bias is enough
    found = kerasinit.diagnose(model, X[:64], y, verify=True)
    useless = [one for one in found.verdicts if "does not help (tried: " in one.fix]
    assert all(one.remedy is None and one.fix.startswith("# ") for one in useless)


def test_a_dataset_without_batches_is_told_how_to_make_them():
    model = keras.Sequential([keras.Input((X.shape[1],)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"`dataset\.batch\(32\)` makes them"):
        kerasinit.diagnose(model, (sample for sample in zip(X, CLASSES, strict=True)))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[:32] * (1 + index), CLASSES[:32]


DATASETS = {
    "PyDataset": Batches,
    "generator": lambda: (batch for batch in [(X[:32], CLASSES[:32])]),
    "with weights": lambda: [(X[:32], CLASSES[:32], np.ones(32))].__iter__(),
}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_of_a_dataset_the_first_batch_is_looked_at(dataset):
    model = small_kernels()
    assert str(kerasinit.diagnose(model, dataset())) == str(
        kerasinit.diagnose(model, X[:32], CLASSES[:32])
    )


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="its own data sets")
def test_a_dataset_of_tensorflow_is_one_too():
    import tensorflow as tf

    model = small_kernels()
    dataset = tf.data.Dataset.from_tensor_slices((X[:32], CLASSES[:32])).batch(32)
    found = kerasinit.diagnose(model, dataset, verify=True)
    assert str(found) == str(kerasinit.diagnose(model, X[:32], CLASSES[:32], verify=True))


def test_targets_beside_a_dataset_are_refused():
    with pytest.raises(ValueError, match="`y` must be None where `x` is a dataset"):
        kerasinit.diagnose(small_kernels(), Batches(), CLASSES[:32])


@pytest.mark.parametrize("y", [None, X[:, 0]])
def test_what_cannot_be_trained_cannot_be_verified(y):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="needs targets and a compiled model"):
        kerasinit.diagnose(model, X, y, verify=True)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_diagnosis_leaves_a_compiled_model_as_it_is(optimizer):
    model = compiled([layers.Dense(4, "relu")], layers.Dense(1), "mse", optimizer)
    before = state_of(model)[0]
    kerasinit.diagnose(model, X[:32], X[:32, :1])
    assert state_of(model)[0] == before
