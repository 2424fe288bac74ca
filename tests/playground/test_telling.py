"""Sentences and tables are made from the numbers of the trainings."""

import dataclasses

import numpy as np
import pytest

from kerasinit.playground import _outcomes, _telling


def test_zeros_are_told(reel):
    units, gradient = _telling.told(reel.film_of("zeros"), 0)
    assert units == "Every weight is exactly 0: the 8 units of a layer are 8 times the same."
    assert (
        gradient == "The gradient of every weight is exactly 0: only the bias of the output learns."
    )


def test_equal_weights_are_told_to_the_end(reel):
    units, _ = _telling.told(reel.film_of("constant"), -1)
    assert "the 8 units have equal weights" in units


def test_different_units_are_told(reel):
    units, gradient = _telling.told(reel.film_of("initialize"), 0)
    assert units == "No unit is a copy: each hidden layer has 8 different ones."
    assert "times the last one's." in gradient


def test_a_unit_that_becomes_a_copy_is_counted(reel):
    film = reel.film_of("initialize")
    kernel, bias = film.kernels[1].copy(), film.biases[1].copy()
    kernel[0, :, 3], bias[0, 3] = kernel[0, :, 5], bias[0, 5]
    changed = dataclasses.replace(
        film,
        kernels=(film.kernels[0], kernel, *film.kernels[2:]),
        biases=(film.biases[0], bias, *film.biases[2:]),
    )
    assert _telling.told(changed, 0)[0] == (
        "Some units are copies of others: layer 2 has 7 different of 8."
    )
    assert "No unit is a copy" in _telling.told(changed, 1)[0]


@pytest.mark.parametrize(("factor", "words"), [(1e-6, "vanishes"), (1e6, "explodes")])
def test_a_gradient_that_changes_on_the_way_is_named(reel, factor, words):
    film = reel.film_of("initialize")
    first, *rest = film.kernel_gradients
    changed = dataclasses.replace(film, kernel_gradients=(factor * first, *rest))
    assert words in _telling.told(changed, 0)[1]


def test_a_training_that_diverged_is_told(reel):
    film = reel.film_of("initialize")
    broken = tuple(np.full_like(kernel, np.nan) for kernel in film.kernels)
    assert "diverged" in _telling.told(dataclasses.replace(film, kernels=broken), 0)[0]


def test_the_summary_counts_what_is_right(reel):
    assert "are still copies of one another on the xor data" in _telling.summary_of([reel], "zeros")
    assert "all differ, and 9" in _telling.summary_of([reel], "initialize")
    assert "on all 2 data sets" in _telling.summary_of([reel, reel], "constant")


def test_the_table_has_every_start(reel):
    rows = {row.start: row for row in _outcomes.outcomes([reel])}
    assert list(rows) == ["zeros", "constant", "glorot_uniform", "initialize"]
    assert rows["zeros"].copies == rows["constant"].copies == "1 of 8"
    assert rows["zeros"].first_gradient == "0"
    assert rows["initialize"].copies == "8 of 8"
    assert rows["initialize"].shares[0][2]
    assert not rows["zeros"].shares[0][2]
