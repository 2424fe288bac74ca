"""The `gain` argument: a number, an activation, or the activation of the layer itself."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras
import numpy as np

from kerasinit import theory
from kerasinit._numbers import checked_number
from kerasinit.initializers._site import Site
from kerasinit.layers import kernel_activation

AUTO = "auto"
GainLike: TypeAlias = float | np.number[Any] | theory.ActivationLike  # or "auto"


def checked_gain(gain: GainLike) -> Any:
    """`gain` as it is kept: a float, a name or a callable, all checked.

    Args:
        gain: A number > 0; `"auto"`; an activation's name, function, layer or serialized form.

    Raises:
        ValueError: If a number is not positive and finite, or the activation is unknown.
        TypeError: If `gain` is no number and no activation.
    """
    if isinstance(gain, bool | int | float | np.generic | np.ndarray):
        return checked_number("gain", gain, hint="An activation or 'auto' would work, too.")
    if gain is None:
        raise TypeError(
            "`gain` must be a number > 0, an activation or 'auto'. Received: gain=None."
        )
    gain = plain_activation(gain)
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


def plain_activation(activation: theory.ActivationLike) -> Any:
    """An activation as it is kept: Keras' own functions by name, configs deserialized."""
    if isinstance(activation, Mapping):
        activation = keras.saving.deserialize_keras_object(dict(activation))
    name = getattr(activation, "__name__", "")
    return name if getattr(keras.activations, name, None) is activation else activation


@functools.lru_cache(maxsize=256)
def _activation_gain(activation: Any) -> float:
    return theory.gain(activation)
