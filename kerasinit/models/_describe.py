"""An initializer in one line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasinit.initializers import LayerInitializer


def describe(initializer: Any) -> str:
    """One line for an initializer: its class and what differs from the defaults.

    >>> describe(keras.initializers.RandomNormal(stddev=0.1))
    'RandomNormal(stddev=0.1)'
    """
    if initializer is None:
        return ""
    if not isinstance(initializer, keras.initializers.Initializer):
        return str(getattr(initializer, "__name__", type(initializer).__name__))
    kind: Any = type(initializer)
    parameters = _parameters(kind)
    ours = isinstance(initializer, LayerInitializer)
    try:
        arguments = initializer.arguments if ours else initializer.get_config()
    except Exception:  # noqa: BLE001 - the `get_config` of any class runs here
        arguments = {}
    shown = [
        f"{key}={_short(value)}"
        for key, value in arguments.items()
        if value is not None
        and key not in ("seed", "input_axes", "output_axes", "batch_axes")
        and not (key in parameters and _equal(parameters[key].default, value))
    ]
    return f"{type(initializer).__name__}({', '.join(shown)})"


@functools.cache
def _parameters(kind: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind).parameters


def _short(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.4g}"
    if isinstance(value, dict):
        name = str(value.get("class_name", "..."))
        return "..." if name.startswith("__") else name  # an array
    return repr(getattr(value, "name", None) or getattr(value, "__name__", None) or value)


def _equal(default: Any, value: Any) -> bool:
    return type(default) is type(value) and not isinstance(value, np.ndarray) and default == value
