"""Names of initializers, and the near matches of a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import keras

from kerasinit import initializers as _registered  # noqa: F401 - registers "kerasinit>..."


def loadable_names() -> list[str]:
    """Every string, and every class name of a config, that Keras makes an initializer of."""
    own = [name for name in dir(keras.initializers) if _is_initializer(name)]
    return sorted({*own, *_custom()})


def near(name: Any, choices: Iterable[str]) -> str:
    """A phrase with the names closest to `name`, or with a few of them all.

    Examples:
        >>> near("he_norml", ["he_normal", "zeros"])
        "Near matches: 'he_normal'."
    """
    choices = list(choices)
    text = str(name)
    lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(text.lower(), lower, n=3, cutoff=0.6)
    if found:
        return f"Near matches: {', '.join(repr(lower[match]) for match in found)}."
    return f"Use one of: {', '.join(map(repr, choices[:20]))}{', ...' if choices[20:] else ''}."


def _is_initializer(name: str) -> bool:
    return isinstance(getattr(keras.initializers, name), type)


def _custom() -> list[str]:
    return [
        name
        for name, found in keras.saving.get_custom_objects().items()
        if isinstance(found, type) and issubclass(found, keras.initializers.Initializer)
    ]
