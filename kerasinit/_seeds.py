"""Folding: the seed of one variable from a seed for many."""

from __future__ import annotations

import hashlib
import re

AUTOMATIC_NUMBER = re.compile(r"_\d+(?=/|$)")


def folded(seed: int, *, position: int, role: str, path: str) -> int:
    """The seed of one variable: the same in every process, different for each variable.

    Args:
        seed: The user's seed.
        position: How many variables of this name were filled before.
        role: Which of the layer's variables this is, such as `"kernel"`.
        path: Path of the layer. The number that Keras appends to automatic names (`dense_3`) is
            left out, so that building a model twice gives the same weights twice.

    Returns:
        An int in `[0, 2**31): TensorFlow takes int32`.

    Example:
        >>> folded(1, position=0, role="kernel", path="dense") == folded(
        ...     1, position=0, role="kernel", path="dense_7"
        ... )
        True
    """
    words = f"{int(seed)}|{position}|{role}|{without_numbers(path)}"
    digest = hashlib.blake2b(words.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def without_numbers(path: str) -> str:
    """A path without the numbers that Keras appends to automatic names.

    >>> without_numbers("dense_3/kernel")
    'dense/kernel'
    """
    return AUTOMATIC_NUMBER.sub("", path)
