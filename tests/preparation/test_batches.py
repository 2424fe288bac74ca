"""Batches come from whatever `fit` takes."""

import itertools

import keras
import numpy as np
import pytest

from kerasinit.preparation._batches import batches_of

X = np.arange(10.0)[:, None] * np.ones(3)
Y = np.arange(10)


def taken(x, y=None, weight=None, steps=3, **options):
    return batches_of(x, y, weight, batch_size=4, steps=steps, **options)


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return X[part], Y[part], np.ones(4)


def test_arrays_are_shuffled_and_stay_together():
    batches = taken({"a": X, "b": [X[:, 0]]}, Y, Y + 1)
    for x, y, weight in batches.items:
        assert len(y) == 4
        assert x["a"][:, 0].tolist() == y.tolist() == x["b"][0].tolist() == (weight - 1).tolist()
    assert batches.items[0][0]["a"].dtype == "float32"
    assert batches.targets.tolist() == Y.tolist()


def test_a_dataset_that_is_short_begins_anew_and_gives_all_its_labels():
    batches = taken(Sequence(), steps=5)
    first, second, *others = [y[0] for _, y, _ in batches.items]
    assert {first, second} == {0, 4}
    assert others == [first, second, first]
    assert sorted(batches.targets) == Y[:8].tolist()
    assert batches.weights.sum() == 8


class Sorted(keras.utils.PyDataset):
    """Ten classes, one after the other, of 60 batches each."""

    def __len__(self):
        return 600

    def __getitem__(self, index):
        return X[:4], np.full(4, index // 60)


def in_order():
    return [Sorted()[index] for index in range(500)]


class Iterable:
    def __iter__(self):
        return iter(in_order())


@pytest.mark.parametrize("make", [Sorted, Iterable])
def test_batches_come_from_all_of_a_dataset_that_is_sorted_by_class_and_are_the_same_again(make):
    first, second = ([y[0] for _, y, _ in taken(make(), steps=40).items] for _ in range(2))
    assert first == second
    assert len(set(first)) >= 8
    assert first != sorted(first)


@pytest.mark.parametrize(
    "y",
    [[0, 2, 1, 1], [[0], [2], [1], [1]], np.eye(3)[[0, 2, 1, 1]]],
    ids=["sparse", "column", "one-hot"],
)
def test_weights_of_classes_are_those_of_fit(y):
    batches = taken(X[:4], np.array(y), class_weight={0: 0.5, 2: 3})
    assert batches.weights.tolist() == [0.5, 3, 1, 1]
    streamed = taken([(X[:4], np.array(y))].__iter__(), class_weight={0: 0.5, 2: 3})
    assert streamed.weights.tolist() == [0.5, 3, 1, 1]


@pytest.mark.parametrize(
    ("y", "weight", "words"),
    [
        (Y, Y, "cannot both be given"),
        ({"a": Y, "b": Y}, None, "is for one output with one label"),
        (np.zeros((10, 5, 2)), None, r"is for one output.*\(10, 5, 2\)"),
    ],
)
def test_weights_of_classes_that_fit_would_not_take_are_refused(y, weight, words):
    with pytest.raises(ValueError, match=words):
        taken(X, y, weight, class_weight={0: 2.0})


def test_of_an_endless_generator_as_many_batches_as_steps_are_read():
    counted = itertools.count()
    generator = ((X[:4], Y[:4] + next(counted)) for _ in itertools.count())
    assert len(taken(generator)) == 3
    assert next(counted) == 3


def test_a_batch_of_another_shape_gives_only_labels():
    batches = taken([(X[:4], Y[:4]), (X[4:7], Y[4:7])].__iter__(), steps=2)
    assert [len(y) for _, y, _ in batches.items] == [4, 4]
    assert batches.targets.tolist() == Y[:7].tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((X, Y[:5]), "same number of samples"),
        ((np.full((4, 1), np.nan), Y[:4]), "`x` has 4 values that are not finite.* in sample 0"),
        ((X, np.where(Y == 3, np.inf, Y)), "`y` has 1 values that are not finite.* in sample 3"),
        ((iter([]),), "has no batch"),
        ((Sequence(), Y), "hold their targets. Received: x=Sequence"),
    ],
)
def test_wrong_data_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        taken(*arguments)


def test_a_batch_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        batches_of(X, Y, None, batch_size=0, steps=1)
