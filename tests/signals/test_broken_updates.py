"""An optimizer that makes NaN of finite gradients is named, before training and in it."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.callbacks import GradientStats

COMPILED = keras.config.backend() == "jax"  # XLA takes long on TensorFlow
X = np.random.default_rng(0).standard_normal((32, 6)).astype("float32")
X[:, 0] = 0.0  # a column that never varies: its row of the kernel gets no gradient
Y = X[:, 1:2] * X[:, 2:3]


def model(epsilon):
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((6,)), layers.Dense(16, "tanh"), layers.Dense(1)])
    made.compile(keras.optimizers.Adam(1e-3, epsilon=epsilon), "mse", jit_compile=COMPILED)
    return made


@pytest.mark.parametrize(("epsilon", "causes"), [(1e-7, []), (0.0, ["non_finite"])])
def test_a_division_of_zero_by_zero_is_foreseen_and_mended(epsilon, causes):
    found = kerasinit.diagnose(made := model(epsilon), X, Y).verdicts
    assert [verdict.cause for verdict in found] == causes
    for verdict in found:
        assert "makes NaN of its weights, of finite gradients" in verdict.evidence
        exec(verdict.fix.partition("  #")[0], {"model": made, "keras": keras})
        assert kerasinit.diagnose(made, X, Y).verdicts == ()


def test_a_training_says_which_step_made_nan_of_the_weights():
    stats = GradientStats(on_verdict=lambda verdict: None)
    model(0.0).fit(X, Y, batch_size=8, verbose=0, callbacks=[stats])
    (found,) = stats.verdicts
    assert (found.cause, found.where.split("_")[0]) == ("non_finite", "dense")
    assert found.evidence.startswith("step 0 of the optimizer made NaN of its weights")


@pytest.mark.parametrize("rate", [float("nan"), float("inf")])
def test_a_rate_that_is_no_number_is_told_as_such(rate):
    made = model(1e-7)
    made.optimizer.learning_rate = rate
    (found,) = kerasinit.diagnose(made, X, Y).verdicts
    assert (found.cause, found.evidence) == ("non_finite", f"the learning rate is {rate}")
    exec(found.fix.partition("  #")[0], {"model": made})
    assert kerasinit.diagnose(made, X, Y).verdicts == ()
