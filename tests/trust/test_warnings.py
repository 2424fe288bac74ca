"""Nothing that is healthy warns: programs that turn warnings into errors run as before."""

import warnings

import keras
import numpy as np
import pytest

import kerasinit

X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
Y = X[:, :3] * X[:, 3:]


@pytest.fixture
def model():
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3)]
    )
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    return model


def fit(model, **options):
    return model.fit(X, Y, batch_size=16, verbose=0, callbacks=[kerasinit.GradientStats(**options)])


@pytest.mark.parametrize(
    "use",
    [
        fit,
        lambda model: fit(model, on_verdict="stop", activations_every=1),
        lambda model: kerasinit.initialize(model, seed=1),
        lambda model: kerasinit.initialize(model, seed=1, data=X, reset_optimizer=True),
        lambda model: kerasinit.reset(model, seed=1),
        lambda model: kerasinit.diagnose(model, X, Y),
        lambda model: kerasinit.diagnose(model, X, Y, verify=True),
        lambda model: kerasinit.prepare(model, X, Y, seed=1),
        lambda model: kerasinit.learning_rate(model, X, Y),
    ],
    ids=["fit", "stop", "initialize", "data", "reset", "diagnose", "verify", "prepare", "rate"],
)
def test_no_warning_is_given_without_a_reason(model, use):
    with warnings.catch_warnings():
        # Also what the line in pyproject.toml lets pass for Keras' own sake.
        warnings.simplefilter("error")
        use(model)


class Factor(keras.layers.Layer):
    """A weight that nobody can make anew: the argument is none that Keras records."""

    def __init__(self, start):
        super().__init__()
        self.start = start

    def build(self, shape):
        self.factor = self.add_weight(
            shape=(shape[-1],), initializer=keras.initializers.Constant(float(self.start))
        )

    def call(self, x):
        return x * self.factor


@pytest.mark.parametrize("verb", [kerasinit.initialize, kerasinit.reset])
def test_a_factor_of_unknown_start_gives_no_warning(verb):
    inputs = keras.Input((6,))
    branch = keras.layers.Dense(6)(keras.layers.LayerNormalization()(inputs))
    outputs = keras.layers.Dense(3)(inputs + Factor(np.full((), 0.01))(branch))
    model = keras.Model(inputs, outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = verb(model, seed=1)
    reasons = [row.reason for row in plan]
    assert verb is kerasinit.reset or any("factor, 0.01 at first" in one for one in reasons)
