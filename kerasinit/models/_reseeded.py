"""Seeds: one for a model, one for each of its variables, one in each copy of an initializer."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._seeds import folded, without_numbers
from kerasinit._typing import SeedLike

MAX_SEED = 2**31 - 2  # TensorFlow seeds are int32


def resolve_seed(seed: SeedLike) -> int:
    """An int from what the user passed: an int, a `SeedGenerator`, or None for a fresh one.

    Raises:
        TypeError: If `seed` is something else.
        ValueError: If it is negative.
    """
    if seed is None:
        return random.randint(1, MAX_SEED)  # as Keras does: `set_random_seed` fixes it
    if isinstance(seed, keras.random.SeedGenerator):
        first, second = _backend.numpy_of(seed.next()).astype("int64").tolist()
        return (first * 1_000_003 + second) % MAX_SEED
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        if seed < 0:
            raise ValueError(f"`seed` must be 0 or more, as `abs(seed)`. Received: seed={seed!r}.")
        return int(seed)
    raise TypeError(
        "`seed` must be an int, a `keras.random.SeedGenerator` or None. "
        f"Received: seed={seed!r} (of type {type(seed).__name__})."
    )


def variable_seeds(paths: Iterable[str], seed: int) -> list[int]:
    """One seed for each variable, folded from the model's seed and the variable's path.

    Numbers that Keras appends to names are dropped, so the same model built again in the same
    process draws the same weights.
    """
    seen: Counter[str] = Counter()
    seeds = []
    for path in paths:
        key = without_numbers(path)
        layer, _, role = key.rpartition("/")
        seeds.append(folded(seed, position=seen[key], role=role, path=layer))
        seen[key] += 1
    return seeds


def is_library(initializer: Any) -> bool:
    """Whether `initializer` is of a class of Keras or ours, whose config says all."""
    return isinstance(initializer, keras.initializers.Initializer) and (
        type(initializer).__module__.partition(".")[0] in ("keras", "kerasinit")
    )


def reseeded(initializer: Any, seed: int) -> Any:
    """A copy of `initializer` with `seed`, wherever it keeps one.

    Calling a Keras initializer again repeats its values, so every draw gets its own copy. Of a
    user's class the config need not be complete: the copy shares all attributes but those that
    hold a seed. A plain function is returned as it is.
    """
    if is_library(initializer):
        return type(initializer).from_config(with_seed(settings_of(initializer), seed))
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    own = copy.copy(initializer)
    for name, value in vars(initializer).items():
        if isinstance(value, keras.random.SeedGenerator):
            setattr(own, name, keras.random.SeedGenerator(seed))
        elif isinstance(value, keras.initializers.Initializer):
            setattr(own, name, reseeded(value, seed))
        elif name == "seed":
            setattr(own, name, seed)
    return own


def settings_of(initializer: Any) -> dict[str, Any]:
    """The config of an initializer of Keras or ours.

    Ours may hold an activation that nobody registered: then its arguments, which no file could
    hold, and `from_config` takes.
    """
    try:
        return dict(initializer.get_config())
    except ValueError:
        return dict(initializer.arguments)


def with_seed(config: Any, seed: int) -> Any:
    """A copy of `config` with `seed` wherever it keeps one."""
    if isinstance(config, dict):
        return {
            key: seed if key == "seed" else with_seed(value, seed) for key, value in config.items()
        }
    return config


def has_seed(config: Any) -> bool:
    """Whether `config` keeps a seed, at any depth."""
    if isinstance(config, dict):
        return "seed" in config or any(map(has_seed, config.values()))
    return False
