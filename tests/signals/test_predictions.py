"""What theory expects behind operations without weights: closed forms, in one graph of branches."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.signals import measure
from kerasinit.theory import log_length

pytestmark = pytest.mark.usefixtures("quick_compilation")

UNITS = 12
X = np.random.default_rng(0).standard_normal((32, 10)).astype("float32")
IMAGE = (4, 4, 3)


def dense(name, activation=None, units=UNITS, bias=0.5):
    start = keras.initializers.Constant(bias)
    return layers.Dense(units, activation, bias_initializer=start, name=name)


def norm_of(factor, offset, **options):
    layer = layers.LayerNormalization(epsilon=0.25, **options)

    def build(x):
        result = layer(x)
        if layer.gamma is not None:
            layer.gamma.assign(ops.full(layer.gamma.shape, factor))
        if layer.beta is not None:
            layer.beta.assign(ops.full(layer.beta.shape, offset))
        return result

    return build


def named(branch):
    """Name of the layer that reads a branch."""
    return f"reads_{branch.replace(' ', '_')}"


# Squares of the layers `a` (linear) and `b` (ReLU); what the square of the next input is.
def of_squares(function):
    return lambda a, b: function(a.square, b.square)


BRANCHES = {
    "rescaling": (lambda a, b: layers.Rescaling(2.0, 3.0)(a), of_squares(lambda a, b: 4 * a + 9)),
    "activation": (lambda a, b: layers.ReLU()(a), of_squares(lambda a, b: a / 2)),
    "add": (lambda a, b: layers.Add()([a, b]), of_squares(lambda a, b: a + b)),
    "subtract": (lambda a, b: layers.Subtract()([a, b]), of_squares(lambda a, b: a + b)),
    "average": (lambda a, b: layers.Average()([a, b]), of_squares(lambda a, b: (a + b) / 4)),
    "multiply": (lambda a, b: layers.Multiply()([a, b]), of_squares(lambda a, b: a * b)),
    "operators": (lambda a, b: a * b - a[:, :UNITS], None),  # shares a chance with itself
    "join": (
        lambda a, b: layers.Concatenate()([a, b, b]), of_squares(lambda a, b: (a + 2 * b) / 3),
    ),
    "dropout": (lambda a, b: layers.Dropout(0.5)(a), of_squares(lambda a, b: a)),
    "repeat": (lambda a, b: layers.RepeatVector(3)(a), of_squares(lambda a, b: a)),
    "padding": (
        lambda a, b: layers.Flatten()(layers.ZeroPadding1D((1, 2))(layers.Reshape((6, 2))(a))),
        of_squares(lambda a, b: a * 6 / 9),
    ),
    "norm": (lambda a, b: norm_of(3.0, 0.5)(b), lambda a, b: 9 * share_left(b) + 0.25),
    "norm without factors": (
        lambda a, b: norm_of(3.0, 0.5, scale=False)(b), lambda a, b: share_left(b) + 0.25,
    ),
    "norm without offset": (
        lambda a, b: norm_of(3.0, 0.5, center=False)(b),
        lambda a, b: 9 * b.square / (b.square + 0.25),
    ),
    "half known": (lambda a, b: layers.Concatenate()([a, ops.sort(b)]), None),
    "rescaling by unit": (lambda a, b: layers.Rescaling([2.0] * UNITS, 3.0)(a), None),
    "means": (
        lambda a, b: layers.Subtract()([b, layers.Rescaling(1.0, 3.0)(a)]),
        lambda a, b: b.square + a.square + 9.0 - 2 * 3.0 * b.mean,
    ),
    "softmax": (lambda a, b: layers.Softmax()(a), None),
    "sorted": (lambda a, b: ops.sort(a), None),
    "maximum": (lambda a, b: layers.Maximum()([a, b]), None),
    "same twice": (lambda a, b: layers.Add()([a, layers.ReLU()(a)]), None),
}  # fmt: skip


def share_left(b):
    """What an epsilon of 0.25 leaves of the variance of a normalized signal."""
    spread = b.square - b.mean**2
    return spread / (spread + 0.25)


def square_of_weights(layer):
    """Sum of the squares of the weights of a unit, mean over the units."""
    kernel = ops.convert_to_numpy(layer.kernel)
    return np.sum(kernel.astype("float64") ** 2) / layer.units


@pytest.fixture(scope="module")
def graph():
    """All branches in one model, as compiling costs most: rows by name, and the model."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10,))
    a, b = dense("a")(inputs), dense("b", "relu")(inputs)
    ends = [
        layers.Flatten()(dense(named(name))(build(a, b))) for name, (build, _) in BRANCHES.items()
    ]
    model = keras.Model(inputs, layers.Concatenate()(ends))
    return {row.name: row for row in measure(model, X).layers}, model


class Expected(NamedTuple):
    """What theory must say of the outputs of a layer."""

    square: float
    mean: float


def expected(graph):
    """Of `a` (linear) and `b` (ReLU), which read the inputs."""
    a, b = (
        np.mean(np.square(X)) * square_of_weights(graph[1].get_layer(name)) + 0.25 for name in "ab"
    )
    return Expected(a, 0.0), Expected(b / 2, np.sqrt(b / (2 * np.pi)))


def test_a_layer_with_weights_multiplies_the_square_by_that_of_its_weights(graph):
    rows, _ = graph
    a, b = expected(graph)
    assert rows["a"].predicted_rms ** 2 == pytest.approx(a.square, rel=1e-5)
    assert rows["b"].predicted_rms ** 2 == pytest.approx(b.square, rel=1e-5)
    spread = log_length("relu", UNITS, 1).variance ** 0.5 / 2  # of the logarithm of an RMS
    assert rows["b"].predicted_spread == pytest.approx(spread)


@pytest.mark.parametrize("name", BRANCHES)
def test_an_operation_has_its_closed_form_or_theory_starts_again(graph, name):
    rows, model = graph
    row = rows[named(name)]
    weights = square_of_weights(model.get_layer(row.name))
    entering = (row.predicted_rms**2 - 0.25) / weights
    law = BRANCHES[name][1]
    measured = bool(entering == pytest.approx(row.input_rms**2, rel=1e-4))
    assert measured is (law is None)
    if law is not None:
        assert entering == pytest.approx(law(*expected(graph)), rel=1e-4)


# --- images and words -----------------------------------------------------------------------------

WINDOW = 2
POOLS = {  # layer, whether the highest is taken, positions
    "mean": (lambda: layers.AveragePooling2D(WINDOW), False, 4),
    "highest": (lambda: layers.MaxPooling2D(WINDOW), True, 4),
    "long": (lambda: layers.AveragePooling2D((1, 4)), False, 4),
    "of all": (lambda: layers.GlobalAveragePooling2D(), False, 16),
    "highest of all": (lambda: layers.GlobalMaxPooling2D(), True, 16),
    "of one": (lambda: layers.AveragePooling2D(1), False, 1),
    "enlarged": (lambda: layers.UpSampling2D(2), None, 1),
}


@pytest.fixture(scope="module")
def pooled():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(IMAGE)
    drawn = layers.Conv2D(6, 1, name="conv")(inputs)
    ends = [
        layers.Flatten()(dense(named(name), units=3, bias=0.0)(make()(drawn)))
        for name, (make, *_) in POOLS.items()
    ]
    model = keras.Model(inputs, layers.Concatenate()(ends))
    x = np.random.default_rng(0).standard_normal((8, *IMAGE)).astype("float32")
    return {row.name: row for row in measure(model, x).layers}, model


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_lies_between_independent_positions_and_equal_ones(pooled, name):
    rows, model = pooled
    _, highest, positions = POOLS[name]
    conv = rows["conv"]
    row = rows[named(name)]
    entering = row.predicted_rms**2 / square_of_weights(model.get_layer(row.name))
    square = conv.predicted_rms**2
    if highest is None:
        apart = square
    elif highest:  # of so many standard normal numbers
        draws = np.random.default_rng(1).standard_normal((200_000, positions)).max(axis=1)
        apart = square * np.mean(draws**2)
    else:
        apart = square / positions
    assert entering == pytest.approx(np.sqrt(square * apart), rel=0.01)
    chance = (2 * row.predicted_spread) ** 2
    doubt = np.log(np.sqrt(square / apart)) ** 2 / 4
    within = chance - doubt
    assert within == pytest.approx((2 * rows[named("enlarged")].predicted_spread) ** 2, rel=0.05)


def test_a_table_of_words_has_the_size_of_its_numbers_and_the_next_layer_follows():
    words = layers.Embedding(20, 6, embeddings_initializer="random_normal", name="words")
    inputs = keras.Input((5,), dtype="int32")
    end = layers.Dense(4, name="end")
    model = keras.Model(inputs, end(layers.Flatten()(words(inputs))))
    first, last = measure(model, np.arange(60).reshape(12, 5) % 20).layers
    table = ops.convert_to_numpy(words.embeddings)
    assert first.predicted_rms == pytest.approx(np.sqrt(np.mean(table**2)), rel=1e-5)
    assert first.predicted_spread == 0.0
    expected = first.predicted_rms**2 * square_of_weights(end)
    assert last.predicted_rms**2 == pytest.approx(expected, rel=1e-5)


def test_without_biases_the_square_is_multiplied_alone():
    plain = layers.Dense(7, use_bias=False, name="plain")
    (row,) = measure(keras.Sequential([keras.Input((10,)), plain]), X).layers
    square = np.mean(np.square(X)) * square_of_weights(plain)
    assert row.predicted_rms**2 == pytest.approx(square, rel=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_behind_an_activation_that_mixes_units_theory_has_no_word(activation):
    inputs = keras.Input((10,))
    mixed = layers.Dense(8, activation, name="mixed")(inputs)
    rows = measure(keras.Model(inputs, layers.Dense(2, name="end")(mixed)), X).layers
    assert rows[0].predicted_rms is None
    assert rows[1].predicted_rms is not None


def test_of_a_recurrent_layer_theory_has_no_word():
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, layers.GRU(5)(inputs))
    (row,) = measure(model, np.ones((2, 4, 3), "float32")).layers
    assert (row.predicted_rms, row.predicted_spread) == (None, None)


def test_a_layer_of_zeros_is_expected_to_give_nothing_to_talk_of():
    inputs = keras.Input((10,))
    zeros = layers.Dense(8, kernel_initializer="zeros", name="zeros")(inputs)
    rows = measure(keras.Model(inputs, layers.Dense(2)(zeros)), X).layers
    assert [row.predicted_rms for row in rows] == [None, None]
