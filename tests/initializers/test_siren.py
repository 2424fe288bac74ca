"""SIREN kernels have the bounds of the paper's code, and keep sines standard normal."""

import keras
import numpy as np
import pytest

from kerasinit.initializers import Siren


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("arguments", "shape", "limit"),
    [
        ({"first": True}, (2, 512), 0.5),
        ({"first": True}, (256, 64), 0.00390625),
        ({}, (256, 256), 0.0051031036),
        ({"omega": 1.0}, (6, 512), 1.0),
        ({"omega": 1.0}, (3, 2, 256), 1.0),
        ({"gain": 2.5}, (256, 256), 2.5 * 0.0051031036),
        ({"gain": 2.5, "first": True}, (2, 512), 1.25),
    ],
    ids=["coordinates", "first", "hidden", "omega 1", "convolution", "scaled", "scaled first"],
)
def test_weights_fill_the_bounds(arguments, shape, limit):
    kernel = np.abs(numpy_of(Siren(seed=1, **arguments)(shape)))
    assert kernel.max() <= limit * (1 + 1e-6)
    np.testing.assert_allclose(kernel.max(), limit, rtol=0.01)
    np.testing.assert_allclose(kernel.mean(), limit / 2, rtol=0.05)


def test_the_argument_of_a_deep_sine_keeps_its_mean_square():
    signal = keras.random.uniform((512, 2), -1.0, 1.0, seed=1)
    signal = keras.ops.sin(30 * keras.ops.matmul(signal, Siren(first=True, seed=1)((2, 256))))
    for seed in range(6):
        argument = 30 * keras.ops.matmul(signal, Siren(seed=seed)((256, 256)))
        signal = keras.ops.sin(argument)
    # q = 2 E sin^2 = 1 - exp(-2 q), whose positive solution is 0.796812.
    np.testing.assert_allclose(np.mean(numpy_of(argument) ** 2), 0.796812, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"omega": 0.0}, ValueError, "`omega` must be a number"),
        ({"omega": "30"}, ValueError, "`omega` must be a number"),
        ({"gain": 0.0}, ValueError, "`gain` must be a number"),
        ({"first": 30.0}, TypeError, "`first` must be True or False"),
    ],
    ids=["zero", "text", "no gain", "omega first"],
)
def test_bad_arguments_are_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        Siren(**arguments)
