"""Quantized layers: how many weights a start leaves at zero after rounding (no training).

Keras' own (`model.quantize`) round by the largest weight of a unit; those of hgq2, where it is
installed (TensorFlow or JAX), to a grid that the author chose.
"""

import keras
import numpy as np
from keras import layers, ops
from starts import by, ours, own

TITLE = (
    "Quantized layers: largest share of zeros in a kernel, and rms error of the outputs, "
    "relative, of three layers (1 is a dead kernel; lower is better)"
)
STARTS = {"Keras": own, "he_normal": by("he_normal"), "ours": ours}
CELLS = {
    f"{mode}, {width} inputs": {"mode": mode, "width": width}
    for mode in ("int8", "int4", "hgq2")
    for width in (64, 1024, 4096)
}


def stack(width, dense):
    return keras.Sequential(
        [
            keras.Input((width,)),
            dense(64, activation="relu"),
            dense(64, activation="relu"),
            dense(10),
        ]
    )


def numpy_of(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def train(draw, seed, mode, width):
    x = np.random.default_rng(seed).normal(size=(64, width)).astype("float32")
    if mode == "hgq2":
        try:
            from hgq.layers import QDense
        except ImportError as error:
            raise ValueError("hgq2 is not installed") from error
        model, plain = stack(width, QDense), stack(width, layers.Dense)
        draw(model, seed)
        for one, other in zip(model.layers, plain.layers, strict=True):
            other.set_weights([numpy_of(one.kernel), numpy_of(one.bias)])
        exact, kernels = numpy_of(plain(x)), [layer.qkernel for layer in model.layers]
    else:
        model = stack(width, layers.Dense)
        draw(model, seed)
        exact = numpy_of(model(x))
        model.quantize(mode)
        kernels = [layer._kernel for layer in model.layers]
    zeros = max(float((numpy_of(kernel) == 0).mean()) for kernel in kernels)
    error = np.sqrt(np.mean((numpy_of(model(x)) - exact) ** 2) / np.mean(exact**2))
    return {"zeros": zeros, "error": float(error)}
