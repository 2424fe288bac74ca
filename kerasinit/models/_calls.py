"""What one call of a model's graph does to a signal."""

from __future__ import annotations

from typing import Any

import keras

from kerasinit import theory
from kerasinit.layers import applied_activation, kind_of
from kerasinit.models._graph import GraphCall


def activation_of(call: GraphCall) -> Any | None:
    """The activation that a call applies to each entry; None where the call is something else."""
    return applied_activation(call.operation) if len(call.inputs) == 1 else None


def gain_of(activation: Any | None) -> float:
    """Gain that keeps the mean square through an activation; 1 where it is not elementwise."""
    if activation is None:
        return 1.0
    try:
        return theory.gain(activation)
    except ValueError:
        return 1.0


def is_add(call: GraphCall) -> bool:
    """Whether a call adds two or more values of the model."""
    if kind_of(call.operation).family != "add":
        return False
    return isinstance(call.operation, keras.layers.Layer) or len(set(call.inputs)) > 1


def is_transparent(call: GraphCall) -> bool:
    """Whether a call passes the signal on, so that what follows it follows the layer before it."""
    family = kind_of(call.operation).family
    return family == "channelwise" or (family == "shape" and len(call.inputs) == 1)
