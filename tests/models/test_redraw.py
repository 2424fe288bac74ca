import keras
import numpy as np
import pytest

from kerasinit import initialize
from kerasinit.models import Redraw


def block(activation="gelu"):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, activation=activation, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.1, name="drop")(keras.layers.Flatten(name="flat")(x))
    x = keras.layers.Dense(9, activation=activation, name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="head")(x), name="block")


@keras.saving.register_keras_serializable("tests")
class Arange(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.reshape(keras.ops.arange(int(np.prod(shape)), dtype=dtype), shape)

    def get_config(self):
        return {}


@pytest.mark.parametrize(
    "rules",
    [None, "he_normal", "kerasinit>Auto", "orthogonal", [("hidden", "ones")], Arange()],
    ids=str,
)
@pytest.mark.parametrize("activation", ["gelu", "sigmoid"])  # sigmoid's biases read the kernels
@pytest.mark.parametrize("seed", [0, 7])
def test_it_draws_what_initialize_assigns(rules, activation, seed):
    model = block(activation)
    drawn = Redraw(model, rules)
    initialize(model, "ones", seed=1)  # what the model holds does not matter
    drawn(seed=3)
    found = drawn(seed=seed)
    initialize(model, rules, seed=seed)
    for variable, values in zip(model.variables, found, strict=True):
        np.testing.assert_array_equal(values, keras.ops.convert_to_numpy(variable), variable.path)


def test_the_kernel_of_an_odd_number_of_units_is_put_together_as_in_initialize():
    model = keras.Sequential(
        [keras.Input((40,)), *(keras.layers.Dense(33, activation="tanh") for _ in range(3))]
    )
    found = Redraw(model)(seed=5)
    initialize(model, seed=5)
    for variable, values in zip(model.variables, found, strict=True):
        np.testing.assert_array_equal(values, keras.ops.convert_to_numpy(variable), variable.path)


def test_a_kernel_drawn_before_stays_as_it_is():
    drawn = Redraw(block())
    first = drawn(seed=1)
    kept = [values.copy() for values in first]
    drawn(seed=2)
    for values, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(values, before)


def test_a_frozen_layer_keeps_its_weights():
    model = block()
    model.get_layer("hidden").trainable = False
    before = keras.ops.convert_to_numpy(model.get_layer("hidden").kernel)
    position = [variable.path for variable in model.variables].index("hidden/kernel")
    np.testing.assert_array_equal(Redraw(model, "he_normal")(seed=1)[position], before)


def test_half_precision_weights_come_in_their_dtype():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype="float16")])
    assert [values.dtype for values in Redraw(model, "he_normal")(seed=1)] == ["float16"] * 2


def test_values_that_are_not_finite_are_refused():
    def bad(shape, dtype=None):
        return keras.ops.full(shape, np.inf, dtype=dtype)

    with pytest.raises(ValueError, match="not finite"):
        Redraw(block(), bad)(seed=1)


def test_an_initializer_that_cannot_fill_a_variable_is_refused_at_construction():
    with pytest.raises(ValueError, match="cannot fill 'hidden/kernel'"):
        Redraw(block(), [("hidden", "stft")])
