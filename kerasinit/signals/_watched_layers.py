"""Where a model's signal is read: its weighted layers, activations and normalizations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.layers import (
    KernelAxes,
    inner_layer,
    is_norm,
    kernel_axes,
    kind_of,
    main_kernel,
    role_of,
)

JOINS = ("Average", "Concatenate")


class WatchTask(Enum):
    """What is done when a watched layer is called."""

    WEIGHTED = "record the output, tap the pre-activation"
    ACTIVATION = "complete the record of the weighted layer before it"
    NORMALIZATION = "mark the weighted layer before it"
    MOVE = "follow the values that it moves"
    PRODUCT = "mark the weighted layer whose output is a factor"
    BATCH_NORMALIZATION = "the same, and use the batch's own statistics as training does"
    NOTHING = "note what it makes of what"


@dataclass(frozen=True)
class WatchedLayer:
    """One layer (or activation node of a functional graph) that is watched.

    Args:
        layer: The Keras layer or operation.
        task: What happens there.
        opaque: Whether nothing inside it can be watched.
        weights: The layer's own weights (all of them, for an opaque layer).
        kernel: Index in `weights` of the weight with a column for each unit; None if none has.
        axes: How the axes of that weight are used.
    """

    layer: Any
    task: WatchTask
    opaque: bool = False
    weights: tuple[Any, ...] = ()
    kernel: int | None = None
    axes: KernelAxes | None = None


def watched_layers(model: Any) -> list[WatchedLayer]:
    """Everything in `model` that can be watched, in no particular order."""
    found, seen = [], set()
    for layer in _backend.flat_layers(model):
        watched = _watched(layer)
        if watched is not None:
            found.append(watched)
        for node in getattr(layer, "operations", ()):
            task = _task_of_operation(node)
            is_layer = isinstance(node, keras.layers.Layer)
            if not is_layer and id(node) not in seen and task is not None:
                seen.add(id(node))
                found.append(WatchedLayer(node, task))
    return found


def _task_of_operation(operation: Any) -> WatchTask | None:
    """What is done at a layer or operation without weights."""
    kind = kind_of(operation)
    if kind.family == "activation":
        return WatchTask.ACTIVATION
    if kind.name == "Multiply":
        return WatchTask.PRODUCT
    if kind.family == "shape" or kind.name == "GetItem":
        return WatchTask.MOVE
    is_plain = kind.family in ("add", "scale", "channelwise") or kind.name in JOINS
    return WatchTask.NOTHING if is_plain else None


def _watched(layer: Any) -> WatchedLayer | None:
    kind = kind_of(layer)
    task = _task_of_operation(layer)
    if task is not None:
        return WatchedLayer(layer, task)
    if kind.name == "BatchNormalization":
        return WatchedLayer(layer, WatchTask.BATCH_NORMALIZATION)
    if is_norm(layer) or kind.family == "statistics":
        return WatchedLayer(layer, WatchTask.NORMALIZATION)
    if kind.family == "wrapper" and not kind.is_loop:
        return None  # the layer inside is watched
    weights = tuple(layer.weights if kind.is_loop else _backend.own_variables(layer))
    weights = tuple(w for w in weights if keras.backend.is_float_dtype(w.dtype))
    if not any(len(w.shape) >= 2 for w in weights):
        return None
    inner = inner_layer(layer)
    kernel = main_kernel(inner, weights)
    axes = None
    if kernel is not None:
        main = weights[kernel]
        axes = kernel_axes(inner, role_of(inner, main), tuple(main.shape))
    return WatchedLayer(layer, WatchTask.WEIGHTED, kind.is_loop, weights, kernel, axes)
