"""From what was watched to one record for each call of a weighted layer."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit._typing import Tensor
from kerasinit.layers import (
    activation_name,
    acts_in_gates,
    angular_frequency,
    fans,
    is_linear,
    kind_of,
    units_last,
)
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._elementwise import elementwise_derivatives, elementwise_shape
from kerasinit.signals._layer_signals import LayerSignals, layer_signals
from kerasinit.signals._recurrent import flat_gates
from kerasinit.signals._sizes import rms
from kerasinit.signals._taps import WatchedCall, call_names
from kerasinit.signals._units import unit_columns
from kerasinit.signals._watched_layers import WatchedLayer
from kerasinit.theory._moment_rules import Moments


def rows_of(
    model: Any,
    calls: list[WatchedCall],
    tap_gradients: list[np.ndarray],
    weight_gradients: dict[int, np.ndarray],
    *,
    update_ratios: dict[int, float | None],
    numbers: np.ndarray,
    expected: list[Moments | None],
) -> tuple[LayerSignals, ...]:
    """One record for each call, in execution order.

    Args:
        model: The model, whose name is taken off the front of the layers' paths.
        calls: What was watched, with concrete tensors.
        tap_gradients: Gradient by each tap.
        weight_gradients: Gradient by each trainable weight, by the `id` of the variable.
        update_ratios: Relative change of each in the first step of the optimizer, likewise.
        numbers: Numbers of the samples of the batch.
        expected: What theory expects of the output of each call.
    """
    rows = []
    largest = max(map(rms, weight_gradients.values()), default=0.0)
    derivatives = _derivatives(calls)
    # A last layer whose output is reshaped or scaled on its way out is an output all the same.
    last = calls[-1] if calls and not any(call.is_output for call in calls) else None
    for number, (name, call) in enumerate(zip(call_names(model, calls), calls, strict=True)):
        is_output = call.is_output or call is last
        given = _weights(call.watched, weight_gradients, largest)
        given["update_ratio"] = _kernel_value(call.watched, update_ratios)
        taps = [tap_gradients[tap] for tap in (call.tap, *call.state_taps)]
        # Of an encoder, perhaps the states alone are used.
        gradient = next((one for one in taps if np.any(one)), taps[0])
        given["first_non_finite"] = _first_non_finite(to_numpy(call.output), numbers)
        size = expected[number]
        if size is not None:
            given.update(predicted_rms=size.square**0.5, predicted_spread=size.std)
        rows.append(_row(name, call, gradient, given, is_output, derivatives.get(number)))
    return tuple(rows)


def _derivatives(calls: list[WatchedCall]) -> dict[int, Tensor]:
    """Derivative of each activation that acts value by value, by the number of the call."""
    found: dict[int, Tensor] = {}
    ready = [
        (number, call.activation, call.activation_input)
        for number, call in enumerate(calls)
        if call.activation is not None and call.activation_input is not None
    ]
    # All of one activation in a single pass.
    for function in {id(function): function for _, function, _ in ready}.values():
        if elementwise_shape(function) is not None:
            own = {number: value for number, used, value in ready if used is function}
            found.update(zip(own, elementwise_derivatives(function, [*own.values()]), strict=True))
    return found


def _row(
    name: str,
    call: WatchedCall,
    gradient: np.ndarray,
    weights: dict[str, Any],
    is_output: bool,
    derivative: Tensor | None,
) -> LayerSignals:
    layer, function, before = call.watched.layer, call.activation, call.activation_input
    shape = None if derivative is None else elementwise_shape(function)
    return layer_signals(
        name=name,
        kind=type(layer).__name__,
        activation=None if is_linear(function) else activation_name(function),
        output=_units_last(layer, call.output),
        preactivation=_units_last(layer, call.value),
        gradient=_units_last(layer, gradient),
        derivative=None if derivative is None else _units_last(layer, derivative),
        activation_input=None if shape is None else _units_last(layer, before),
        shape=shape,
        layer_input=None if call.layer_input is None else to_numpy(call.layer_input),
        normalized=call.normalized,
        is_output=is_output,
        has_gain=_has_gain(call),
        usual_gain=_usual_gain(call.watched),
        saturated_share=_flat_gates(call),
        is_gate=call.is_gate,
        **weights,
    )


def _flat_gates(call: WatchedCall) -> float | None:
    if call.layer_input is None or not kind_of(call.watched.layer).is_loop:
        return None
    return flat_gates(call.watched.layer, to_numpy(call.layer_input), to_numpy(call.output))


def _has_gain(call: WatchedCall) -> bool:
    layer = call.watched.layer
    if call.is_gate or acts_in_gates(layer) or kind_of(layer).family == "embedding":
        return False
    name = activation_name(call.activation)
    if is_linear(call.activation) or getattr(keras.activations, name, None) is call.activation:
        return True  # none of Keras' own is periodic
    return angular_frequency(call.activation) is None


def _usual_gain(watched: WatchedLayer) -> float:
    """Of Glorot weights, `sqrt(2 fan_in / (fan_in + fan_out))`."""
    if watched.kernel is None or watched.axes is None:
        return 1.0
    found = fans(watched.layer, watched.weights[watched.kernel])
    return math.sqrt(2 * found.fan_in / (found.fan_in + found.fan_out))


def _kernel_value(watched: WatchedLayer, values: dict[int, Any]) -> Any | None:
    return None if watched.kernel is None else values.get(id(watched.weights[watched.kernel]))


def _first_non_finite(output: np.ndarray, numbers: np.ndarray) -> int | None:
    """Number of the first sample whose output is no number."""
    if len(output) != len(numbers) or np.isfinite(output).all():
        return None
    bad = ~np.isfinite(output.reshape(len(output), -1)).all(axis=1)
    return int(numbers[np.argmax(bad)])


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
