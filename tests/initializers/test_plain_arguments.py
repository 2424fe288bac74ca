"""Arguments of a user's own initializer: shown, saved and read back, whatever they are."""

import functools
import json
import math

import keras
import numpy as np
import pytest

from kerasinit import theory
from kerasinit.initializers import HeNormal, LayerInitializer, OddPart, Sparse, XavierNormal


@keras.saving.register_keras_serializable("test_plain_arguments")
class Own(LayerInitializer):
    """An initializer whose argument may be anything.

    Second line.
    """

    def __init__(self, *, given=None, share=math.nan, seed=None):
        super().__init__(seed=seed)
        self.given = given
        self.share = share

    def draw(self, shape, dtype, *, seed, site):
        return keras.ops.zeros(shape, dtype)


def cube(x):
    return x**3


PLAIN = {
    "none": (None, None),
    "bool": (True, True),
    "numpy bool": (np.True_, True),
    "string": ("a", "a"),
    "int": (3, 3),
    "float": (0.5, 0.5),
    "numpy int": (np.int64(3), 3),
    "numpy float": (np.float64(0.5), 0.5),
    "array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "tuple": ((1, np.int32(2), ("b", None)), [1, 2, ["b", None]]),
    "list": ([np.float32(0.25), [True]], [0.25, [True]]),
    "named activation": (theory.resolve("tanh"), "tanh"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_an_argument_is_saved_as_plain_data_of_its_own_type(name):
    given, expected = PLAIN[name]
    found = Own(given=given, share=0.5, seed=1).get_config()["given"]
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(json.dumps(found)) == found


def test_a_layer_as_an_argument_is_saved_with_its_config():
    found = Own(given=keras.layers.LeakyReLU(negative_slope=0.25)).get_config()["given"]
    assert found["class_name"] == "LeakyReLU"
    assert found["config"]["negative_slope"] == 0.25


@pytest.mark.parametrize("given", [cube, theory.resolve(cube)], ids=["function", "activation"])
def test_an_activation_of_the_users_own_is_not_saved_by_a_name(given):
    with pytest.raises(ValueError, match="A function as `given` can only be saved once it is reg"):
        Own(given=given).get_config()


def test_a_registered_function_is_saved_by_its_registered_name():
    @keras.saving.register_keras_serializable("test_plain_arguments")
    def doubled(x):
        return 2 * x

    assert Own(given=doubled).get_config()["given"] == "test_plain_arguments>doubled"


# --- repr -----------------------------------------------------------------------------------------


def test_arguments_at_their_defaults_are_not_shown_even_one_that_equals_nothing():
    assert repr(Own()) == "Own(seed=None)"
    assert repr(Own(given=(1, 2), seed=3)) == "Own(given=(1, 2), seed=3)"


def test_an_array_is_never_taken_for_the_default():
    assert repr(Own(given=np.array([1, 2]))) == "Own(given=array([1, 2]), seed=None)"


def test_a_number_of_another_type_is_not_the_default():
    assert repr(Sparse(nonzero_fraction=0.5, seed=2)) == (
        "Sparse(nonzero_fraction=0.5, gain=1.0, seed=2)"
    )


def test_a_class_that_keeps_no_arguments_is_shown_without_them():
    class Silent(Own):
        def __init__(self, *, amount, seed=None):
            LayerInitializer.__init__(self, seed=seed)

    assert repr(Silent(amount=2)) == "Silent(...)"


def test_a_notebook_sees_the_escaped_arguments_and_the_first_line_about_the_class():
    shown = Own(given="<b>", share=0.5)._repr_html_()
    assert shown == (
        "<code>Own(given=&#x27;&lt;b&gt;&#x27;, share=0.5, seed=None)</code><br>"
        "An initializer whose argument may be anything."
    )


# --- construction ---------------------------------------------------------------------------------


def test_an_inherited_constructor_complains_in_the_name_of_the_class():
    with pytest.raises(TypeError, match=r"XavierNormal\.__init__\(\) got an unexpected .*'gian'"):
        XavierNormal(gian=2.0)


def test_a_constructor_that_is_no_function_is_inherited_as_it_is():
    class Partly(Own):
        __init__ = functools.partialmethod(Own.__init__, share=0.25)

    class Inherits(Partly):
        pass

    assert Inherits().share == 0.25


def test_a_config_without_a_needed_argument_names_it_and_the_call_that_works():
    with pytest.raises(
        ValueError, match=r"needs `activation`, which .*OddPart\(activation=\.\.\.\)"
    ):
        OddPart.from_config({"depth": 3})
    assert OddPart.from_config({"activation": "relu", "depth": 3}).depth == 3


def test_axes_of_an_equation_are_taken_by_a_class_without_such_arguments():
    config = {"given": 1, "seed": 2, "input_axes": [0], "output_axes": [1, 2]}
    made = Own.from_config(config)
    assert (made.input_axes, made.output_axes, made.given) == ([0], [1, 2], 1)


# --- shapes, dtypes and seeds ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (3, TypeError, "`shape` must be a tuple of integers. Received: shape=3"),
        ((True, 3), TypeError, r"tuple of integers. Received: shape=\(True, 3\)"),
        ((2.0, 3), TypeError, r"tuple of integers. Received: shape=\(2.0, 3\)"),
        ((2, -1), ValueError, r"must not have negative sizes. Received: shape=\(2, -1\)"),
    ],
)
def test_what_is_no_shape_is_refused_in_its_own_words(shape, error, message):
    with pytest.raises(error, match=message):
        HeNormal(seed=1)(shape)


@pytest.mark.parametrize("shape", [(0, 3), [2, 0], (np.int64(2), 3)], ids=str)
def test_sizes_may_be_zero_and_of_numpy(shape):
    assert tuple(HeNormal(seed=1)(shape).shape) == tuple(int(size) for size in shape)


def test_the_default_dtype_is_that_of_keras():
    before = keras.config.floatx()
    keras.config.set_floatx("bfloat16")
    try:
        found = keras.backend.standardize_dtype(HeNormal(seed=1)((2, 3)).dtype)
    finally:
        keras.config.set_floatx(before)
    assert found == "bfloat16"


@pytest.mark.parametrize("more", [2**32, 3 * 2**32, 2**64])
def test_a_large_seed_is_read_by_its_last_32_bits(more):
    small, large = (HeNormal(seed=seed)((3, 4)) for seed in (5, 5 + more))
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (small, large)))


def test_the_seed_of_none_is_kept_as_none_but_drawn_once():
    start = HeNormal()
    assert start.get_config()["seed"] is None
    assert 1 <= int(start.seed) <= 1_000_000_000
