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
