"""From the arrays of a probe to the numbers of each replica."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.experiments._records import RECORD_BINS
from kerasinit.experiments._stacking import Weights
from kerasinit.experiments._trainer import Probe
from kerasinit.layers import activation_name, is_linear, units_last
from kerasinit.signals import LayerSignals, Signals, duplicate_share, judge, unit_shares
from kerasinit.signals._elementwise import elementwise_derivatives, elementwise_shape
from kerasinit.signals._histograms import row_histograms
from kerasinit.signals._taps import WatchedCall
from kerasinit.signals._units import unit_columns


@dataclass(frozen=True)
class Strengths:
    """Per replica and layer: how strong the signal is. Arrays `(replicas, layers)`.

    Args:
        gradient_norms: Norm of the gradient of the layer's own weights.
        signal_rms: RMS of its activations.
        gradient_rms: RMS of the gradient of one example's loss by its pre-activations.
    """

    gradient_norms: np.ndarray
    signal_rms: np.ndarray
    gradient_rms: np.ndarray


def strengths(model: Any, calls: Sequence[WatchedCall], probe: Probe) -> Strengths:
    """How strong the signal is at every call of a weighted layer."""
    position = {id(v): index for index, v in enumerate(model.trainable_variables)}
    norms = []
    for call in calls:
        own = [position[id(v)] for v in call.watched.weights if id(v) in position]
        squares = [squared_norm(probe.gradients[index]) for index in own]
        norms.append(np.sqrt(sum(squares, np.zeros_like(probe.loss, "float64"))))
    examples = len(probe.taps[0][0]) if probe.taps else 1
    return Strengths(
        gradient_norms=np.stack(norms, axis=1),
        signal_rms=np.stack([rms(output) for output in probe.outputs], axis=1),
        gradient_rms=np.stack([examples * rms(probe.taps[c.tap]) for c in calls], axis=1),
    )


def signals_of(
    model: Any, calls: Sequence[WatchedCall], probe: Probe, weights: Weights, classes: int
) -> list[Signals]:
    """What `kerasinit.signals.measure` would say of each replica.

    Args:
        model: The model, for the order of its variables.
        calls: Calls of its weighted layers.
        probe: What a batch showed.
        weights: The stacked weights at that time.
        classes: Number of classes, for the loss of chance; 0 for a regression.
    """
    columns = [_layer_rows(model, call, k, probe, weights) for k, call in enumerate(calls)]
    return [
        Signals(
            layers=layers,
            samples=len(probe.taps[0][0]),
            input_rms=layers[0].input_rms,
            input_non_finite=0,
            loss=float(probe.loss[replica]),
            chance_loss=math.log(classes) if classes else None,
            sum_loss=False,
        )
        for replica, layers in enumerate(zip(*columns, strict=True))
    ]


def verdict(signals: Signals) -> dict[str, str]:
    """The root cause of what is wrong, as a record holds it."""
    found = judge(signals)
    if not found:
        return {"cause": "healthy", "where": "", "evidence": ""}
    return {"cause": found[0].cause, "where": found[0].where, "evidence": found[0].evidence}


def histogram(values: np.ndarray) -> np.ndarray:
    """Shares of |value| in `RECORD_BINS`, `(replicas, bins)`; rounded to 1e-4.

    Args:
        values: Shape `(replicas, ...)`; what is not finite is counted nowhere.

    Examples:
        >>> shares = histogram(np.array([[0.0, 1.0, -1.5, 2.0]]))[0].tolist()
        >>> shares[0], shares[33], shares[34]  # below 2**-32; from 1 on; from 2 on
        (0.25, 0.5, 0.25)
    """
    flat = values.reshape(len(values), -1)
    counts = row_histograms(flat, RECORD_BINS).astype("int64")
    counts[:, 0] += np.isfinite(flat).sum(axis=1) - counts.sum(axis=1)
    return np.round(counts / max(flat.shape[1], 1), 4)


def squared_norm(values: np.ndarray) -> np.ndarray:
    """Sum of squares per replica, in double precision: float32 would overflow at 1e19."""
    flat = values.reshape(len(values), -1).astype("float64")
    return np.einsum("ri,ri->r", flat, flat)


def rms(values: np.ndarray) -> np.ndarray:
    """Root mean square per replica."""
    return np.sqrt(squared_norm(values) / max(values[0].size, 1))


def _layer_rows(
    model: Any, call: WatchedCall, index: int, probe: Probe, weights: Weights
) -> list[LayerSignals]:
    """One call of one layer: a `LayerSignals` per replica."""
    layer = call.watched.layer
    value, output, slope = (
        units_last(layer, array, replicas=True)
        for array in (probe.values[index], probe.outputs[index], probe.taps[call.tap])
    )
    before = probe.activation_inputs[index]
    trainable = {id(v): i for i, v in enumerate(model.trainable_variables)}
    own = [trainable[id(v)] for v in call.watched.weights if id(v) in trainable]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = output.reshape(len(output), -1).mean(axis=1, dtype="float64")
        output_rms, value_rms, slope_rms = rms(output), rms(value), rms(slope)
        variance = np.var(value, axis=1, dtype="float64").reshape(len(value), -1).mean(axis=1)
        weight_norm = np.sqrt(sum(squared_norm(weights.trainable[i]) for i in own))
        gradient_norm = np.sqrt(sum(squared_norm(probe.gradients[i]) for i in own))
        std = np.sqrt(np.maximum(output_rms**2 - mean**2, 0))
    dead, saturated = _unit_shares(call, probe.values[index] if before is None else before)
    copies = _duplicate_shares(call, own, trainable, probe, weights)
    broken = [sum(int((~np.isfinite(weights.trainable[i][r])).sum()) for i in own)
              for r in range(len(value))]  # fmt: skip
    input_rms = probe.input_rms[index]
    return [
        LayerSignals(
            name=call.name,
            kind=type(layer).__name__,
            activation=None if is_linear(call.activation) else activation_name(call.activation),
            units=int(output.shape[-1]),
            samples=int(np.prod(output.shape[1:-1])),
            activation_rms=float(output_rms[r]),
            activation_mean=float(mean[r]),
            activation_std=float(std[r]),
            preactivation_mean_square=float(value_rms[r] ** 2),
            preactivation_variance=float(variance[r]),
            input_rms=None if input_rms is None else float(input_rms[r]),
            gradient_rms=float(slope_rms[r]),
            gradient_norm=float(slope_rms[r] * math.sqrt(slope[r].size)),
            weight_norm=float(weight_norm[r]),
            weight_gradient_norm=float(gradient_norm[r]),
            dead_share=None if dead is None else float(dead[r]),
            saturated_share=None if saturated is None else float(saturated[r]),
            duplicate_share=None if copies is None else float(copies[r]),
            non_finite_weights=broken[r],
            non_finite_outputs=int((~np.isfinite(output[r])).sum()),
            normalized=call.normalized,
            is_output=call.is_output,
        )
        for r in range(len(value))
    ]


def _unit_shares(call: WatchedCall, before: np.ndarray) -> tuple[np.ndarray | None, ...]:
    """Shares of dead and of saturated units per replica; None where they make no sense."""
    function, layer = call.activation, call.watched.layer
    shape = elementwise_shape(function)
    if shape is None or function is None:
        return None, None
    derivative = elementwise_derivatives(function, ops.convert_to_tensor(before))
    before, slopes = (
        units_last(layer, array, replicas=True) for array in (before, _backend.numpy_of(derivative))
    )
    return unit_shares(before, slopes, shape)


def _duplicate_shares(
    call: WatchedCall, own: Sequence[int], position: dict[int, int], probe: Probe, weights: Weights
) -> np.ndarray | None:
    """Share of units per replica that are copies of another unit; None if none can be told."""
    watched = call.watched
    if watched.kernel is None or watched.axes is None:
        return None
    main = position.get(id(watched.weights[watched.kernel]))
    if main is None:
        return None
    arrays = ({i: group[i] for i in own} for group in (weights.trainable, probe.gradients))
    largest = np.max([rms(gradient) for gradient in probe.gradients], axis=0)
    return duplicate_share(*unit_columns(watched.axes, main, *arrays), largest)
