"""Parity with Lasagne: its own tests' numbers, and those of the page `examples/from_lasagne.md`."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasinit.initializers import (
    HeNormal,
    HeUniform,
    LasagneNormal,
    LasagneUniform,
    Orthogonal,
    Sparse,
)

PAGE = Path(__file__).parents[2] / "examples" / "from_lasagne.md"
CLASSES = {cls.__name__: cls for cls in (HeNormal, HeUniform, LasagneNormal, LasagneUniform)}


def table():
    """Cells of the last table of the page: `(call, (n_in, n_out), number)`."""
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.read_text().splitlines()
        if re.match(r"\| (kernel \(|\d)", line)
    ]
    calls = [call.strip("`") for call in rows[0][1:]]
    for shape, *numbers in rows[1:]:
        for call, number in zip(calls, numbers, strict=True):
            yield call, tuple(int(n) for n in shape.split(",")), float(number)


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


def width(initializer, shape, **options):
    """Bound of a uniform, standard deviation of a normal distribution.

    A draw is this number times a draw of the standard distribution with the same seed.
    """
    drawn = initializer(shape, **options)
    if initializer.distribution == "uniform":
        standard = keras.random.uniform(shape, -1.0, 1.0, seed=initializer.get_config()["seed"])
    else:
        standard = keras.random.normal(shape, seed=initializer.get_config()["seed"])
    return float(np.abs(values(drawn)).max() / np.abs(values(standard)).max())


def test_the_page_has_every_number():
    assert len(list(table())) == 28


@pytest.mark.parametrize(("call", "shape", "number"), list(table()))
def test_the_numbers_of_the_page_hold(call, shape, number):
    name, _, argument = call.rstrip(")").partition("(")
    key, _, value = argument.partition("=")
    options = {key: value.strip('"') if '"' in value else float(value)} if key else {}
    assert width(CLASSES[name](**options, seed=1), shape) == pytest.approx(number, rel=1e-5)


@pytest.mark.parametrize(
    ("initializer", "shape", "number"),
    [
        (LasagneUniform(seed=1), (150, 450), 0.1),
        (LasagneUniform(seed=1), (2, 150, 150), 0.1),
        (LasagneUniform(seed=1, input_axes=[0], output_axes=[3]), (75, 2, 2, 75), 0.1),
        (LasagneNormal(seed=1), (100, 100), 0.1),
        (LasagneNormal(gain=10.0, seed=1), (100, 100), 1.0),
        (LasagneNormal(gain="relu", seed=1), (100, 100), 0.1414213562),
        (HeUniform(gain=1.0, seed=1), (300, 200), 0.1),
        (HeNormal(gain=1.0, seed=1), (100, 100), 0.1),
    ],
    ids=lambda value: type(value).__name__ if callable(value) else str(value),
)
def test_the_numbers_of_lasagnes_own_tests_hold(initializer, shape, number):
    # lasagne/tests/test_init.py; convolutions there are (outputs, inputs, window).
    assert width(initializer, shape) == pytest.approx(number, rel=1e-5)


def test_sparse_keeps_as_many_weights():
    # lasagne/tests/test_init.py: Sparse(sparsity=0.1) of (10, 20) has 20 weights.
    kernel = values(Sparse(nonzero_fraction=0.1, stddev=0.01, seed=1)((10, 20)))
    assert np.count_nonzero(kernel) == 20


def test_orthogonal_has_the_same_norm():
    # lasagne/tests/test_init.py: Orthogonal("relu") of (100, 200) gives W W' = 2 I.
    kernel = values(Orthogonal(gain="relu", scaled=False, seed=1)((100, 200)))
    np.testing.assert_allclose(kernel @ kernel.T, 2 * np.eye(100), atol=1e-5)


def test_the_documented_relu_bound_is_sqrt_twelve():
    relu, default = (width(LasagneUniform(gain=g, seed=1), (9, 3)) for g in ("relu", 1.0))
    assert (relu, default) == (pytest.approx(12**0.5 / 12**0.5), pytest.approx((6 / 12) ** 0.5))
