"""Attributes of an object, replaced for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_ABSENT = object()


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
    kept = {name: held.get(name, _ABSENT) for name in attributes}
    held.update(attributes)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is _ABSENT:
                held.pop(name, None)
            else:
                held[name] = value
