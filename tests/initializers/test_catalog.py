"""The catalog is complete, and every string in it works."""

import subprocess
import sys

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
    classes -= {"LayerInitializer", "ScaledInitializer"}  # the bases
    assert {entry.name for entry in catalog()} == classes


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_an_entry_says_everything(entry):
    assert all((entry.formula, entry.use, entry.source))


@pytest.mark.parametrize(("name", "string"), STRINGS, ids=[string for _, string in STRINGS])
def test_a_string_gives_the_class(name, string):
    assert type(keras.initializers.get(string)).__name__ == name


@pytest.mark.parametrize("string", [string for _, string in STRINGS])
@pytest.mark.parametrize(
    "room", ["activations", "constraints", "initializers", "losses", "metrics", "regularizers"]
)
def test_no_string_of_keras_is_shadowed(string, room):
    assert not hasattr(getattr(keras, room), string)


def test_a_string_that_somebody_else_registered_stays_theirs():
    theirs = "keras.saving.get_custom_objects()['xavier_uniform'] = keras.initializers.Zeros"
    code = (
        f"import keras; {theirs}; import kerasinit; print(keras.initializers.get('xavier_uniform'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Zeros" in run.stdout


def test_every_registered_string_works_as_it_stands():
    ours = {entry.name for entry in catalog()}
    registered = {
        string
        for string, found in keras.saving.get_custom_objects().items()
        if getattr(found, "__name__", "") in ours and ">" not in string
    }
    assert registered == {string for _, string in STRINGS if ">" not in string}
    assert all(callable(keras.initializers.get(string)) for string in registered)


@pytest.mark.parametrize("string", ["he_normal", "lecun_uniform", "orthogonal", "identity"])
def test_the_strings_of_keras_stay_its_own(string):
    assert type(keras.initializers.get(string)).__module__.startswith("keras.")


@pytest.mark.parametrize(
    "string", ["auto", "Auto", "sparse", "critical", "odd_part", "HeNormal_", "kerasinit>Nothing"]
)
def test_general_and_unknown_strings_are_not_taken(string):
    with pytest.raises((ValueError, TypeError), match=string):
        keras.initializers.get(string)


@pytest.mark.parametrize(
    "string", ["kerasinit>OddPart", "kerasinit>OddPartBias", "kerasinit>Critical"]
)
def test_a_bare_string_of_a_class_that_needs_an_activation_says_so(string):
    with pytest.raises(ValueError, match=r"needs `activation`.*\(activation=...\)"):
        keras.layers.Dense(2, kernel_initializer=string)
