"""Seeds: which random numbers a draw uses."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np

from kerasinit._typing import SeedLike

LARGEST_DEFAULT_SEED = 1_000_000_000  # the range of Keras' own default seeds, dimensionless


class CountedSeed(int):
    """An integer seed that remembers how many layer variables it has filled.

    `EinsumDense` rebuilds its initializer around the seed object of the old one, so the count has
    to live in the seed: the copies then go on counting where the original stopped.

    Args:
        value: The seed.

    Example:
        >>> seed = CountedSeed(3)
        >>> seed == 3, seed.next_position(), seed.next_position()
        (True, 0, 1)
    """

    filled: int

    def __new__(cls, value: int) -> CountedSeed:
        """An int with a count of zero."""
        seed = super().__new__(cls, value)
        seed.filled = 0
        return seed

    def next_position(self) -> int:
        """Number of variables filled so far; counts one more."""
        self.filled += 1
        return self.filled - 1


def checked_seed(seed: SeedLike) -> tuple[Any, Any]:
    """The seed as the user gave it, and the seed to draw with.

    Args:
        seed: None (one seed is drawn now, from the generator that `keras.utils.set_random_seed`
            fixes), a non-negative int or numpy integer, a `keras.random.SeedGenerator`, or the
            config of one.

    Returns:
        `(given, drawing)`: `given` is None, an int or a `SeedGenerator`; `drawing` is a
        `CountedSeed` or a `SeedGenerator`.

    Raises:
        ValueError: If `seed` is negative.
        TypeError: If `seed` is of any other type, bool included.
    """
    if isinstance(seed, dict):
        seed = keras.saving.deserialize_keras_object(seed)
    if seed is None:
        return None, CountedSeed(random.randint(1, LARGEST_DEFAULT_SEED))
    if isinstance(seed, keras.random.SeedGenerator):
        return seed, seed
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer):
        raise TypeError(
            "`seed` must be None, a non-negative integer or a `keras.random.SeedGenerator`. "
            f"Received: seed={seed!r} of type {type(seed).__name__}."
        )
    if seed < 0:
        raise ValueError(
            f"`seed` must be a non-negative integer. Received: seed={seed}. "
            f"`seed={-int(seed)}` would work."
        )
    if isinstance(seed, CountedSeed):
        return int(seed), seed
    return int(seed), CountedSeed(int(seed))
