"""What is said of programs as users write them: the cause, and a line that runs."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((128, 8)).astype("float32")
VALUES = np.sin(X[:, :1]) + X[:, 1:2]
SIDES = (X[:, :1] > 0).astype("float32")
KINDS = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0)
WAVES = RNG.standard_normal((128, 20, 3)).astype("float32")
Dense, Adam, SGD = layers.Dense, keras.optimizers.Adam, keras.optimizers.SGD


def compiled(*inner, optimizer="adam", loss="mse", shape=(8,)):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *inner])
    model.compile(optimizer, loss)
    return model


class Gated(keras.Model):
    """Gates that are nearly closed at the start, made in `call` by a plain product."""

    def __init__(self):
        super().__init__()
        closed = keras.initializers.Constant(-6.0)
        self.gates = [Dense(24, "sigmoid", bias_initializer=closed) for _ in range(6)]
        self.inner = [Dense(24, "relu") for _ in range(6)]
        self.first, self.head = Dense(24), Dense(1)

    def call(self, x):
        x = self.first(x)
        for gate, inner in zip(self.gates, self.inner, strict=True):
            share = gate(x)
            x = share * inner(x) + (1 - share) * x
        return self.head(x)


def gated():
    keras.utils.set_random_seed(0)
    model = Gated()
    model.compile(Adam(5e-3), "mse")
    model(X[:2])
    return model


def sine_net():
    inputs = keras.Input((8,))
    z = ops.sin(30 * Dense(48, kernel_initializer=keras.initializers.RandomUniform(-1, 1))(inputs))
    small = keras.initializers.RandomUniform(-0.0118, 0.0118)
    z = ops.sin(30 * Dense(48, kernel_initializer=small)(z))
    model = keras.Model(inputs, Dense(1)(z))
    model.compile(Adam(1e-4), "mse")
    return model


def zero_cells():
    zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    return compiled(layers.LSTM(16, **zeros), Dense(1), shape=(20, 3))


def detector():
    """Rare classes beside boxes, in one output, with a bias that says how rare they are."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    x = Dense(16, "relu")(Dense(16, "relu")(inputs))
    rare = keras.initializers.Constant(-np.log(99.0))
    classes = Dense(3, bias_initializer=rare)(x)
    model = keras.Model(inputs, layers.Concatenate()([classes, Dense(4)(x)]))
    model.compile("adam", lambda y_true, y_pred: ops.mean(ops.square(y_pred[:, 3:] - y_true)))
    return model


@pytest.mark.parametrize(
    ("make", "x"),
    [(gated, X), (sine_net, X), (zero_cells, WAVES), (detector, 0.1 * X)],
    ids=lambda v: str(v)[:20],
)
def test_an_unusual_design_is_not_blamed(make, x):
    kerasinit.diagnose(make(), x, VALUES).assert_healthy()


def test_a_bias_that_takes_the_mean_of_sigmoids_away_leaves_the_scale_as_it_is():
    model = compiled(*[Dense(32, "sigmoid") for _ in range(8)], Dense(1))
    kerasinit.initialize(model, seed=0)
    kerasinit.diagnose(model, X, VALUES).assert_healthy()


def relu(count, width=64):
    return [Dense(width, "relu") for _ in range(count)]


FAULTS = {
    "softmax over one unit, behind the layer": (
        lambda: compiled(Dense(1), layers.Activation("softmax"), loss="binary_crossentropy"),
        (X, SIDES),
        "constant_output",
    ),
    "penalty of activities": (
        lambda: compiled(
            Dense(64, "relu", activity_regularizer=keras.regularizers.L1(5.0)), Dense(1)
        ),
        (X, VALUES),
        "unexpected_loss",
    ),
    "targets out of reach of the rate": (
        lambda: compiled(*relu(1), Dense(1)),
        (X, 2e4 + 4e3 * VALUES),
        "bad_targets",
    ),
    "targets that are too large for the rate": (
        lambda: compiled(*relu(1), Dense(1), optimizer=SGD(0.01)),
        (X, 3e4 + 1e4 * VALUES),
        "bad_targets",
    ),
    "prices and square feet as they are": (
        lambda: compiled(*relu(2), Dense(1)),
        (1e3 * X, 3e5 + 1e5 * VALUES),
        "bad_targets",
    ),
    "a schedule of tiny rates": (
        lambda: compiled(
            *relu(1),
            Dense(1),
            optimizer=Adam(keras.optimizers.schedules.ExponentialDecay(1e-7, 1000, 0.9)),
        ),
        (X, VALUES),
        "small_updates",
    ),
    "a rate a hundred times too low": (
        lambda: compiled(
            *relu(2, 32),
            Dense(3, "softmax"),
            optimizer=SGD(1e-5),
            loss="sparse_categorical_crossentropy",
        ),
        (X, KINDS),
        "small_updates",
    ),
    "a rate a hundred times too high": (
        lambda: compiled(*relu(3, 128), Dense(1), optimizer=Adam(0.1)),
        (X, VALUES),
        "large_updates",
    ),
    "a step function": (
        lambda: compiled(Dense(32, ops.sign), Dense(32, ops.sign), Dense(1)),
        (X, VALUES),
        "zero_gradient",
    ),
    "a state that doubles": (
        lambda: compiled(
            layers.SimpleRNN(
                16, activation="relu", recurrent_initializer=keras.initializers.Identity(2.0)
            ),
            Dense(1),
            shape=(20, 3),
        ),
        (WAVES, VALUES),
        "exploding",
    ),
    "softmax in hidden layers": (
        lambda: compiled(
            *[Dense(64, "softmax") for _ in range(3)],
            Dense(3, "softmax"),
            loss="sparse_categorical_crossentropy",
        ),
        (X, KINDS),
        "vanishing",
    ),
}


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # the fault under test
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_first_and_its_line_runs(name):
    make, (x, y), cause = FAULTS[name]
    model = make()
    first = kerasinit.diagnose(model, x, y).verdicts[0]
    assert first.cause == cause
    names = {"model": model, "x": x, "y": y, "np": np, "keras": keras, "kerasinit": kerasinit}
    exec(first.fix, names)
    after = kerasinit.diagnose(model, names["x"], names["y"])
    if first.remedy is not None:
        assert cause not in [verdict.cause for verdict in after.verdicts]


@pytest.mark.parametrize(("mean", "spread"), [(1e3, 0.3), (1e4, 1.0), (1e5, 100.0)])
def test_outputs_that_differ_as_little_as_their_targets_are_not_constant(mean, spread):
    model = compiled(*relu(2), Dense(1))
    prepared = kerasinit.prepare(model, X, mean + spread * VALUES, seed=0)
    causes = [verdict.cause for verdict in prepared.diagnosis.verdicts]
    assert "constant_output" not in causes
