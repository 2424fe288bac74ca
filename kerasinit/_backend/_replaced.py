"""Attributes of an instance, a class or a module, replaced for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

ABSENT = object()


@contextlib.contextmanager
def replaced(owner: Any, **attributes: Any) -> Iterator[None]:
    """Gives one instance other attributes in the body, then those it had, whatever happened.

    Past `__setattr__`, with which Keras layers and models keep track of what they own. Scopes of
    the same attribute nest: each puts back what it found.

    Args:
        owner: The instance; its class is left alone.
        **attributes: Their new values.

    >>> class Layer:
    ...     def call(self): return "own"
    >>> layer = Layer()
    >>> with replaced(layer, call=lambda: "other"):
    ...     layer.call()
    'other'
    >>> layer.call(), vars(layer)
    ('own', {})
    """
    held = vars(owner)
    kept = {name: held.get(name, ABSENT) for name in attributes}
    held.update(attributes)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is ABSENT:
                held.pop(name, None)
            else:
                held[name] = value


@contextlib.contextmanager
def changed(owner: Any, **attributes: Any) -> Iterator[None]:
    """Gives a class or a module other attributes in the body; `ABSENT` takes one away."""
    kept = {name: vars(owner).get(name, ABSENT) for name in attributes}
    try:
        for name, value in attributes.items():
            _put(owner, name, value)
        yield
    finally:
        for name, value in kept.items():
            _put(owner, name, value)


def _put(owner: Any, name: str, value: Any) -> None:
    if value is not ABSENT:
        setattr(owner, name, value)
    elif name in vars(owner):
        delattr(owner, name)
