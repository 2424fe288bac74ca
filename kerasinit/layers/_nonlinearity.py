"""The activation of a layer: which function, by which name, and after which kernel."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import numpy as np

from kerasinit import _backend, theory
from kerasinit.layers._kinds import kind_of

GATING = ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax", "sparsemax")
# Kernels whose result does not go through the activation of their layer alone.
LINEAR_ROLES = ("recurrent", "embeddings", "bias")


def is_linear(activation: Any) -> bool:
    """Whether an activation argument means none."""
    return activation is None or activation is keras.activations.linear


def is_mixing(activation: Any) -> bool:
    """Whether an activation mixes the units of one input (softmax), and so ends a network."""
    return activation_name(activation) in theory.NOT_ELEMENTWISE


def is_gating(activation: Any) -> bool:
    """Whether an activation gives shares from 0 to 1, which open and close what they multiply."""
    return activation_name(activation) in GATING


def own_activation(layer: Any) -> Any | None:
    """The activation that a layer keeps; None where it is linear, or the layer keeps none.

    A composite layer may keep one that acts after one of its kernels only.
    """
    activation = getattr(layer, "activation", None)
    return None if is_linear(activation) else activation


def kernel_activation(layer: Any, role: str) -> Any | None:
    """The activation that the output of one kernel of `layer` goes through; None if linear.

    The gates of a cell count as linear, and so does what ends a network (softmax).

    >>> layer = keras.layers.SeparableConv2D(4, 3, activation="relu")
    >>> [activation_name(kernel_activation(layer, role)) for role in ("depthwise", "pointwise")]
    ['linear', 'relu']
    """
    kind = kind_of(layer)
    first_half = kind.family == "separable" and role == "depthwise"
    if role in LINEAR_ROLES or kind.gates > 1 or first_half:
        return None
    activation = own_activation(layer)
    return None if is_mixing(activation) else activation


def applied_activation(operation: Any) -> Any | None:
    """The activation that an activation layer or operation is; None for everything else.

    None, too, for those that mix units. What has parameters is given with them; a PReLU, whose
    parameters are trained, as what it starts from.

    Args:
        operation: A Keras layer, or an operation of a functional graph.
    """
    kind = kind_of(operation)
    if kind.family not in ("activation", "formula") or kind.activation in theory.NOT_ELEMENTWISE:
        return None
    if not kind.activation:
        return operation.activation
    if isinstance(operation, keras.layers.Layer):
        if kind.activation == "prelu":
            return keras.layers.LeakyReLU(negative_slope=_starting_slope(operation))
        return operation
    if kind.activation == "gelu" and not getattr(operation, "approximate", True):
        return keras.activations.gelu
    known = None if kind.has_parameters else getattr(keras.activations, kind.activation, None)
    return known or operation.call


def _starting_slope(layer: Any) -> float:
    """The negative slope at which a PReLU layer starts, from its own initializer."""
    values = layer.alpha_initializer((1,), dtype="float32")
    slope = float(np.mean(_backend.numpy_of(values)))
    return max(slope, 0.0) if math.isfinite(slope) else 0.0


def activation_name(activation: Any) -> str:
    """A short name for messages and records, the same for a function, a layer and an operation.

    Args:
        activation: Whatever a layer takes as `activation`, an activation layer, an operation of a
            functional graph, the `call` of either, or an `Activation` of `theory`.

    >>> layer = keras.layers.ReLU()
    >>> [activation_name(one) for one in (None, keras.activations.relu, layer, layer.call)]
    ['linear', 'relu', 'relu', 'relu']
    """
    if is_linear(activation):
        return "linear"
    if isinstance(activation, str):
        return activation
    if isinstance(activation, functools.partial):
        return activation_name(activation.func)
    if isinstance(activation, theory.Activation):
        return activation.name
    owner = getattr(activation, "__self__", activation)
    if isinstance(owner, keras.Operation):
        kind = kind_of(owner)
        if kind.activation:
            return kind.activation
        if kind.family == "activation":
            return activation_name(owner.activation)
        return type(owner).__name__.lower()
    return str(getattr(activation, "__name__", type(activation).__name__.lower()))
