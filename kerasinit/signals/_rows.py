"""From what was watched to one record for each call of a weighted layer."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from kerasinit.layers import (
    activation_name,
    acts_in_gates,
    angular_frequency,
    fans,
    is_linear,
    kind_of,
    units_last,
    zeroing_constraint,
)
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._elementwise import elementwise_shape, shares_by_activation
from kerasinit.signals._layer_signals import LayerSignals
from kerasinit.signals._recurrent import flat_gates
from kerasinit.signals._sizes import mean, norm, rms, spread, variance_over_inputs
from kerasinit.signals._taps import WatchedCall
from kerasinit.signals._units import duplicate_share, unit_columns
from kerasinit.signals._watched_layers import WatchedLayer
from kerasinit.theory._moment_rules import Moments

ORTHOGONAL = 1e-4  # cosine: float32 leaves 1e-6 of an exact 0, two random matrices 1e-2 and more


def rows_of(
    calls: list[WatchedCall],
    tap_gradients: list[np.ndarray],
    weight_gradients: dict[int, np.ndarray],
    *,
    numbers: np.ndarray,
    expected: list[Moments | None],
) -> list[LayerSignals]:
    """One record for each call, in execution order.

    Args:
        calls: What was watched, with concrete tensors.
        tap_gradients: Gradient by each tap.
        weight_gradients: Gradient by each trainable weight, by the `id` of the variable.
        numbers: Numbers of the samples of the batch.
        expected: What theory expects of the output of each call.
    """
    largest = max(map(rms, weight_gradients.values()), default=0.0)
    rows = []
    for call, size in zip(calls, expected, strict=True):
        watched, given = call.watched, call.layer_input
        weights = {i: to_numpy(weight) for i, weight in enumerate(watched.weights)}
        gradients = {
            i: weight_gradients[id(weight)]
            for i, weight in enumerate(watched.weights)
            if id(weight) in weight_gradients
        }
        taps = [tap_gradients[tap] for tap in (call.tap, *call.state_taps)]
        # Of an encoder, perhaps the states alone are used.
        gradient = _units_last(call, next((one for one in taps if np.any(one)), taps[0]))
        made = to_numpy(call.output)  # once: torch copies it
        output = _units_last(call, made)
        value = output if call.value is call.output else _units_last(call, call.value)
        rows.append(
            LayerSignals(
                name=call.name,
                kind=type(watched.layer).__name__,
                activation=None if is_linear(call.activation) else activation_name(call.activation),
                units=int(output.shape[-1]),
                samples=int(np.prod(output.shape[:-1])),
                activation_rms=rms(output),
                activation_mean=mean(output),
                activation_std=spread(output),
                preactivation_mean_square=rms(value) ** 2,
                preactivation_variance=variance_over_inputs(value),
                bias_free_rms=_bias_free_rms(call, value),
                input_rms=None if given is None else rms(to_numpy(given)),
                gradient_rms=rms(gradient),
                gradient_norm=norm(gradient),
                weight_norm=norm(*weights.values()),
                weight_gradient_norm=norm(*gradients.values()) if gradients else None,
                non_finite_weights=sum(int(np.sum(~np.isfinite(w))) for w in weights.values()),
                non_finite_outputs=int(np.sum(~np.isfinite(output))),
                normalized=call.normalized,
                has_gain=_has_gain(call),
                usual_gain=_usual_gain(watched),
                is_scale_free=_is_scale_free(weights, gradients),
                is_gate=call.is_gate,
                is_output=call.is_output,
                first_non_finite=_first_non_finite(made, numbers),
                predicted_rms=None if size is None else size.square**0.5,
                predicted_spread=None if size is None else size.std,
                **_of_activation(call),
                **_of_weights(watched, weights, gradients, largest),
            )
        )
    return rows


def _is_scale_free(weights: dict[int, np.ndarray], gradients: dict[int, np.ndarray]) -> bool:
    """Whether the gradient of each matrix is orthogonal to it."""
    pairs = [(weights[i], one) for i, one in gradients.items() if one.ndim > 1 and one.any()]
    return bool(pairs) and all(
        abs(float(np.vdot(weight, one))) < ORTHOGONAL * norm(weight) * norm(one)
        for weight, one in pairs
    )


def _of_activation(call: WatchedCall) -> dict[str, Any]:
    """The fields that tell of its activation, or of the gates of a loop."""
    layer = call.watched.layer
    is_loop = kind_of(layer).is_loop
    shape = elementwise_shape(getattr(layer, "activation", None) if is_loop else call.activation)
    found: dict[str, Any] = {"is_bounded": shape is not None and shape.bounded}
    if is_loop and call.layer_input is not None:
        share = flat_gates(layer, to_numpy(call.layer_input), to_numpy(call.output))
        found["saturated_share"] = share
    shares = shares_by_activation(layer, call.activation, call.activation_input, read=to_numpy)
    if shares is not None:
        found |= {"dead_share": float(shares[0][0]), "saturated_share": float(shares[1][0])}
    return found


def _of_weights(
    watched: WatchedLayer,
    weights: dict[int, np.ndarray],
    gradients: dict[int, np.ndarray],
    largest: float,
) -> dict[str, Any]:
    """Those that tell of its weights, by number."""
    main = watched.kernel
    if main is None:
        return {"trainable": bool(gradients)}
    found: dict[str, Any] = {"trainable": main in gradients}
    if weights[main].size and not weights[main].any():
        found["has_zero_kernel"] = True
        found["constraint"] = zeroing_constraint(watched.weights[main])
    if main in gradients and watched.axes is not None:
        replicas = ({i: a[None] for i, a in group.items()} for group in (weights, gradients))
        columns = unit_columns(watched.axes, main, *replicas)
        found["duplicate_share"] = float(duplicate_share(*columns, largest)[0])
    return found


def _bias_free_rms(call: WatchedCall, value: np.ndarray) -> float | None:
    """A bias that says how rare a class is may be much larger than what the kernel makes."""
    layer = call.watched.layer
    bias = getattr(layer, "bias", None)
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if not keras.ops.is_tensor(bias) and not isinstance(bias, keras.Variable):
        return None
    known = to_numpy(bias)
    return rms(value - known) if known.shape == value.shape[-1:] and known.any() else None


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
    if watched.main is None or watched.axes is None:
        return 1.0
    found = fans(watched.layer, watched.main)
    return math.sqrt(2 * found.fan_in / (found.fan_in + found.fan_out))


def _first_non_finite(output: np.ndarray, numbers: np.ndarray) -> int | None:
    """Number of the first sample whose output is no number."""
    if len(output) != len(numbers) or np.isfinite(output).all():
        return None
    bad = ~np.isfinite(output.reshape(len(output), -1)).all(axis=1)
    return int(numbers[np.argmax(bad)])


def _units_last(call: WatchedCall, tensor: Any) -> np.ndarray:
    return units_last(call.watched.layer, to_numpy(tensor))
