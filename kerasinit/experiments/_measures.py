"""From the arrays of a probe to the numbers of each replica."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.experiments._records import RECORD_BINS
from kerasinit.experiments._stacking import Weights
from kerasinit.experiments._trainer import Probe
from kerasinit.layers import activation_name, is_linear, units_last
from kerasinit.signals import LayerSignals, Signals, duplicate_share, judge
from kerasinit.signals._elementwise import shares_by_activation
from kerasinit.signals._histograms import row_histograms
from kerasinit.signals._sizes import mean, norm, rms, rms_of_each, spread, variance_over_inputs
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
    places = _places(model)
    norms = []
    for call in calls:
        own = _own(call, places)
        norms.append([norm(*(probe.gradients[i][r] for i in own)) for r in range(len(probe.loss))])
    examples = len(probe.taps[0][0])
    return Strengths(
        gradient_norms=np.stack(norms, axis=1),
        signal_rms=np.stack([rms_of_each(output) for output in probe.outputs], axis=1),
        gradient_rms=np.stack([examples * rms_of_each(probe.taps[c.tap]) for c in calls], axis=1),
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
    places = _places(model)
    columns = [_layer_rows(call, k, places, probe, weights) for k, call in enumerate(calls)]
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


def _places(model: Any) -> dict[int, int]:
    """Place of each trainable variable among them, by its `id`."""
    return {id(variable): place for place, variable in enumerate(model.trainable_variables)}


def _own(call: WatchedCall, places: Mapping[int, int]) -> list[int]:
    """Places of the weights of a layer that train."""
    return [places[id(weight)] for weight in call.watched.weights if id(weight) in places]


def _layer_rows(
    call: WatchedCall, index: int, places: Mapping[int, int], probe: Probe, weights: Weights
) -> list[LayerSignals]:
    """One call of one layer: a `LayerSignals` per replica."""
    layer = call.watched.layer
    value, output, slope = (
        units_last(layer, array, replicas=True)
        for array in (probe.values[index], probe.outputs[index], probe.taps[call.tap])
    )
    own = _own(call, places)
    shares = shares_by_activation(
        layer,
        call.activation,
        ops.convert_to_tensor(probe.activation_inputs[index]),
        replicas=True,
        read=_backend.numpy_of,
    )
    copies = _duplicate_shares(call, own, places, probe, weights)
    has_indices = call.layer_input is None

    def row(r: int) -> LayerSignals:
        held = [weights.trainable[i][r] for i in own]
        return LayerSignals(
            name=call.name,
            kind=type(layer).__name__,
            activation=None if is_linear(call.activation) else activation_name(call.activation),
            units=int(output.shape[-1]),
            samples=int(np.prod(output.shape[1:-1])),
            activation_rms=rms(output[r]),
            activation_mean=mean(output[r]),
            activation_std=spread(output[r]),
            preactivation_mean_square=rms(value[r]) ** 2,
            preactivation_variance=variance_over_inputs(value[r]),
            input_rms=None if has_indices else float(probe.input_rms[index][r]),
            gradient_rms=rms(slope[r]),
            gradient_norm=norm(slope[r]),
            weight_norm=norm(*held),
            weight_gradient_norm=norm(*(probe.gradients[i][r] for i in own)),
            dead_share=None if shares is None else float(shares[0][r]),
            saturated_share=None if shares is None else float(shares[1][r]),
            duplicate_share=None if copies is None else float(copies[r]),
            non_finite_weights=sum(int(np.sum(~np.isfinite(one))) for one in held),
            non_finite_outputs=int(np.sum(~np.isfinite(output[r]))),
            normalized=call.normalized,
            is_output=call.is_output,
        )

    return [row(r) for r in range(len(value))]


def _duplicate_shares(
    call: WatchedCall,
    own: Sequence[int],
    places: Mapping[int, int],
    probe: Probe,
    weights: Weights,
) -> np.ndarray | None:
    """Share of units per replica that are copies of another unit; None if none can be told."""
    axes, main = call.watched.axes, places.get(id(call.watched.main))
    if axes is None or main is None:
        return None
    arrays = ({i: group[i] for i in own} for group in (weights.trainable, probe.gradients))
    largest = np.max([rms_of_each(gradient) for gradient in probe.gradients], axis=0)
    return duplicate_share(*unit_columns(axes, main, *arrays), largest)
