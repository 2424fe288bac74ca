"""Sparse kernels have exactly so many weights per unit."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import Sparse


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def nonzero_counts(kernel):
    return np.count_nonzero(kernel.reshape(-1, kernel.shape[-1]), axis=0)


@pytest.mark.parametrize(
    ("arguments", "shape", "count"),
    [
        ({}, (10, 20), 1),  # Lasagne's own test: Sparse(.1) on (10, 20) has 20 of them
        ({"nonzero_fraction": 0.29}, (100, 7), 29),
        ({"nonzero_fraction": 0.001}, (100, 7), 1),
        ({"nonzero_fraction": 1.0}, (10, 4), 10),
        ({"nonzero_count": 15}, (64, 8), 15),
        ({"nonzero_count": 15}, (6, 8), 6),
        ({"nonzero_count": 4}, (3, 3, 5, 8), 4),
    ],
    ids=["default", "fraction", "at least one", "all", "count", "few inputs", "convolution"],
)
def test_every_unit_has_exactly_so_many_weights(arguments, shape, count):
    kernel = numpy_of(Sparse(seed=1, **arguments)(shape))
    np.testing.assert_array_equal(nonzero_counts(kernel), count)


def test_every_gate_has_exactly_so_many_weights():
    rnn = keras.layers.LSTM(5, kernel_initializer=Sparse(nonzero_count=2, seed=1))
    rnn.build((None, 4, 6))
    np.testing.assert_array_equal(nonzero_counts(numpy_of(rnn.cell.kernel)), 2)


def test_every_input_is_chosen_equally_often():
    # Binomial with n = 20,000 and p = 0.3: standard deviation 65, the bound is five of them.
    kernel = numpy_of(Sparse(nonzero_count=3, seed=1)((10, 20_000)))
    np.testing.assert_allclose(np.count_nonzero(kernel, axis=1), 6000, atol=325)


def test_the_default_scale_keeps_the_mean_square():
    kernel = Sparse(nonzero_count=15, gain="relu", seed=1)((256, 2000))
    np.testing.assert_allclose(np.sum(numpy_of(kernel) ** 2) / 2000, 2.0, rtol=0.05)


def test_the_standard_deviation_can_be_given():
    kernel = numpy_of(Sparse(nonzero_fraction=0.5, stddev=0.01, seed=1)((100, 400)))
    np.testing.assert_allclose(np.std(kernel[kernel != 0]), 0.01, rtol=0.03)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"nonzero_fraction": 0.1, "nonzero_count": 3}, ValueError, "not both"),
        ({"nonzero_fraction": 15}, ValueError, "`nonzero_count`"),
        ({"nonzero_fraction": 0.0}, ValueError, "`nonzero_fraction` must be a number .* to 1"),
        ({"nonzero_fraction": "0.1"}, ValueError, "`nonzero_fraction` must be a number"),
        ({"nonzero_count": 0}, ValueError, "`nonzero_count` must be an integer >= 1"),
        ({"nonzero_count": 0.5}, ValueError, "`nonzero_count` must be an integer"),
        ({"stddev": -1.0}, ValueError, "`stddev` must be a number"),
        ({"stddev": "1"}, ValueError, "`stddev` must be a number"),
    ],
    ids=["both", "count", "zero", "text", "none", "fraction", "negative", "text std"],
)
def test_bad_arguments_are_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        Sparse(**arguments)


def test_the_ambiguous_name_is_not_an_argument():
    with pytest.raises(TypeError, match="sparsity"):
        Sparse(sparsity=0.1)
