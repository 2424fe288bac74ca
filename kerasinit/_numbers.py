"""Numbers that a user hands over, checked where they come in."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import numpy as np

SMALLEST, LARGEST = 1e-30, 1e30  # beyond, float32 weights would be 0 or infinite


def checked_number(
    name: str, value: Any, *, least: float = SMALLEST, most: float = LARGEST, hint: str = ""
) -> float:
    """`value` as a float.

    Args:
        name: The argument, for the message.
        value: What the user gave for it.
        least: Smallest value that works.
        most: Largest value that works.
        hint: A last sentence for the message.

    Raises:
        ValueError: If `value` is no real number (a bool, a string and NaN are none), or out of
            range.

    >>> checked_number("omega", 30)
    30.0
    >>> checked_number("omega", 10**400)
    Traceback (most recent call last):
    ValueError: `omega` must be a number from 1e-30 to 1e+30. Received: omega=1000...000.
    """
    real = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not real or not least <= value <= most:
        raise ValueError(
            f"`{name}` must be a number from {least:g} to {most:g}. "
            f"Received: {name}={reprlib.repr(value)}.{hint and ' ' + hint}"
        )
    return float(value)


def checked_whole(name: str, value: Any, *, hint: str = "") -> int:
    """`value` as an int from 1 on.

    Raises:
        ValueError: If `value` is no integer, below 1, or beyond what a float can count.

    >>> checked_whole("depth", 2.5)
    Traceback (most recent call last):
    ValueError: `depth` must be an integer >= 1. Received: depth=2.5.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 1 <= value <= LARGEST:
        raise ValueError(
            f"`{name}` must be an integer >= 1. "
            f"Received: {name}={reprlib.repr(value)}.{hint and ' ' + hint}"
        )
    return int(value)


def checked_flag(name: str, value: Any) -> bool:
    """`value` as a bool.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False. Received: {name}={value!r}.")
    return bool(value)


def is_finite(value: Any) -> bool:
    """Whether `value` is a real number that a float can hold.

    >>> [is_finite(value) for value in (1, np.float32(2), True, "2", math.nan, 10**400)]
    [True, True, False, False, False, False]
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False
