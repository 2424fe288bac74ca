"""The `gain` argument: a number, an activation, or the activation of the layer itself."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from kerasinit import theory
from kerasinit.initializers._site import Site
from kerasinit.layers import kernel_activation

AUTO = "auto"
SMALLEST_GAIN, LARGEST_GAIN = 1e-30, 1e30  # beyond, float32 weights would be 0 or infinite


def checked_gain(gain: Any) -> Any:
    """`gain` as it is kept: a float, a name or a callable, all checked.

    Args:
        gain: A number > 0; `"auto"`; an activation's name, function, layer or serialized form.

    Raises:
        ValueError: If a number is not positive and finite, or the activation is unknown.
        TypeError: If `gain` is no number and no activation.
    """
    if isinstance(gain, bool | np.bool_) or gain is None:
        raise TypeError(
            "`gain` must be a number > 0, an activation or 'auto'. "
            f"Received: gain={gain!r} of type {type(gain).__name__}."
        )
    if isinstance(gain, int | float | np.integer | np.floating):
        if not SMALLEST_GAIN < gain < LARGEST_GAIN:
            raise ValueError(
                f"`gain` must be > 0 and finite, also as a float32 weight. Received: gain={gain!r}."
            )
        return float(gain)
    if isinstance(gain, dict):
        gain = keras.activations.get(gain)
    name = getattr(gain, "__name__", "")
    if getattr(keras.activations, name, None) is gain:
        gain = name
    if gain != AUTO:
        try:
            activation_gain(gain)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"`gain` must be a number > 0, an activation or 'auto'. {error}"
            ) from error
    return gain


def gain_at(gain: Any, site: Site | None) -> float:
    """The factor on `1 / sqrt(fan)`, dimensionless.

    Args:
        gain: What `checked_gain` returned.
        site: The layer variable to fill, or None outside a layer, where `"auto"` means 1.
    """
    if isinstance(gain, float):
        return gain
    return activation_gain(activation_at(site) if gain == AUTO else gain)


def activation_at(site: Site | None) -> Any:
    """The activation that the output of a kernel goes through; None where it is linear.

    Args:
        site: The layer variable to fill, or None outside a layer.
    """
    return None if site is None else kernel_activation(site.layer, site.role)


def activation_gain(activation: Any) -> float:
    """`theory.gain`, computed once for each activation function."""
    if isinstance(activation, keras.layers.Layer):  # its parameters may change
        return theory.gain(activation)
    return _activation_gain(activation)


def serialized_gain(gain: Any) -> Any:
    """`gain` as plain data for a config.

    Raises:
        ValueError: If `gain` is a function that is not registered with Keras.
    """
    if isinstance(gain, keras.layers.Layer):
        return keras.saving.serialize_keras_object(gain)
    if not callable(gain):
        return gain
    registered = keras.saving.get_registered_name(gain)
    if keras.saving.get_registered_object(registered) is not gain:
        raise ValueError(
            "A function as `gain` can only be saved once it is registered with "
            f"`keras.saving.register_keras_serializable`. Received: gain={gain!r}."
        )
    return registered


@functools.lru_cache(maxsize=256)
def _activation_gain(activation: Any) -> float:
    return theory.gain(activation)
