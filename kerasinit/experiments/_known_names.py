"""Names that a spec may use."""

from __future__ import annotations

import keras

from kerasinit.models import PRESETS
from kerasinit.models._near_names import loadable_names

MODEL_RULES = ("initialize", "lsuv", *sorted(PRESETS))
"""Rules for a whole model: `kerasinit.initialize(model)`, the same with data, and its schemes
for residual networks."""


def initializer_names() -> list[str]:
    """Every string that names an initializer here, sorted."""
    return sorted({*loadable_names(), *MODEL_RULES})


def initializer_classes() -> list[str]:
    """Every `class_name` that a config of an initializer may have, sorted."""
    return [name for name in loadable_names() if ">" in name or not name.islower()]


def activation_names() -> list[str]:
    """Every string that names a Keras activation, sorted."""
    return sorted(
        name
        for name in dir(keras.activations)
        if name.islower() and name not in ("deserialize", "get", "serialize") and name[0] != "_"
    )
