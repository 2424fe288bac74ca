"""What `diagnose` costs: time and memory beside a warm training step, at several depths.

KERAS_BACKEND=jax python tests/benchmarks/diagnose_cost.py [depth ...]
"""

from __future__ import annotations

import os
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasinit

WIDTH, SAMPLES, REPEATS = 64, 256, 3


def main(depths: list[int]) -> None:
    print(f"{keras.backend.backend()}: Dense layers of {WIDTH} units, {SAMPLES} samples")
    print("layers  first step  warm step  diagnose  again  warm steps  more memory (MiB)")
    for depth in depths:
        measure(depth)


def measure(depth: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((SAMPLES, WIDTH)).astype("float32"), rng.integers(0, 10, SAMPLES)
    hidden = [
        keras.layers.Dense(WIDTH, "relu", kernel_initializer="he_normal") for _ in range(depth)
    ]
    head = keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden, head])
    model.compile("adam", "sparse_categorical_crossentropy")
    first = seconds(lambda: model.train_on_batch(x, y))
    step = min(seconds(lambda: model.train_on_batch(x, y)) for _ in range(REPEATS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cold = seconds(lambda: kerasinit.diagnose(model, x, y))
    warm = min(seconds(lambda: kerasinit.diagnose(model, x, y)) for _ in range(REPEATS))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    times = f"{first:10.2f}  {step:9.4f}  {cold:8.2f}  {warm:5.2f}  {warm / step:10.1f}"
    print(f"{depth:6d}  {times}  {more:17.0f}", flush=True)


def seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main([int(depth) for depth in sys.argv[1:]] or [10, 100, 1000])
