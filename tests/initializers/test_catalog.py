"""The catalog is complete, and every string in it works."""

import keras
import pytest

from kerasinit import initializers
from kerasinit.initializers import catalog

STRINGS = [(entry.name, string) for entry in catalog() for string in entry.strings]


def test_every_class_has_its_entry():
    classes = {
        name
        for name in initializers.__all__
        if isinstance(getattr(initializers, name), type)
        and issubclass(getattr(initializers, name), keras.initializers.Initializer)
    }
    assert {entry.name for entry in catalog()} == classes


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_an_entry_says_everything(entry):
    assert all((entry.formula, entry.use, entry.source))


@pytest.mark.parametrize(("name", "string"), STRINGS, ids=[string for _, string in STRINGS])
def test_a_string_gives_the_class(name, string):
    assert type(keras.initializers.get(string)).__name__ == name


@pytest.mark.parametrize("string", [string for _, string in STRINGS])
def test_no_string_of_keras_is_shadowed(string):
    assert not hasattr(keras.initializers, string)


@pytest.mark.parametrize("string", ["he_normal", "lecun_uniform", "orthogonal", "identity"])
def test_the_strings_of_keras_stay_its_own(string):
    assert type(keras.initializers.get(string)).__module__.startswith("keras.")


@pytest.mark.parametrize("string", ["auto", "Auto", "HeNormal_", "kerasinit>Nothing"])
def test_general_and_unknown_strings_are_not_taken(string):
    with pytest.raises((ValueError, TypeError), match=string):
        keras.initializers.get(string)


@pytest.mark.parametrize(
    "string",
    ["kerasinit>OddPart", "odd_part", "odd_part_bias", "kerasinit>Critical", "critical_bias"],
)
def test_a_bare_string_of_a_class_that_needs_an_activation_says_so(string):
    with pytest.raises(ValueError, match=r"needs `activation`.*\(activation=...\)"):
        keras.layers.Dense(2, kernel_initializer=string)
