"""Small data sets for `small_models.py`: bundled with scikit-learn, or generated."""

import functools

import numpy as np
from sklearn import datasets

FUTURE = 8  # steps to forecast
WORDS = 20  # characters of a line


@functools.cache
def digits():
    """1,797 images of digits, `(8, 8, 1)` in [0, 1], and their classes: train and test."""
    x, y = datasets.load_digits(return_X_y=True)
    return split((x / 16).reshape(-1, 8, 8, 1), y.astype("int32"))


@functools.cache
def table():
    """569 tumours with 30 standardized features, and whether they are benign."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return split((x - x.mean(0)) / x.std(0), y)


@functools.cache
def friedman(samples=1200):
    """Friedman's first problem with some noise, ten inputs, all standardized."""
    x, y = datasets.make_friedman1(samples, noise=0.3, random_state=0)
    return split((x - x.mean(0)) / x.std(0), ((y - y.mean()) / y.std())[:, None])


@functools.cache
def categories(samples=3000, columns=6, values=12):
    """Categorical columns whose pairwise effects decide on a binary target."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, values, (samples, columns)).astype("int32")
    effects = rng.normal(size=(columns, columns, values, values))
    pairs = [(i, j) for i in range(columns) for j in range(i)]
    logits = sum(effects[i, j, x[:, i], x[:, j]] for i, j in pairs) / len(pairs) ** 0.5
    return split(x, logits + 0.3 * rng.normal(size=samples) > 0)


@functools.cache
def rare(samples=4000):
    """30 features in which 4 % of the samples belong to the class of interest."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(samples, 30))
    size = (x[:, :5] ** 2).sum(1) + x[:, 5:9].sum(1)
    return split(x, size > np.quantile(size, 0.96))


@functools.cache
def series(samples=1500, steps=32):
    """Noisy sums of two waves, `(steps, 1)`, and how they go on."""
    rng = np.random.default_rng(3)
    t = np.arange(steps + FUTURE)
    waves = 0
    for low, high in ((0.1, 0.3), (0.4, 0.9)):
        frequency, phase = rng.uniform(low, high, (samples, 1)), rng.uniform(0, 6.28, (samples, 1))
        waves = waves + np.sin(frequency * t + phase)
    waves = waves + 0.1 * rng.normal(size=waves.shape)
    return split(waves[:, :steps, None], waves[:, steps:])


@functools.cache
def wave_classes(samples=1200, steps=32):
    """Waves of four shapes, `(steps, 1)`, with noise and any phase; the class is the shape."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 4, samples)
    angle = 0.5 * np.arange(steps) + rng.uniform(0, 6.28, (samples, 1))
    sine = np.sin(angle)
    shapes = np.stack([sine, np.sign(sine), np.arcsin(sine) / 1.57, (angle % 6.28) / 3.14 - 1])
    x = shapes[y, np.arange(samples)] + 0.4 * rng.normal(size=(samples, steps))
    return split(x[..., None], y.astype("int32"))


@functools.cache
def reversals(samples=3000, letters=8, length=6):
    """Sequences of letters, shifted targets that begin with a 0, and the letters in reverse."""
    rng = np.random.default_rng(5)
    x = rng.integers(1, letters + 1, (samples, length)).astype("int32")
    y = x[:, ::-1]
    shifted = np.concatenate([np.zeros((samples, 1), "int32"), y[:, :-1]], 1)
    return split((x, shifted), y)


@functools.cache
def sentences(samples=2500):
    """Lines of a small grammar as characters, and their next characters."""
    rng = np.random.default_rng(6)
    subject, verb = ("the cat", "a dog", "my bird"), ("sees", "likes", "eats")
    lines = [
        " ".join((rng.choice(subject), rng.choice(verb), rng.choice(subject), ""))
        for _ in range(samples)
    ]
    letters = sorted(set("".join(lines)))
    text = np.array([letters.index(c) for c in "".join(lines)], "int32")
    text = text[: len(text) // (WORDS + 1) * (WORDS + 1)].reshape(-1, WORDS + 1)[:samples]
    return split(text[:, :-1], text[:, 1:])


@functools.cache
def points(samples=1200, size=32):
    """Clouds of `size` points in space, on one of four surfaces, rotated by chance."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, 4, samples)
    x = rng.normal(size=(samples, size, 3))
    ball = x / np.linalg.norm(x, axis=-1, keepdims=True)
    cube = x / np.abs(x).max(-1, keepdims=True)
    tube = np.concatenate([ball[..., :2] / np.linalg.norm(ball[..., :2], axis=-1, keepdims=True),
                           ball[..., 2:]], -1)  # fmt: skip
    flat = ball * np.array([1.0, 1.0, 0.2])
    clouds = np.stack([ball, cube, tube, flat])[y, np.arange(samples)]
    turns, _ = np.linalg.qr(rng.normal(size=(samples, 3, 3)))
    return split(clouds @ turns + 0.05 * x, y.astype("int32"))


@functools.cache
def graphs(samples=1000, nodes=10):
    """Graphs as (node features, normalized adjacency), and their share of closed triangles."""
    rng = np.random.default_rng(8)
    density = rng.uniform(0.2, 0.7, (samples, 1, 1))
    edges = np.triu(rng.uniform(size=(samples, nodes, nodes)) < density, 1)
    edges = (edges | edges.transpose(0, 2, 1)).astype("float64")
    triangles = np.trace(edges @ edges @ edges, axis1=1, axis2=2) / (nodes * (nodes - 1) * 4)
    loops = edges + np.eye(nodes)
    root = loops.sum(-1) ** -0.5
    x = np.concatenate([edges.sum(-1, keepdims=True) / nodes, rng.normal(size=(samples, nodes, 3))],
                       -1)  # fmt: skip
    return split((x, root[:, :, None] * loops * root[:, None]), triangles[:, None])


@functools.cache
def swings(samples=3000):
    """States of a pendulum, torques, and the discounted cost of doing nothing afterwards."""
    rng = np.random.default_rng(9)
    angle, speed = rng.uniform(-3.14, 3.14, samples), rng.uniform(-4, 4, samples)
    torque = rng.uniform(-2, 2, samples)
    state = np.stack([np.cos(angle), np.sin(angle), speed / 4], 1)
    total, factor, push = 0.0, 1.0, torque
    for _ in range(30):
        total = total + factor * (angle**2 + 0.1 * speed**2 + 0.001 * push**2)
        speed = np.clip(speed + 0.05 * (15 * np.sin(angle) + 3 * push), -8, 8)
        angle = (angle + 0.05 * speed + np.pi) % (2 * np.pi) - np.pi
        factor, push = 0.95 * factor, 0.0
    return split((state, torque[:, None]), -total[:, None] / 20)


def split(x, y):
    """Train and test parts, `((x, y), (x, y))`, of arrays or tuples of arrays; a quarter tests."""

    def cut(values, part):
        if isinstance(values, tuple):
            return tuple(cut(one, part) for one in values)
        kind = "int32" if values.dtype.kind == "i" else "float32"
        return values.astype(kind)[part]

    size = len(x[0] if isinstance(x, tuple) else x)
    order = np.random.default_rng(0).permutation(size)
    parts = order[size // 4 :], order[: size // 4]
    return tuple((cut(x, part), cut(y, part)) for part in parts)
