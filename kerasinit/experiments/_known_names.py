"""Names that a spec may use, and the near matches of a name that it may not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import keras

from kerasinit import initializers as _registered  # noqa: F401 - registers "kerasinit>..."
from kerasinit.models import PRESETS

RESIDUAL_RULES = tuple(sorted(PRESETS))
MODEL_RULES = ("initialize", "lsuv", *RESIDUAL_RULES)
"""Rules for a whole model: `kerasinit.initialize(model)`, the same with data, and its schemes
for residual networks."""


def initializer_names() -> list[str]:
    """Every string that names an initializer here, sorted."""
    own = [name for name in dir(keras.initializers) if name.islower() and _is_class(name)]
    return sorted({*own, *_custom(), *MODEL_RULES})


def initializer_classes() -> list[str]:
    """Every `class_name` that a config of an initializer may have, sorted."""
    own = [name for name in dir(keras.initializers) if not name.islower() and _is_class(name)]
    return sorted({*own, *(name for name in _custom() if ">" in name)})


def activation_names() -> list[str]:
    """Every string that names a Keras activation, sorted."""
    return sorted(
        name
        for name in dir(keras.activations)
        if name.islower() and name not in ("deserialize", "get", "serialize") and name[0] != "_"
    )


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


def _is_class(name: str) -> bool:
    return isinstance(getattr(keras.initializers, name), type)


def _custom() -> list[str]:
    return [
        name
        for name, found in keras.saving.get_custom_objects().items()
        if isinstance(found, type) and issubclass(found, keras.initializers.Initializer)
    ]
