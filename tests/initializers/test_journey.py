"""A layer gets an initializer by its name, is looked at, saved, loaded, and drawn again."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit import initializers


def test_strings_in_layers_start_them_by_their_own_fans_and_survive_a_save(tmp_path):
    inputs = keras.Input((16, 16, 32))
    x = layers.Conv2D(64, 3, activation="relu", kernel_initializer="kerasinit>HeNormal")(inputs)
    x = layers.DepthwiseConv2D(3, depthwise_initializer="kerasinit>HeNormal")(x)
    x = layers.MultiHeadAttention(4, 16, kernel_initializer="kerasinit>XavierNormal")(x, x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(256, "gelu", kernel_initializer="kerasinit>Auto")(x)
    outputs = layers.Dense(10, kernel_initializer=initializers.HeNormal(42))(x)
    model = keras.Model(inputs, outputs)

    convolution, depthwise, attention = model.layers[1:4]
    for layer, kernel, square in (
        (convolution, convolution.kernel, 2),
        (depthwise, depthwise.kernel, 2),
        (model.layers[-2], model.layers[-2].kernel, kerasinit.gain("gelu") ** 2),
    ):
        values = keras.ops.convert_to_numpy(kernel)
        assert np.var(values) == pytest.approx(
            square / kerasinit.fans(layer, kernel).fan_in, rel=0.2
        )
    query = next(v for v in attention.weights if v.path.endswith("query/kernel"))
    fans = kerasinit.fans(attention, query)
    assert (fans.fan_in, fans.fan_out) == (64, 64)
    variance = np.var(keras.ops.convert_to_numpy(query))
    assert variance == pytest.approx(2 / (fans.fan_in + fans.fan_out), rel=0.1)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    head = loaded.layers[-1].kernel_initializer
    assert head.get_config() == initializers.HeNormal(seed=42).get_config()
    kerasinit.reset(loaded, seed=1)
    drawn = keras.ops.convert_to_numpy(loaded.layers[1].kernel)
    assert not np.array_equal(drawn, keras.ops.convert_to_numpy(convolution.kernel))
    assert np.var(drawn) == pytest.approx(2 / (9 * 32), rel=0.1)


def test_every_class_of_the_catalog_starts_a_layer_by_its_strings():
    for entry in initializers.catalog():
        for string in entry.strings:
            assert type(keras.initializers.get(string)).__name__ == entry.name
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8, kernel_initializer="zeros")])
    with pytest.raises(ValueError, match="HeNorml"):
        kerasinit.initialize(model, "kerasinit>HeNorml")
