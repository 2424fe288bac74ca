"""Which activations act on each value by itself, and what they do far from zero."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import is_linear, units_last
from kerasinit.signals._units import ActivationShape, unit_shares

POINTS = (-1.7, -0.3, 0.4, 2.0)  # on either side of zero, none of them special


def elementwise_shape(function: Callable[[Any], Any] | None) -> ActivationShape | None:
    """What an activation does far from zero; None if it does not act value by value.

    None too for the linear activation, and for one that needs its layer's own shape or keyword
    arguments (PReLU): nothing can be said of single values there. May be asked while a backend
    traces.

    Args:
        function: Of a tensor.

    >>> import keras
    >>> elementwise_shape(keras.activations.relu)
    ActivationShape(has_off_state=True, bounded=False)
    >>> elementwise_shape(keras.activations.softmax) is None
    True
    """
    if function is None or is_linear(function):
        return None
    if getattr(keras.activations, getattr(function, "__name__", ""), None) is function:
        return _shape_of_keras(function)  # whose own never change
    return _shape(function)


def _shape(function: Callable[[Any], Any]) -> ActivationShape | None:
    points = np.array([POINTS], "float32")
    among_zeros = points.T * np.eye(1, len(POINTS), dtype="float32")
    try:
        together = _backend.evaluate(function, points)[0]
        alone = _backend.evaluate(function, among_zeros)[:, 0]
        if not np.allclose(together, alone, rtol=1e-3, atol=1e-5):
            return None
        return ActivationShape.of(lambda values: _backend.evaluate(function, values))
    except _backend.errors():
        return None


_shape_of_keras = functools.cache(_shape)


def elementwise_derivatives(function: Callable[[Any], Any], values: Tensor) -> Tensor:
    """Derivative of an activation that acts value by value, at each value of a tensor."""

    def total(inputs: list[Tensor]) -> tuple[Tensor, None]:
        return ops.sum(ops.cast(function(inputs[0]), "float32")), None

    (slopes,) = _backend.gradient(total, [values])[2]
    return slopes


def shares_by_activation(
    layer: Any,
    function: Callable[[Any], Any] | None,
    before: Tensor | None,
    *,
    replicas: bool = False,
    read: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> tuple[Tensor, Tensor] | None:
    """Shares of dead and of saturated units of a layer, each `(replicas,)`: see `unit_shares`.

    None where none can be told: see `elementwise_shape`.

    Args:
        layer: The layer.
        function: Its activation.
        before: What enters that.
        replicas: Whether a replica axis comes first; else the layer is the one replica.
        read: Turns a tensor into an array, if it has numbers: numpy needs no compilation.
    """
    shape = elementwise_shape(function)
    if shape is None or function is None or before is None:
        return None
    both = (before, elementwise_derivatives(function, before))
    values, slopes = (units_last(layer, read(one), replicas=replicas) for one in both)
    if not replicas:
        values, slopes = values[None], slopes[None]
    return unit_shares(values, slopes, shape)
