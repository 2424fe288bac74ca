"""Batches come from whatever `fit` takes."""

import itertools

import keras
import numpy as np
import pytest

from kerasinit.preparation._batches import ENOUGH, batches_of

from .models import OwnStep, with_own_step

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


class Received(OwnStep):
    """Notes the weights that `fit` hands to its `train_step`."""

    def train_step(self, *arguments):
        self.received = keras.ops.convert_to_numpy(arguments[-1][2]).tolist()
        return super().train_step(*arguments)


@pytest.mark.parametrize(
    "y",
    [[0, 2, 1, 1], [[0], [2], [1], [1]], np.eye(3)[[0, 2, 1, 1]]],
    ids=["sparse", "column", "one-hot"],
)
def test_weights_of_classes_are_those_of_fit(y):
    y, class_weight = np.array(y), {0: 0.5, 2: 3}
    model = with_own_step(Received)
    kind = keras.losses.SparseCategoricalCrossentropy
    loss = (keras.losses.CategoricalCrossentropy if y.shape == (4, 3) else kind)(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(X[:4, :1] * np.ones(6), y, class_weight=class_weight, shuffle=False, verbose=0)
    assert len(model.received) == 4
    batches = taken(X[:4], y, class_weight=class_weight)
    assert batches.weights.tolist() == model.received
    streamed = taken([(X[:4], y)].__iter__(), class_weight=class_weight)
    assert streamed.weights.tolist() == model.received


@pytest.mark.parametrize("class_weight", ["balanced", [1.0, 2.0], np.ones(10)], ids=repr)
@pytest.mark.parametrize("data", [(X, Y), (Sequence(),)], ids=["arrays", "dataset"])
def test_weights_of_classes_that_are_no_mapping_are_refused_with_the_way_to_one(data, class_weight):
    with pytest.raises(
        TypeError, match=r"must be a dict.*dict\(enumerate.*Received: class_weight="
    ):
        taken(*data, class_weight=class_weight)


@pytest.mark.parametrize("form", [lambda x, y: (x, y), lambda x, y: (iter([(x, y)]),)])
def test_a_label_that_is_no_number_is_named_under_class_weights_too(form):
    y = np.where(Y == 3, np.nan, Y)
    with pytest.raises(ValueError, match=r"`y` has 1 values that are not finite.* in sample 3"):
        taken(*form(X, y), class_weight={0: 2.0})


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


class Ragged(keras.utils.PyDataset):
    """Full batches of 4, and what is left."""

    def __init__(self, samples):
        super().__init__()
        self.samples = samples

    def __len__(self):
        return -(-self.samples // 4)

    def __getitem__(self, index):
        rows = np.arange(self.samples)[4 * index : 4 * index + 4]
        return rows[:, None] * np.ones(3), rows


class ShortFirst:
    """An iterable that begins with its short batch."""

    def __init__(self, samples):
        self.batches = Ragged(samples)

    def __iter__(self):
        return map(self.batches.__getitem__, reversed(range(len(self.batches))))


@pytest.mark.parametrize("make", [Ragged, ShortFirst])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("samples", [5, 9, 10])
def test_a_short_batch_never_takes_the_place_of_the_full_ones(make, samples, seed):
    batches = taken(make(samples), steps=8, seed=seed)
    assert batches.size == 4
    assert {y[0] for _, y, _ in batches.items} == set(range(0, samples - 3, 4))
    assert sorted(batches.targets) == list(range(samples))


def test_of_sequences_of_several_lengths_those_of_the_most_frequent_one_are_taken():
    lengths = [9, 5, 7, 5, 6, 5, 7, 5]
    found = taken([(np.full((4, n), i), Y[:4]) for i, n in enumerate(lengths)].__iter__(), steps=8)
    assert {x.shape for x, _, _ in found.items} == {(4, 5)}
    assert {int(x[0, 0]) for x, _, _ in found.items} == {1, 3, 5, 7}
    assert len(found.targets) == 32


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


def test_sequences_that_all_differ_in_length_are_not_one_batch_again_and_again():
    lengths = [9, 5, 7, 6, 8]
    found = taken([(np.ones((4, length)), Y[:4]) for length in lengths].__iter__(), steps=8)
    assert len({x.shape for x, _, _ in found.items}) == ENOUGH
    short = [(np.ones((4, 5)), Y[:4]), (np.ones((3, 5)), Y[:3])]
    assert {x.shape for x, _, _ in taken(iter(short), steps=8).items} == {(4, 5)}
