"""An activation is recognised in every form in which Keras users have one."""

import functools

import keras
import numpy as np
import pytest

from kerasinit.theory import Activation, resolve


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "linear"),
        ("identity", "linear"),
        ("swish", "silu"),
        ("hard_swish", "hard_silu"),
        ("exp", "exponential"),
        (keras.activations.gelu, "gelu"),
        (keras.ops.relu, "relu"),
        (keras.layers.ReLU(), "relu"),
        (keras.layers.Activation("tanh"), "tanh"),
        (keras.layers.Identity(), "linear"),
        (keras.activations.get("elu"), "elu"),
    ],
    ids=str,
)
def test_a_known_activation_is_recognised(given, name):
    assert resolve(given).name == name


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (keras.layers.LeakyReLU(), ("leaky_relu", {"negative_slope": 0.3})),
        (keras.layers.ReLU(max_value=6), ("relu6", {})),
        (keras.layers.ReLU(negative_slope=0.1), ("leaky_relu", {"negative_slope": 0.1})),
        (keras.layers.ELU(alpha=0.5), ("elu", {"alpha": 0.5})),
        (
            functools.partial(keras.activations.leaky_relu, negative_slope=0.4),
            ("leaky_relu", {"negative_slope": 0.4}),
        ),
        (keras.ops.gelu, ("gelu", {"approximate": True})),
        (keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25)), ("prelu", {})),
    ],
    ids=["LeakyReLU", "ReLU6", "ReLU slope", "ELU", "partial", "ops.gelu", "PReLU"],
)
def test_the_parameters_of_a_layer_or_partial_are_read(given, same):
    x = np.linspace(-8, 8, 97)
    name, parameters = same
    expected = resolve(name, **parameters).function(x)
    np.testing.assert_allclose(resolve(given).function(x), expected, rtol=1e-7, atol=1e-12)


def test_a_built_prelu_has_its_current_slopes():
    layer = keras.layers.PReLU()
    layer.build((None, 2))
    layer.alpha.assign([0.3, 0.4])
    slope = resolve(layer).derivative(np.array([-1.0]))
    np.testing.assert_allclose(slope, np.sqrt((0.3**2 + 0.4**2) / 2), rtol=1e-6)


def test_an_activation_is_returned_as_it_is():
    activation = Activation("square", np.square, lambda x: 2 * x, ())
    assert resolve(activation) is activation


def test_a_registered_function_is_found_by_its_name():
    @keras.saving.register_keras_serializable(package="theory_test")
    def doubled(x):
        return 2 * x

    np.testing.assert_allclose(resolve("theory_test>doubled").function(np.ones(3)), 2)


def test_a_function_that_only_borrows_a_keras_name_is_evaluated():
    def relu(x):
        return 3 * x

    np.testing.assert_allclose(resolve(relu).function(-np.ones(2)), -3, rtol=1e-6)


def test_the_same_name_gives_the_same_object():
    assert resolve("leaky_relu", negative_slope=0.1) is resolve("leaky_relu", negative_slope=0.1)


@pytest.mark.parametrize(
    ("given", "parameters", "error", "match"),
    [
        ("gleu", {}, ValueError, r"Unknown activation. Received: activation='gleu'. Did.*'gelu'"),
        ("qqqqqq", {}, ValueError, r"Unknown activation.*Known names: \['celu'"),
        ("softmax", {}, ValueError, "'softmax' mixes the units"),
        (keras.activations.glu, {}, ValueError, "'glu' mixes the units"),
        (keras.layers.Softmax(), {}, ValueError, "'softmax' mixes the units"),
        ("relu", {"slope": 1}, ValueError, r"'relu' takes the parameters.*Received: \{'slope'"),
        ("tanh", {"alpha": 1}, ValueError, "'tanh' takes no parameters"),
        ("threshold", {}, ValueError, "'threshold' takes the parameters"),
        ("celu", {"alpha": 0.0}, ValueError, "Parameter `alpha` of 'celu'.*Received: alpha=0.0"),
        ("elu", {"alpha": float("nan")}, ValueError, "Parameter `alpha` of 'elu'"),
        (keras.layers.ReLU(), {"max_value": 1.0}, ValueError, "Parameters go with a name"),
        (keras.layers.Dense(3), {}, ValueError, "no activation layer.*of type Dense"),
        (3.5, {}, TypeError, r"An activation is a name.*Received: activation=3.5 of type float"),
    ],
)
def test_what_is_no_activation_is_refused_with_help(given, parameters, error, match):
    with pytest.raises(error, match=match):
        resolve(given, **parameters)
