"""The scale of a cut normal distribution is exact on both sides of every change of method."""

import math

import keras
import numpy as np
import pytest
from scipy import special

from kerasinit.initializers import LecunNormal


def values(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def std_by_quadrature(cut):
    """Standard deviation of a normal distribution cut at `+-cut`, by Gauss-Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    density = weights * np.exp(-((cut * nodes) ** 2) / 2)
    return cut * math.sqrt((density * nodes**2).sum() / density.sum())


@pytest.mark.parametrize("cut", [1e-30, 1e-3, 0.00999, 0.01001, 0.0105, 0.3, 1.0, 2.0, 5.0, 8.0])
def test_the_standard_deviation_is_that_of_an_integral(monkeypatch, cut):
    """Whatever is drawn from, it gives the value with a quarter of the others above it."""
    upper = math.sqrt(2) * special.erfinv(math.erf(cut / math.sqrt(2)) / 2)

    def normal(shape, mean, std, **options):
        return keras.ops.full(shape, upper * std)

    def uniform(shape, low, high, **options):
        return keras.ops.full(shape, high / 2)

    for name, function in (("normal", normal), ("truncated_normal", normal), ("uniform", uniform)):
        monkeypatch.setattr(keras.random, name, function)
    found = values(LecunNormal(truncate=cut, seed=1)((4, 4)))  # of standard deviation 1 / 2
    np.testing.assert_allclose(found, upper * 0.5 / std_by_quadrature(cut), rtol=5e-5)


@pytest.mark.parametrize("cut", [5.3, 8.0, 1e3])
def test_a_cut_that_is_far_away_changes_nothing(cut):
    cut_off = values(LecunNormal(truncate=cut, seed=3)((40, 50)))
    whole = values(LecunNormal(seed=3)((40, 50)))
    np.testing.assert_allclose(cut_off, whole, rtol=1e-4)


def test_what_lies_beyond_a_far_cut_is_put_onto_it(monkeypatch):
    drawn = keras.ops.convert_to_tensor([[-1e3, -0.5, 0.0, 0.5, 1e3]], "float32")
    monkeypatch.setattr(keras.random, "normal", lambda *_, **__: drawn)
    found = values(LecunNormal(truncate=6.0, seed=1)((4, 4)))
    np.testing.assert_allclose(found, [[-3.0, -0.5, 0.0, 0.5, 3.0]], rtol=1e-6)  # 6 times 1 / 2


@pytest.mark.parametrize("cut", [1e-3, 0.7, 2.0, 4.0])
def test_both_tails_are_cut_at_the_same_distance(cut):
    drawn = values(LecunNormal(truncate=cut, seed=1)((100, 300)))
    limit = cut * 0.1 / std_by_quadrature(cut)
    reached = 0.999 if cut < 3 else 0.9
    assert reached * limit < drawn.max() <= limit * (1 + 1e-6)
    assert reached * limit < -drawn.min() <= limit * (1 + 1e-6)
