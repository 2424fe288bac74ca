"""Models without weights before their first data: `Sequential` without `Input`, own classes."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

from .models import CLASSES, X


def without_input():
    return keras.Sequential([layers.Dense(8, "relu"), layers.Dropout(0.2), layers.Dense(3)])


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(8, "relu")
        self.head = layers.Dense(3)

    def call(self, x):
        return self.head(self.hidden(x))


class Counter(layers.Layer):
    """Notes its calls and its data; assigns while it builds, too, which `fit` loses."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.mean = self.add_weight(shape=shape[1:], initializer="zeros", trainable=False)
        self.mean.assign(keras.ops.full(shape[1:], 0.1))

    def call(self, x):
        self.calls.assign_add(1)
        self.mean.assign(keras.ops.mean(x, axis=0))
        return x - self.mean + self.calls


def counting():
    return keras.Sequential([Counter(), layers.Dense(3)])


class Container(keras.Model):
    """Has no call of its own, as a GAN."""

    def __init__(self):
        super().__init__()
        self.generator = without_input()

    def train_step(self, *arguments):
        raise NotImplementedError


def batches():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X, CLASSES

    return Batches()


def trained(make, ask):
    keras.utils.set_random_seed(3)  # weights are drawn once the data is seen
    model = make()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ask(model)
    model.fit(X, CLASSES, shuffle=False, verbose=0)
    return model.predict(X, verbose=0)


@pytest.mark.parametrize("make", [without_input, Own, counting])
@pytest.mark.parametrize(
    "ask",
    [
        lambda model: kerasinit.diagnose(model, X, CLASSES),
        lambda model: kerasinit.diagnose(model, batches()),
        lambda model: kerasinit.learning_rate(model, X, CLASSES),
        lambda model: kerasinit.prepare(model, X, CLASSES, dry_run=True),
    ],
    ids=["diagnose", "of a dataset", "learning_rate", "prepare"],
)
def test_fit_goes_on_as_if_nobody_had_asked(make, ask):
    alone = trained(make, lambda model: None)
    np.testing.assert_array_equal(trained(make, ask), alone)


@pytest.mark.parametrize(
    ("make", "x", "words"),
    [
        (lambda: keras.Sequential([layers.Conv2D(2, 3)]), X, "did not make them: .*min_ndim=4"),
        (Container, X, "does not have a `call\\(\\)` method.*pass its parts, one by one"),
        (lambda: keras.Sequential([layers.LSTM(2, stateful=True)]), X[:, None], "no weights yet"),
        (without_input, X[:0], "at least one sample"),
        (without_input, X.tolist(), "np.asarray"),
        (without_input, (batch for batch in [(X, CLASSES)]), "no weights yet"),
    ],
    ids=["shape", "container", "stateful", "empty", "lists", "generator"],
)
@pytest.mark.filterwarnings("ignore:.*build:UserWarning")
def test_why_it_could_not_be_built_is_said(make, x, words):
    with pytest.raises(ValueError, match=words):
        kerasinit.diagnose(make(), x)


def test_a_generator_keeps_its_batch():
    given = (batch for batch in [(X, CLASSES)])
    with pytest.raises(ValueError, match="no weights yet"):
        kerasinit.diagnose(without_input(), given)
    assert len(next(given)) == 2


def test_what_is_refused_is_not_built():
    model = without_input()
    with pytest.raises(ValueError, match="not compiled"):
        kerasinit.prepare(model, X, CLASSES)
    assert not model.built


def test_a_stream_that_draws_its_order_draws_no_number_of_the_program():
    class Shuffled:
        def __iter__(self):
            rows = np.random.permutation(len(X))  # noqa: NPY002 - the program's own
            return iter([(X[rows], CLASSES[rows])])

    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    kerasinit.diagnose(without_input(), Shuffled())
    assert np.random.rand() == expected  # noqa: NPY002
