"""What `diagnose` costs: time in warm training steps, memory beside a step, and both by depth.

KERAS_BACKEND=jax python tests/benchmarks/diagnose_cost.py [depthxwidth | resnet | transformer ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np

import kerasinit

SAMPLES, REPEATS = 256, 3
SIZES = ("10x64", "100x64", "1000x64", "10x1024", "resnet", "transformer")
IMAGES, STAGES = 64, ((32, 1), (64, 2), (128, 2))  # width and stride
TEXTS, LENGTH, WORDS, BLOCKS, WIDTH, HEADS = 32, 128, 5_000, 4, 128, 4
STEP, DIAGNOSE = "step", "diagnose"


def main(sizes: list[str]) -> None:
    sys.setrecursionlimit(20_000)  # Keras builds 1,000 layers by recursion
    print(f"{keras.backend.backend()}: depth x width of Dense layers, {SAMPLES} samples")
    print("       size      step  diagnose  in steps  ms a layer  first diagnose  memory, in steps")
    for size in sizes:
        step, warm, cold = times(size)
        layer = 1e3 * warm / len(problem(size)[0].layers)
        memory = peak(size, DIAGNOSE) / max(peak(size, STEP), 1)
        line = f"{step:8.4f}  {warm:8.4f}  {warm / step:8.1f}  {layer:10.2f}  {cold:14.2f}"
        print(f"{size:>11s} {line}  {memory:16.2f}", flush=True)


def depth_and_width(size: str) -> tuple[int, int]:
    depth, width = map(int, size.split("x"))
    return depth, width


def problem(size: str):
    """A compiled model, and one batch."""
    if size in MODELS:
        return MODELS[size]()
    depth, width = depth_and_width(size)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((SAMPLES, width)).astype("float32"), rng.integers(0, 10, SAMPLES)
    hidden = [
        keras.layers.Dense(width, "relu", kernel_initializer="he_normal") for _ in range(depth)
    ]
    head = keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((width,)), *hidden, head])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, x, y


def resnet():
    """Three stages of two blocks each, on images of 32 x 32."""
    rng = np.random.default_rng(0)
    given = keras.Input((32, 32, 3))
    z = convolution(STAGES[0][0])(given)
    for width, stride in STAGES:
        for one in (stride, 1):
            y = keras.layers.ReLU()(keras.layers.BatchNormalization()(convolution(width, one)(z)))
            y = keras.layers.BatchNormalization()(convolution(width)(y))
            skip = z if y.shape == z.shape else convolution(width, one, size=1)(z)
            z = keras.layers.ReLU()(keras.layers.Add()([skip, y]))
    z = keras.layers.GlobalAveragePooling2D()(z)
    model = keras.Model(given, keras.layers.Dense(10, "softmax")(z))
    model.compile("adam", "sparse_categorical_crossentropy")
    x = rng.standard_normal((IMAGES, 32, 32, 3)).astype("float32")
    return model, x, rng.integers(0, 10, IMAGES)


def convolution(width: int, stride: int = 1, size: int = 3):
    return keras.layers.Conv2D(width, size, strides=stride, padding="same", use_bias=False)


def transformer():
    """A language model of four blocks."""
    rng = np.random.default_rng(0)
    given = keras.Input((LENGTH,), dtype="int32")
    z = keras.layers.Embedding(WORDS, WIDTH)(given)
    for _ in range(BLOCKS):
        y = keras.layers.LayerNormalization()(z)
        y = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(y, y, use_causal_mask=True)
        z = keras.layers.Add()([z, y])
        y = keras.layers.Dense(4 * WIDTH, "gelu")(keras.layers.LayerNormalization()(z))
        z = keras.layers.Add()([z, keras.layers.Dense(WIDTH)(y)])
    model = keras.Model(given, keras.layers.Dense(WORDS)(keras.layers.LayerNormalization()(z)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    texts = rng.integers(0, WORDS, (TEXTS, LENGTH + 1)).astype("int32")
    return model, texts[:, :-1], texts[:, 1:]


MODELS = {"resnet": resnet, "transformer": transformer}


def times(size: str) -> tuple[float, float, float]:
    """Seconds of a warm step, of a warm and of the first `diagnose`."""
    model, x, y = problem(size)
    model.train_on_batch(x, y)
    cold = seconds(lambda: kerasinit.diagnose(model, x, y))
    # One after the other, so that what else runs on the machine meets both.
    step, warm = [], []
    for _ in range(REPEATS):
        step += [seconds(lambda: model.train_on_batch(x, y)) for _ in range(REPEATS)]
        warm.append(seconds(lambda: kerasinit.diagnose(model, x, y)))
    return min(step), min(warm), cold


def peak(size: str, what: str) -> float:
    """MiB that one step or `diagnose` adds to the peak of a process that has built the model."""
    command = [sys.executable, __file__, f"--peak={what}", size]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(what: str, size: str) -> None:
    model, x, y = problem(size)
    if what == STEP:
        model.optimizer.build(model.trainable_variables)  # its state stays: no part of a step
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of building, is forgotten
    before = peak_of_process()
    if what == STEP:
        model.train_on_batch(x, y)
    else:
        kerasinit.diagnose(model, x, y)
    print(peak_of_process() - before)


def peak_of_process() -> float:
    """MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--peak="):
        print_peak(sys.argv[1].partition("=")[2], sys.argv[2])
    else:
        main(sys.argv[1:] or list(SIZES))
