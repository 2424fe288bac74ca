"""Quantized layers: no kernel rounds to nothing, and codes that exist stay as they are."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


def stack(width):
    return keras.Sequential(
        [keras.Input((width,)), *[layers.Dense(32, "relu") for _ in range(3)], layers.Dense(3)]
    )


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`:UserWarning")
@pytest.mark.parametrize("rules", [None, [("dense", "kerasinit>Sparse")]])
def test_no_unit_of_a_drawn_kernel_rounds_to_zero(rules):
    model = stack(512)
    kerasinit.initialize(model, rules, seed=1)
    x = np.random.default_rng(0).normal(size=(16, 512)).astype("float32")
    exact = keras.ops.convert_to_numpy(model(x))
    model.quantize("int8")
    for layer in model.layers:
        codes = next(np.asarray(w) for w in layer.get_weights() if w.dtype == "int8")
        assert codes.any(axis=0).all()
    rounded = keras.ops.convert_to_numpy(model(x))
    assert np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`:UserWarning")
def test_what_is_quantized_already_is_left_alone():
    model = stack(16)
    model.quantize("int8")
    before = [w.copy() for w in model.get_weights()]
    plan = kerasinit.initialize(model, seed=1)
    kernels = [row for row in plan if row.path.endswith(("kernel", "kernel_scale"))]
    assert kernels
    assert not any(row.changed for row in kernels)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
