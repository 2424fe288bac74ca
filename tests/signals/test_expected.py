"""What theory expects through the graph, against random networks."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.signals import measure


def dense(units, name, activation=None):
    return layers.Dense(units, activation, kernel_initializer="he_normal", name=name)


def residual(x):
    for k in range(4):
        x = layers.Add()([x, dense(64, f"down_{k}")(dense(64, f"up_{k}", "relu")(x))])
    return dense(64, "end")(x)


def joined(x):
    parts = [dense(48, "wide", "tanh")(x), dense(16, "narrow", "relu")(x)]
    return dense(64, "end")(layers.Dropout(0.5)(layers.Concatenate()(parts)))


def subtracted(x):
    return dense(64, "end")(layers.Subtract()([dense(64, "a", "relu")(x), dense(64, "b")(x)]))


def normalized(x):
    x = layers.Activation("relu")(layers.BatchNormalization()(dense(64, "first")(x)))
    return dense(64, "end")(layers.LayerNormalization()(x * 2))


def averaged(x):
    x = layers.Reshape((8, 8, 1))(x)
    x = layers.Conv2D(32, 1, activation="relu", name="convolution")(x)
    x = layers.AveragePooling2D(4)(x)
    return dense(64, "end")(layers.GlobalAveragePooling2D()(x))


def highest(x):
    x = layers.Reshape((8, 8, 1))(layers.ZeroPadding1D(0)(x[..., None]))
    x = layers.Conv2D(32, 1, activation="relu", name="convolution")(x)
    return dense(64, "end")(layers.GlobalMaxPooling2D()(x))


def unknown(x):
    x = layers.Lambda(lambda t: ops.sort(t) ** 3)(dense(64, "first")(x))
    return dense(64, "end")(x)


GRAPHS = (residual, joined, subtracted, normalized, averaged, highest, unknown)


X = np.random.default_rng(0).standard_normal((64, 64)).astype("float32")


@functools.cache
def rows_of(graph):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64,))
    return measure(keras.Model(inputs, graph(inputs)), X).layers


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.__name__)
def test_random_networks_do_what_theory_expects(graph):
    for row in rows_of(graph):
        assert row.predicted_rms is not None, row.name
        far = abs(np.log(row.activation_rms / row.predicted_rms))
        assert far < 3 * row.predicted_spread + 0.03, (row.name, row.predicted_rms)


def test_a_residual_stack_doubles_its_square_with_each_block():
    rows = {row.name: row for row in rows_of(residual)}
    growth = (rows["end"].predicted_rms / rows["down_0"].predicted_rms) ** 2
    # He weights: each branch has twice the square of the stream, the last layer doubles it again.
    assert growth == pytest.approx(3.0**4, rel=0.15)


def test_the_spread_grows_with_depth():
    rows = rows_of(residual)
    assert rows[-1].predicted_spread > rows[1].predicted_spread > 0


def test_a_signal_added_to_itself_is_not_taken_for_two():
    inputs = keras.Input((64,))
    hidden = dense(64, "first", "relu")(inputs)
    outputs = dense(64, "end")(layers.Add()([hidden, layers.Activation("tanh")(hidden)]))
    end = measure(keras.Model(inputs, outputs), X).layers[-1]
    # Theory starts again from what `end` receives.
    assert end.predicted_rms == pytest.approx(np.sqrt(2) * end.input_rms, rel=0.1)


def test_weights_of_one_sign_are_far_from_what_theory_expects():
    inputs = keras.Input((64,))
    outputs = layers.Dense(64, name="end", kernel_initializer="ones")(ops.abs(inputs))
    (row,) = measure(keras.Model(inputs, outputs), X).layers
    assert abs(np.log(row.activation_rms / row.predicted_rms)) > 10 * row.predicted_spread


def test_theory_gives_up_quietly_where_sizes_are_out_of_range():
    """Pools that enlarge, signals that underflow, sums of single numbers."""
    if hasattr(layers, "AdaptiveAveragePooling2D"):  # since Keras 3.13
        image = keras.Input((4, 4, 3))
        x = layers.Conv2D(8, 3, padding="same")(image)
        wide = layers.Conv2D(3, 1)(layers.AdaptiveAveragePooling2D(12)(x))
        assert measure(keras.Model(image, wide), np.ones((2, 4, 4, 3), "float32")).layers

    inputs = x = keras.Input((16,))
    for _ in range(34):
        x = layers.Dense(16, kernel_initializer=keras.initializers.RandomNormal(0.0, 1e-3))(x)
    ends = layers.Add()([layers.Dense(4)(x), layers.Dense(4)(x)])
    assert measure(keras.Model(inputs, ends), np.ones((8, 16), "float32")).layers

    x = layers.Dense(8)(inputs)
    number = ops.reshape(ops.add(inputs[0, 0], x[0, 1]), (1, 1))
    assert measure(keras.Model(inputs, layers.Dense(2)(x) + number), np.ones((8, 16), "float32"))


def test_a_spread_that_is_small_beside_the_mean_is_kept():
    row = layers.Dense(
        32, kernel_initializer="he_normal", bias_initializer=keras.initializers.Constant(1000.0)
    )
    x = np.random.default_rng(0).normal(scale=0.01, size=(64, 16)).astype("float32")
    found = measure(keras.Sequential([keras.Input((16,)), row]), x).layers[0]
    assert found.activation_std == pytest.approx(0.01 * 2**0.5, rel=0.3)


@pytest.mark.parametrize("epsilon", [1e-3, 1.0, 100.0])
def test_theory_knows_the_epsilon_of_a_normalization(epsilon):
    inputs = keras.Input((64,))
    outputs = layers.Dense(64, name="end", kernel_initializer="he_normal")(
        layers.LayerNormalization(epsilon=epsilon)(inputs)
    )
    (row,) = [one for one in measure(keras.Model(inputs, outputs), X).layers if one.name == "end"]
    assert row.predicted_rms == pytest.approx(np.sqrt(2) * row.input_rms, rel=0.05)
    assert row.input_rms == pytest.approx(1 / np.sqrt(1 + epsilon), rel=0.1)


SHAPED = {  # what lies between two layers, and the share of the values that pass
    "reshape": lambda x: layers.Reshape((8, 8))(x),
    "flatten": lambda x: layers.Flatten()(layers.Reshape((4, 16))(x)),
    "slice": lambda x: x[:, 10:50],
    "permute": lambda x: layers.Flatten()(layers.Permute((2, 1))(layers.Reshape((4, 16))(x))),
}


@pytest.mark.parametrize("between", SHAPED)
def test_shape_operations_pass_on_what_theory_expects(between):
    inputs = keras.Input((64,))
    x = SHAPED[between](dense(64, "first", "tanh")(inputs))
    model = keras.Model(inputs, dense(32, "end")(x))
    first, end = measure(model, X).layers
    assert end.predicted_rms == pytest.approx(np.sqrt(2) * first.activation_rms, rel=0.1)
    assert end.predicted_rms != pytest.approx(np.sqrt(2) * end.input_rms, rel=1e-9)
