"""Data of all kinds: digits, a text and a picture that are bundled."""

import functools
import pydoc_data.topics

import numpy as np
from sklearn.datasets import load_digits, load_sample_image


@functools.cache
def digits():
    """Standardized digits `(1797, 64)` and their classes: the first 360 are for validation."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return ((x - x.mean()) / x.std()).astype("float32")[order], y[order].astype("int32")


VALIDATION = 360


@functools.cache
def text():
    """Python's own manual as numbers of its characters, and how many there are."""
    whole = "".join(pydoc_data.topics.topics[key] for key in sorted(pydoc_data.topics.topics))
    letters = sorted(set(whole))
    index = {letter: number for number, letter in enumerate(letters)}
    return np.array([index[letter] for letter in whole], "int32"), len(letters)


@functools.cache
def picture(side=64):
    """A grey picture in [-1, 1], `(side ** 2, 1)`, and the coordinates of its pixels."""
    grey = load_sample_image("china.jpg").mean(-1)[:384, 128:512]
    grey = grey.reshape(side, 384 // side, side, 384 // side).mean((1, 3))
    grey = 2 * (grey - grey.min()) / (grey.max() - grey.min()) - 1
    line = np.linspace(-1, 1, side)
    places = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    return places.astype("float32"), grey.reshape(-1, 1).astype("float32")
