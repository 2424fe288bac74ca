"""Every formula is what Keras computes, and its derivative is its derivative."""

import keras
import numpy as np
import pytest
import scipy.special

from kerasinit.theory import resolve

MIXING = {"glu", "log_softmax", "softmax", "sparsemax"}  # they mix the units of one input
KERAS_NAMES = sorted(
    name
    for name in dir(keras.activations)
    if callable(getattr(keras.activations, name))
    and name not in MIXING | {"deserialize", "get", "serialize"}
)
NAMES = sorted({*KERAS_NAMES, "erf", "prelu", "relu_squared", "sin"})
# Away from the kinks, which all lie at multiples of 0.1.
X = np.linspace(-7.03, 7.07, 283)


def parameters(name):
    return {"threshold": 0.3, "default_value": -0.2} if name == "threshold" else {}


@pytest.mark.parametrize("name", sorted(MIXING))
def test_what_mixes_the_units_of_an_input_has_no_formula(name):
    with pytest.raises(ValueError, match=f"'{name}' mixes the units"):
        resolve(name)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("erf", scipy.special.erf),
        ("sigmoid", scipy.special.expit),
        ("softplus", lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
        ("gelu", lambda x: x * scipy.special.ndtr(x)),
    ],
)
def test_formulas_are_exact_in_both_tails(name, exact):
    x = np.linspace(-30, 30, 602).reshape(2, 301)
    np.testing.assert_allclose(resolve(name).function(x), exact(x), rtol=2e-13)


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


@pytest.mark.parametrize("name", NAMES)
def test_the_derivative_is_the_derivative(name):
    activation = resolve(name, **parameters(name))
    step = 1e-5
    chord = (activation.function(X + step) - activation.function(X - step)) / (2 * step)
    np.testing.assert_allclose(activation.derivative(X), chord, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_inputs_give_no_nan(name):
    activation = resolve(name, **parameters(name))
    x = np.array([-700.0, -40.0, 0.0, 40.0, 700.0])
    with np.errstate(over="ignore"):
        assert not np.any(np.isnan(activation.function(x)))
        assert not np.any(np.isnan(activation.derivative(x)))
