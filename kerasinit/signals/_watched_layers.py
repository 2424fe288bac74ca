"""Where a model's signal is read: its weighted layers, activations and normalizations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

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

Task: TypeAlias = Literal[
    "weighted",  # record the output, tap the pre-activation
    "activation",  # complete the record of the weighted layer before it
    "normalization",  # mark the weighted layer before it
    "batch_normalization",  # the same, and use the batch's own statistics as training does
    "moved",  # follow the values that it moves
    "product",  # mark the weighted layer whose output is a factor
    "plain",  # note what it makes of what
]
"""What is done when a watched layer is called: the method of `ForwardPass` of that name."""


@dataclass(frozen=True)
class WatchedLayer:
    """One layer (or activation node of a functional graph) that is watched.

    Args:
        name: Path of the layer in its model; the name of an operation.
        layer: The Keras layer or operation.
        task: What happens there.
        opaque: Whether nothing inside it can be watched.
        weights: The layer's own weights (all of them, for an opaque layer).
        kernel: Index in `weights` of the weight with a column for each unit; None if none has.
        axes: How the axes of that weight are used.
    """

    name: str
    layer: Any
    task: Task
    opaque: bool = False
    weights: tuple[Any, ...] = ()
    kernel: int | None = None
    axes: KernelAxes | None = None

    @property
    def is_weighted(self) -> bool:
        """Whether it has a record of its own."""
        return self.task == "weighted"

    @property
    def main(self) -> Any | None:
        """The weight with a column for each unit."""
        return None if self.kernel is None else self.weights[self.kernel]


def watched_layers(model: Any) -> list[WatchedLayer]:
    """Everything in `model` that can be watched, in no particular order."""
    found, seen = [], set()
    for layer in _backend.flat_layers(model):
        found.append(_watched(layer, layer_name(model, layer)))
        for node in getattr(layer, "operations", ()):
            if not isinstance(node, keras.layers.Layer) and id(node) not in seen:
                seen.add(id(node))
                task = _task_without_weights(node)
                found.append(None if task is None else WatchedLayer(node.name, node, task))
    return [one for one in found if one is not None]


def layer_name(model: Any, layer: Any) -> str:
    """Path of a layer in its model."""
    return str((layer.path or layer.name).removeprefix(f"{model.name}/"))


def _task_without_weights(operation: Any) -> Task | None:
    kind = kind_of(operation)
    if kind.family == "activation":
        return "activation"
    if kind.name == "Multiply":
        return "product"
    if kind.family in ("shape", "part"):
        return "moved"
    return "plain" if kind.family in ("add", "scale", "channelwise", "join") else None


def _watched(layer: Any, name: str) -> WatchedLayer | None:
    kind = kind_of(layer)
    task = _task_without_weights(layer)
    if kind.name == "BatchNormalization":
        task = "batch_normalization"
    elif is_norm(layer) or kind.family == "statistics":
        task = "normalization"
    if task is not None:
        return WatchedLayer(name, layer, task)
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
    return WatchedLayer(name, layer, "weighted", kind.is_loop, weights, kernel, axes)
