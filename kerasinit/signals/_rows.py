"""From what the watch saw to one record for each call of a weighted layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._elementwise import elementwise_shape
from kerasinit.signals._layer_signals import LayerSignals, layer_signals, rms
from kerasinit.signals._sites import Site
from kerasinit.signals._taps import Call
from kerasinit.signals._units import ActivationShape


def rows_of(
    model_name: str,
    calls: list[Call],
    tap_gradients: list[np.ndarray],
    weight_gradients: dict[int, np.ndarray],
) -> tuple[LayerSignals, ...]:
    """One record for each call, in execution order.

    Args:
        model_name: Name of the model, which is taken off the front of the layers' paths.
        calls: What the watch saw, with concrete tensors.
        tap_gradients: Gradient by each tap.
        weight_gradients: Gradient by each trainable weight, by the `id` of the variable.
    """
    times: dict[str, int] = {}
    rows = []
    largest = max(map(rms, weight_gradients.values()), default=0.0)
    # A last layer whose output is reshaped or scaled on its way out is an output all the same.
    last = calls[-1] if calls and not any(call.is_output for call in calls) else None
    for call in calls:
        name = (call.site.layer.path or call.site.layer.name).removeprefix(f"{model_name}/")
        times[name] = times.get(name, 0) + 1
        if times[name] > 1:
            name = f"{name} (call {times[name]})"
        is_output = call.is_output or call is last
        given = _weights(call.site, weight_gradients, largest)
        rows.append(_row(name, call, tap_gradients[call.tap], given, is_output))
    return tuple(rows)


def _row(
    name: str,
    call: Call,
    gradient: np.ndarray,
    weights: dict[str, Any],
    is_output: bool,
) -> LayerSignals:
    site = call.site
    shape, derivative = _derivative(call)
    return layer_signals(
        name=name,
        kind=type(site.layer).__name__,
        activation=_activation_name(call.activation),
        output=_units_last(site, call.output),
        preactivation=_units_last(site, call.value),
        gradient=_units_last(site, gradient),
        derivative=None if derivative is None else _units_last(site, derivative),
        activation_input=None if shape is None else _units_last(site, call.activation_input),
        shape=shape,
        layer_input=None if call.layer_input is None else to_numpy(call.layer_input),
        normalized=call.normalized,
        is_output=is_output,
        **weights,
    )


def _weights(site: Site, gradients: dict[int, np.ndarray], largest: float) -> dict[str, Any]:
    """The arguments of `layer_signals` that tell of the layer's weights."""
    arrays = {str(i): to_numpy(ops.convert_to_tensor(w)) for i, w in enumerate(site.weights)}
    found = {str(i): gradients[id(w)] for i, w in enumerate(site.weights) if id(w) in gradients}
    given: dict[str, Any] = {"weights": arrays, "weight_gradients": found or None}
    main = None if site.kernel is None else str(site.kernel)
    given["trainable"] = bool(found) if main is None else main in found
    if main is not None and main in found and site.as_matrix is not None:
        kernel, kernel_gradient = site.as_matrix(arrays[main]), site.as_matrix(found[main])
        for index, vector in arrays.items():
            if vector.shape == (kernel.shape[1],) and index in found:  # the bias
                kernel = np.vstack([kernel, vector])
                kernel_gradient = np.vstack([kernel_gradient, found[index]])
        given.update(kernel=kernel, kernel_gradient=kernel_gradient, largest_gradient=largest)
    return given


def _derivative(call: Call) -> tuple[ActivationShape | None, Tensor | None]:
    """Shape and derivative of the activation, if it acts value by value."""
    function, before = call.activation, call.activation_input
    shape = None if before is None else elementwise_shape(function)
    if shape is None or function is None:
        return None, None

    def total(inputs: list[Tensor]) -> tuple[Tensor, None]:
        return ops.sum(ops.cast(function(inputs[0]), "float32")), None

    return shape, _backend.gradient(total, [before])[2][0]


def _units_last(site: Site, tensor: Any) -> np.ndarray:
    array = to_numpy(tensor)
    if getattr(site.layer, "data_format", None) == "channels_first" and array.ndim > 2:
        array = np.moveaxis(array, 1, -1)
    return array[:, None] if array.ndim == 1 else array


def _activation_name(function: Callable[..., Any] | None) -> str | None:
    if function is None or function is keras.activations.linear:
        return None
    layer = getattr(function, "__self__", function)  # the `call` of an activation layer or node
    function = getattr(layer, "activation", function)
    if isinstance(layer, keras.Operation) and function is not getattr(layer, "activation", None):
        return type(layer).__name__.lower()
    return str(getattr(function, "__name__", type(function).__name__.lower()))
