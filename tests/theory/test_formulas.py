"""Every formula is what Keras computes, and its derivative is its derivative."""

import keras
import numpy as np
import pytest

from kerasinit.theory import resolve
from kerasinit.theory._formulas import FORMULAS

KERAS_NAMES = sorted(
    name
    for name in vars(keras.activations)
    if name in FORMULAS and callable(getattr(keras.activations, name))
)
# Away from the kinks, which all lie at multiples of 0.1.
X = np.linspace(-7.03, 7.07, 283)


def parameters(name):
    return {"threshold": 0.3, "default_value": -0.2} if name == "threshold" else {}


def test_every_elementwise_activation_of_keras_has_a_formula():
    others = {"get", "serialize", "deserialize", "glu", "softmax", "log_softmax", "sparsemax"}
    aliases = {"swish", "hard_swish"}
    names = {name for name in dir(keras.activations) if callable(getattr(keras.activations, name))}
    assert names - others - aliases <= set(FORMULAS)


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_values_are_those_of_keras(name):
    x = keras.ops.convert_to_tensor(X.astype("float32"))
    theirs = getattr(keras.activations, name)(x, **parameters(name))
    ours = resolve(name, **parameters(name)).function(X.astype("float32").astype("float64"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(theirs), ours, rtol=2e-5, atol=3e-6)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}),
        ("relu", {"threshold": -1.0}),
        ("leaky_relu", {"negative_slope": 0.7}),
        ("elu", {"alpha": 0.3}),
        ("celu", {"alpha": 2.0}),
        ("gelu", {"approximate": True}),
        ("squareplus", {"b": 1.0}),
        ("hard_shrink", {"threshold": 1.5}),
        ("soft_shrink", {"threshold": 0.2}),
    ],
    ids=str,
)
def test_parameters_mean_what_they_mean_in_keras(name, values):
    x = keras.ops.convert_to_tensor(X.astype("float32"))
    theirs = getattr(keras.activations, name)(x, **values)
    ours = resolve(name, **values).function(X.astype("float32").astype("float64"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(theirs), ours, rtol=2e-5, atol=3e-6)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_the_derivative_is_the_derivative(name):
    activation = resolve(name, **parameters(name))
    step = 1e-5
    chord = (activation.function(X + step) - activation.function(X - step)) / (2 * step)
    np.testing.assert_allclose(activation.derivative(X), chord, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_extreme_inputs_give_no_nan(name):
    activation = resolve(name, **parameters(name))
    x = np.array([-700.0, -40.0, 0.0, 40.0, 700.0])
    with np.errstate(over="ignore"):
        assert not np.any(np.isnan(activation.function(x)))
        assert not np.any(np.isnan(activation.derivative(x)))
