"""What lists, dicts and sets hold, put back."""

from __future__ import annotations

import contextlib
import operator
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Any

import keras

KINDS = OrderedDict, dict, list, set, deque  # the first that fits: a dict's methods break others


@contextlib.contextmanager
def same_contents(holders: Iterable[Any]) -> Iterator[None]:
    """Takes back what the body puts into the containers in some others, at any depth.

    Args:
        holders: Dicts, lists, sets; they themselves are not looked after.
    """
    held = _contents(holders)
    try:
        yield
    finally:
        for container, values in held:
            now, before = _entries(container), _entries(values)
            if len(now) != len(before) or not all(map(operator.is_, now, before)):
                _refill(container, values)


def variables_in(holders: Iterable[Any]) -> list[Any]:
    """Keras variables in dicts, lists and sets, and in those which they hold."""
    holders = list(holders)
    inner = [container for container, _ in _contents(holders)]
    return [one for one in _values([*holders, *inner]) if isinstance(one, keras.Variable)]


def _values(holders: Iterable[Any]) -> list[Any]:
    """What dicts, lists and sets hold."""
    return [
        value
        for holder in holders
        for value in (holder.values() if isinstance(holder, dict) else holder)
    ]


def _contents(holders: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Each container with what it holds."""
    found: dict[int, tuple[Any, Any]] = {}
    waiting = list(holders)
    while waiting:
        holder = waiting.pop()
        for value in _values([holder]):
            if isinstance(value, KINDS) and id(value) not in found:
                found[id(value)] = value, dict(value) if isinstance(value, dict) else list(value)
                waiting.append(value)
    return [*found.values()]


def _entries(container: Any) -> list[Any]:
    return [*container, *(container.values() if isinstance(container, dict) else ())]


def _refill(container: Any, values: Any) -> None:
    # Past the methods of Keras' subclasses, which note anew what is added.
    kind: Any = next(kind for kind in KINDS if isinstance(container, kind))
    kind.clear(container)
    add = kind.extend if hasattr(kind, "extend") else kind.update
    add(container, values)
