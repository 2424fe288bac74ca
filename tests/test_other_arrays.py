"""Numbers in another form are taken, as by `fit`; what holds none is refused with the cure."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from keras import layers

import kerasinit

NUMBERS = np.ones((8, 4), "float32")
CLASSES = np.arange(8) % 3
TAKING_X = {
    "diagnose": kerasinit.diagnose,
    "prepare": kerasinit.prepare,
    "learning_rate": kerasinit.learning_rate,
    "initialize": lambda model, x, y: kerasinit.initialize(model, data=x),
}


def network():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def ragged():
    rows = np.empty(8, dtype=object)
    rows[:] = [[1.0] * length for length in range(1, 9)]
    return rows


@pytest.mark.parametrize("call", TAKING_X.values(), ids=TAKING_X)
@pytest.mark.parametrize(
    ("x", "cure"),
    [
        (NUMBERS.astype(object), "dtype='float32'"),
        (np.array([[None, 1, 2, 3]] * 8, dtype=object), "holds None.*what is missing"),
        (pd.DataFrame([[pd.NA, 1, 2, 3]] * 8), "holds <NA>.*what is missing"),
        (np.array([[1, "x", 2, True]] * 8, dtype=object), "holds 'x'.*StringLookup"),
        (ragged(), "pad_sequences"),
        (np.array([["2020-01-01"] * 4] * 8, "datetime64[D]"), "counts them"),
    ],
    ids=["objects", "missing", "missing in a table", "words among numbers", "ragged", "dates"],
)
def test_inputs_that_are_no_numbers_are_refused_with_the_cure(call, x, cure):
    with pytest.raises(ValueError, match=f"must hold numbers.*{cure}"):
        call(network(), x, CLASSES)


@pytest.mark.parametrize("call", [kerasinit.diagnose, kerasinit.prepare, kerasinit.learning_rate])
@pytest.mark.parametrize(
    ("y", "cure"),
    [
        (CLASSES.astype(object), "dtype='float32'"),
        (np.array(["cat", "dog"] * 4), "holds 'cat'.*np.unique"),
        (np.array(["cat", "dog"] * 4, dtype=object), "holds 'cat'.*np.unique"),
    ],
    ids=["objects", "words", "words as objects"],
)
def test_targets_that_are_no_numbers_are_refused_with_the_cure(call, y, cure):
    with pytest.raises(ValueError, match=f"`y` must hold numbers.*{cure}"):
        call(network(), NUMBERS, y)


@pytest.mark.parametrize(
    "call",
    [*TAKING_X.values(), lambda model, x, y: model.fit(x, y, verbose=0)],
    ids=[*TAKING_X, "fit"],
)
@pytest.mark.parametrize(
    "x",
    [
        scipy.sparse.csr_matrix(np.eye(8, 4)),
        scipy.sparse.coo_array(np.eye(8, 4)),
        pd.DataFrame(np.eye(8, 4)).astype({0: bool}),
    ],
    ids=["sparse matrix", "sparse array", "table with truth values"],
)
def test_sparse_matrices_and_tables_are_taken(call, x):
    call(network(), x, CLASSES)


@pytest.mark.parametrize(
    "call",
    [
        kerasinit.diagnose,
        kerasinit.prepare,
        lambda model, x, y: kerasinit.initialize(model, data=x),
    ],
    ids=["diagnose", "prepare", "initialize"],
)
def test_a_sparse_matrix_too_large_for_an_array_is_refused(call):
    """It would fill the memory: a program that ends there says nothing."""
    x = scipy.sparse.csr_matrix((2_000_000_000, 4))
    with pytest.raises(
        ValueError, match=r"shape \(2000000000, 4\) is too large .* Give fewer rows"
    ):
        call(network(), x, CLASSES)


def test_dates_are_told_by_their_dtype():
    dates = np.array([["2020-01-01"] * 4] * 8, "datetime64[s]")
    with pytest.raises(ValueError, match=r"dtype datetime64\[s\] and shape \(8, 4\)\. `x"):
        kerasinit.diagnose(network(), dates, CLASSES)
