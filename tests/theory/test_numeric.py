"""A callable without a formula is resolved to its kinks and its derivative."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasinit.theory import gain, resolve

CASES = {
    "relu": keras.activations.relu,
    "relu6": keras.activations.relu6,
    "selu": keras.activations.selu,
    "elu": keras.activations.elu,
    "gelu": keras.activations.gelu,
    "silu": keras.activations.silu,
    "tanh": keras.activations.tanh,
    "hard_sigmoid": keras.activations.hard_sigmoid,
    "soft_shrink": keras.activations.soft_shrink,
}


@pytest.mark.parametrize("moment", ["forward", "backward", "centered"])
@pytest.mark.parametrize("name", CASES)
def test_a_wrapped_activation_has_the_gains_of_the_named_one(name, moment):
    wrapped = resolve(lambda x: CASES[name](x))
    assert gain(wrapped, moment) == pytest.approx(gain(name, moment), rel=1e-6)


@pytest.mark.parametrize("name", ["relu", "relu6", "hard_sigmoid", "soft_shrink"])
def test_kinks_are_found_where_the_formula_has_them(name):
    assert resolve(lambda x: CASES[name](x)).kinks == pytest.approx(resolve(name).kinks, abs=1e-6)


def test_the_derivative_is_accurate_between_and_beyond_the_kinks():
    # relu and sigmoid stay in double precision on every backend.
    activation = resolve(lambda x: ops.relu(x) ** 2 + ops.sigmoid(4.0 * x))
    x = np.concatenate([np.linspace(-30.03, 30.07, 997), [-40.0, 50.0]])
    level = resolve("sigmoid").function(4 * x)
    expected = 2 * np.maximum(x, 0) + 4 * level * (1 - level)
    np.testing.assert_allclose(activation.derivative(x), expected, rtol=1e-9, atol=1e-8)


def test_a_steep_function_is_resolved():
    activation = resolve(lambda x: ops.sigmoid(100.0 * x))
    np.testing.assert_allclose(activation.derivative(np.zeros(1)), 25, rtol=1e-7)


def test_numpy_functions_are_accepted():
    assert gain(lambda x: np.tanh(ops.convert_to_numpy(x))) == pytest.approx(gain("tanh"), rel=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_in_single_precision_is_resolved_to_that_precision(dtype):
    activation = resolve(lambda x: ops.cast(ops.relu(ops.cast(x, "float32") - 0.3), dtype))
    assert min(abs(kink - 0.3) for kink in activation.kinks) < 1e-5
    exact = resolve(lambda x: ops.relu(x - 0.3))
    assert gain(activation, "backward") == pytest.approx(gain(exact, "backward"), rel=1e-5)


def test_a_callable_is_resolved_while_a_backend_traces():
    seen = []

    class Traced(keras.layers.Layer):
        def call(self, x):
            seen.append(gain(lambda t: ops.tanh(t)))
            return x * seen[-1]

    model = keras.Sequential([keras.Input((2,)), Traced()])
    model.compile()
    model.predict(np.ones((2, 2), "float32"), verbose=0)
    assert seen[-1] == pytest.approx(gain("tanh"), rel=1e-7)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda x: ops.softmax(x), "not elementwise"),
        (lambda x: ops.log(ops.abs(x) - 1.0), "must be finite"),
        (lambda x: ops.round(x * 200.0), "too many kinks"),
        (lambda x: ops.sum(x), "must keep the shape"),
        (lambda x, y: x, "could not be evaluated"),
    ],
    ids=["softmax", "log", "stairs", "sum", "two arguments"],
)
def test_what_is_no_activation_is_refused(function, match):
    with pytest.raises(ValueError, match=match):
        resolve(function)
