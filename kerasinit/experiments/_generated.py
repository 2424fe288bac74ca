"""The four classification sets of https://playground.tensorflow.org (dataset.ts), -6 .. 6."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

POINTS = 600
NOISE = 0.1  # of the sets' size; the Playground's slider at 10
RADIUS = 5.0


def _circle(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    half = POINTS // 2
    inner = rng.uniform(0, 0.5, half) * RADIUS
    outer = rng.uniform(0.7, 1, half) * RADIUS
    radius = np.concatenate([inner, outer])
    angle = rng.uniform(0, 2 * math.pi, 2 * half)
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    noisy = x + rng.uniform(-1, 1, x.shape) * RADIUS * NOISE
    return x, (np.hypot(*noisy.T) < RADIUS * 0.5).astype("int32")


def _xor(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.uniform(-RADIUS, RADIUS, (POINTS, 2))
    x += 0.3 * np.sign(x)  # a gap between the quadrants
    noisy = x + rng.uniform(-1, 1, x.shape) * RADIUS * NOISE
    return x, (noisy[:, 0] * noisy[:, 1] >= 0).astype("int32")


def _gauss(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    half = POINTS // 2
    scale = 0.5 + 7 * NOISE
    x = np.concatenate([rng.normal(2, scale, (half, 2)), rng.normal(-2, scale, (half, 2))])
    return x, np.repeat(np.array([1, 0], "int32"), half)


def _spiral(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    half = POINTS // 2
    part = np.arange(half) / half
    arms = []
    for start in (0.0, math.pi):
        angle = 1.75 * part * 2 * math.pi + start
        arm = part[:, None] * RADIUS * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        arms.append(arm + rng.uniform(-1, 1, arm.shape) * NOISE)
    return np.concatenate(arms), np.repeat(np.array([1, 0], "int32"), half)


GENERATORS: dict[str, Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]] = {
    "circle": _circle,
    "xor": _xor,
    "gauss": _gauss,
    "spiral": _spiral,
}
