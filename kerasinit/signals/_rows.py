"""From what was watched to one record for each call of a weighted layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from kerasinit.layers import activation_name, is_linear, units_last
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._elementwise import elementwise_derivative, elementwise_shape
from kerasinit.signals._layer_signals import LayerSignals, layer_signals, rms
from kerasinit.signals._taps import WatchedCall, call_names
from kerasinit.signals._units import unit_columns
from kerasinit.signals._watched_layers import WatchedLayer


def rows_of(
    model: Any,
    calls: list[WatchedCall],
    tap_gradients: list[np.ndarray],
    weight_gradients: dict[int, np.ndarray],
) -> tuple[LayerSignals, ...]:
    """One record for each call, in execution order.

    Args:
        model: The model, whose name is taken off the front of the layers' paths.
        calls: What was watched, with concrete tensors.
        tap_gradients: Gradient by each tap.
        weight_gradients: Gradient by each trainable weight, by the `id` of the variable.
    """
    rows = []
    largest = max(map(rms, weight_gradients.values()), default=0.0)
    # A last layer whose output is reshaped or scaled on its way out is an output all the same.
    last = calls[-1] if calls and not any(call.is_output for call in calls) else None
    for name, call in zip(call_names(model, calls), calls, strict=True):
        is_output = call.is_output or call is last
        given = _weights(call.watched, weight_gradients, largest)
        rows.append(_row(name, call, tap_gradients[call.tap], given, is_output))
    return tuple(rows)


def _row(
    name: str,
    call: WatchedCall,
    gradient: np.ndarray,
    weights: dict[str, Any],
    is_output: bool,
) -> LayerSignals:
    layer, function, before = call.watched.layer, call.activation, call.activation_input
    shape = derivative = None
    if function is not None and before is not None:
        shape = elementwise_shape(function)
        if shape is not None:
            derivative = _units_last(layer, elementwise_derivative(function, before))
    return layer_signals(
        name=name,
        kind=type(layer).__name__,
        activation=None if is_linear(function) else activation_name(function),
        output=_units_last(layer, call.output),
        preactivation=_units_last(layer, call.value),
        gradient=_units_last(layer, gradient),
        derivative=derivative,
        activation_input=None if shape is None else _units_last(layer, before),
        shape=shape,
        layer_input=None if call.layer_input is None else to_numpy(call.layer_input),
        normalized=call.normalized,
        is_output=is_output,
        **weights,
    )


def _weights(
    watched: WatchedLayer, gradients: dict[int, np.ndarray], largest: float
) -> dict[str, Any]:
    """The arguments of `layer_signals` that tell of the layer's weights."""
    weights, main = watched.weights, watched.kernel
    arrays = {i: to_numpy(ops.convert_to_tensor(weight)) for i, weight in enumerate(weights)}
    found = {
        i: gradients[id(weight)] for i, weight in enumerate(weights) if id(weight) in gradients
    }
    given: dict[str, Any] = {"weights": arrays, "weight_gradients": found or None}
    given["trainable"] = bool(found) if main is None else main in found
    if main is not None and main in found and watched.axes is not None:
        replicas = ({i: array[None] for i, array in group.items()} for group in (arrays, found))
        kernel, kernel_gradient = unit_columns(watched.axes, main, *replicas)
        given.update(kernel=kernel[0], kernel_gradient=kernel_gradient[0], largest_gradient=largest)
    return given


def _units_last(layer: Any, tensor: Any) -> np.ndarray:
    return units_last(layer, to_numpy(tensor))
