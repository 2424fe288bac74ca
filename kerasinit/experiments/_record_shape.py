"""What the fields of a record hold: a line may come from another program, or be damaged."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from kerasinit._numbers import is_finite

Check = Callable[[Any], bool]


def record_mistake(data: Mapping[str, Any]) -> str:
    """What is wrong with the values of a record, in words that follow "The record"; empty if right.

    Numbers that were not finite are None.

    >>> record_mistake({**dict.fromkeys(FIELDS), "cell": 5})
    "must hold 'cell': model, data, activation, depth, width and learning_rate. Received: 5"
    """
    if missing := [name for name in FIELDS if name not in data]:
        return f"misses a field: {', '.join(missing)}"
    for name, (check, words) in (FIELDS | LATER_FIELDS).items():
        if name in data and not check(data[name]):
            return f"must hold {name!r}: {words}. Received: {reprlib.repr(data[name])}"
    for name in BY_LAYER:
        if any(len(row) != len(data["layers"]) for row in data[name]):
            return f"must hold in {name!r} one number for each of its {len(data['layers'])} layers"
    return ""


def _is(kind: type) -> Check:
    return lambda value: type(value) is kind


def _lists(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _dicts(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _numbers(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    kinds = set(map(type, value))  # a record holds thousands of them
    return kinds <= {float, int, type(None)} and all(v is None or is_finite(v) for v in value)


def _amounts(value: Any) -> bool:
    return _numbers(value) and all(v is None or v >= 0 for v in value)


def _curves(value: Any) -> bool:
    """Lists by name; an accuracy is a share."""
    return _dicts(_numbers)(value) and all(
        all(v is None or 0 <= v <= 1 for v in curve)
        for name, curve in value.items()
        if name.endswith("accuracy")
    )


def _cell(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == CELL.keys()
        and all(check(value[name]) for name, check in CELL.items())
    )


def _count(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _verdict(value: Any) -> bool:
    return _dicts(_is(str))(value) and {"cause", "where", "evidence"} <= value.keys()


CELL: dict[str, Check] = {
    "model": _is(str),
    "data": _is(str),
    "activation": _is(str),
    "depth": _count,
    "width": _count,
    "learning_rate": lambda value: type(value) is float and is_finite(value),
}
FIELDS: dict[str, tuple[Check, str]] = {
    "cell": (_cell, "model, data, activation, depth, width and learning_rate"),
    "initializer": (_is(str), "a text"),
    "seed": (_whole, "a whole number from 0 on"),
    "curves": (_curves, "lists of numbers by name, accuracies from 0 to 1"),
    "epochs_to_target": (lambda value: value is None or _count(value), "an epoch, or null"),
    "trained": (_is(bool), "true or false"),
    "layers": (_lists(_is(str)), "a list of names"),
    "measured_epochs": (_lists(_whole), "a list of whole numbers from 0 on"),
    "gradient_norms": (_lists(_amounts), "lists of numbers from 0 on"),
    "signal_rms": (_lists(_amounts), "lists of numbers from 0 on"),
    "gradient_rms": (_lists(_amounts), "lists of numbers from 0 on"),
    "activation_histogram": (_lists(_amounts), "lists of numbers from 0 on"),
    "gradient_histogram": (_lists(_amounts), "lists of numbers from 0 on"),
    "dead_share": (_numbers, "a list of numbers"),
    "symmetric": (_is(bool), "true or false"),
    "start": (_verdict, "cause, where and evidence, as texts"),
    "end": (_verdict, "cause, where and evidence, as texts"),
    "seconds": (is_finite, "a number"),
    "versions": (_dicts(_is(str)), "versions by name, as texts"),
}
# Older records lack these.
LATER_FIELDS: dict[str, tuple[Check, str]] = {
    "mapped": (_is(bool), "true or false"),
    "score": (lambda value: value in ("accuracy", "R2"), "accuracy or R2"),
    "val_samples": (lambda value: value is None or _count(value), "a count, or null"),
}
BY_LAYER = ("gradient_norms", "signal_rms", "gradient_rms")
