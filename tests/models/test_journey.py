"""A network as users build them: initialized, trained, saved, and opened without kerasinit."""

import subprocess
import sys

import keras
import numpy as np
from keras import layers

import kerasinit

OPEN_ALONE = """
import sys
sys.modules["kerasinit"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], keras.ops.convert_to_numpy(model(np.load(sys.argv[3]), training=False)))
"""


def inverted_residual(x, filters, strides, name):
    """A block of MobileNetV2: expand, convolve each channel, project; a skip where it fits."""
    options = {"use_bias": False, "padding": "same"}
    h = layers.Conv2D(4 * x.shape[-1], 1, name=f"{name}_expand", **options)(x)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    h = layers.DepthwiseConv2D(3, strides, name=f"{name}_depthwise", **options)(h)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    h = layers.Conv2D(filters, 1, name=f"{name}_project", **options)(h)
    h = layers.BatchNormalization(name=f"{name}_norm")(h)
    return layers.Add()([x, h]) if h.shape == x.shape else h


def small_backbone():
    """As `keras.applications` builds them, cut short: those take a minute to compile."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = inverted_residual(x, 16, 2, "first")
    x = inverted_residual(x, 16, 1, "second")
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="backbone")


def classifier():
    """A published kind of backbone without its weights, and a head of one's own."""
    backbone = small_backbone()
    head = layers.Dense(10, kernel_initializer="kerasinit>HeNormal", name="head")
    model = keras.Sequential([keras.Input((32, 32, 3)), backbone, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def test_a_network_of_convolutions_is_initialized_trained_and_opened_elsewhere(tmp_path):
    model = classifier()
    plan = kerasinit.initialize(model)
    text = str(plan)
    assert f"changed {len(plan.changed)} of {len(model.variables)} variables" in text
    assert all(row.reason in " ".join(text.split()) for row in plan if len(row.reason) < 20)
    assert "the model's output" in plan["head/kernel"].reason
    kernels = [row for row in plan if row.kind == "kernel"]
    assert len(kernels) == 8
    assert all(row.changed and row.reason for row in kernels)

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 32, 32, 3)).astype("float32"), np.arange(16) % 10
    losses = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[0] < 4 * np.log(10)

    kerasinit.portable(model).save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", OPEN_ALONE, "model.keras", "y.npy", "x.npy"]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-4, atol=1e-5)
