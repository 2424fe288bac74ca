"""Which biases lead straight to the loss, and what the labels say they should start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._safe_text import safe
from kerasinit.layers import activation_name, is_channels_first, is_closed, kind_of, own_activation
from kerasinit.models._graph import Graph, GraphCall
from kerasinit.models._scene import Scene
from kerasinit.preparation._batches import Batches, joined, tensors
from kerasinit.preparation._label_prior import Unsure, narrowing, prior_of
from kerasinit.preparation._task import Task
from kerasinit.signals._heads import names_of_outputs, of_outputs, targets_of_outputs

SHOWN = 4  # values in a line


@dataclass(frozen=True)
class BiasRow:
    """What the bias of one output of a model starts from.

    Args:
        output: Name of the output.
        path: Path of the bias; empty where none leads straight to the loss.
        values: What it gets; None where it is left alone.
        reason: What these are, or why it is left alone.
        is_added: Whether it is added to a new bias, which cancels the mean of what the layer reads.
        kernel_factor: What multiplies the kernel beside it: outputs that are compared by distance
            start near the centre of their targets.

    Example:
        ```python
        for row in kerasinit.prepare(model, x, y).bias:
            print(row)
        ```
    """

    output: str
    path: str
    values: tuple[float, ...] | None
    reason: str
    kernel_factor: float = 1.0
    is_added: bool = False

    def __str__(self) -> str:
        if self.values is None:
            return safe(f"{self.path or self.output}: left alone, {self.reason}")
        shown = ", ".join(f"{value:.4g}" for value in self.values[:SHOWN])
        more = (
            "" if len(self.values) <= SHOWN else f", ... (all {len(self.values)}: preparation.bias)"
        )
        shown = f"what the plan drew + {shown}" if self.is_added else shown
        near = f"; its kernel times {self.kernel_factor:.2g}" if self.kernel_factor != 1 else ""
        return safe(f"{self.path} = {shown}{more}: {self.reason}{near}")


def bias_rows(task: Task, scene: Scene, batches: Batches, y_pred: Any) -> list[tuple[Any, BiasRow]]:
    """For each output of a model, its bias (None where none is set), and its row.

    Args:
        task: The model and its loss.
        scene: The model as the rules see it.
        batches: Labels and their weights.
        y_pred: Outputs of the model for one batch, or their shapes.
    """
    outputs = keras.tree.flatten(y_pred)
    keys = names_of_outputs(task.model, y_pred)
    losses = of_outputs(task.model, task.declared_loss, y_pred)
    labels = _labels(task, batches, y_pred)
    rows = []
    for position, (output, names) in enumerate(zip(outputs, keys, strict=True)):
        bias, path = None, ""
        try:
            bias, activation = _last_bias(scene, position, len(outputs), tuple(output.shape))
            path = bias.path
            loss, (targets, weights) = losses[position], labels[position]
            if loss is None or targets is None:
                raise Unsure("no loss and targets of its own")
            units = int(output.shape[-1])
            values, what = prior_of(loss, activation, targets, units, weights)
            factor = narrowing(loss, targets, units, weights)
            if not np.isfinite(values).all():
                raise Unsure(f"{what}: not finite")
        except Unsure as reason:
            rows.append((None, BiasRow(names[0], path, None, str(reason))))
        else:
            numbers = tuple(float(value) for value in values)
            what = f"{what}, {len(targets)} samples"
            rows.append((bias, BiasRow(names[0], path, numbers, what, factor)))
    return rows


def _last_bias(
    scene: Scene, position: int, outputs: int, shape: tuple[int | None, ...]
) -> tuple[Any, Any]:
    """The bias that leads straight to an output, and the activation between the two.

    Raises:
        Unsure: If there is none that may be set.
    """
    graph = scene.graph
    if graph is None or len(graph.outputs) != outputs:
        raise Unsure("the graph of the model cannot be read")
    activation = None
    call = _maker(graph, graph.outputs[position])
    while kind_of(call.operation).family in ("activation", "formula") and len(call.inputs) == 1:
        if activation_name(call.operation) != "linear":
            if activation is not None:
                raise Unsure("two activations follow the last layer")
            activation = activation_name(call.operation)
        call = _maker(graph, call.inputs[0])
    layer = call.operation
    if kind_of(layer).name == "TimeDistributed":
        layer = layer.layer
    bias = getattr(layer, "bias", None)
    if not isinstance(layer, keras.layers.Layer):
        raise Unsure("no layer makes it: a plain operation does")
    if is_closed(layer) or bias is None:
        raise Unsure(f"{layer.name!r}, which makes it, has no bias")
    own = own_activation(layer)
    if own is not None and activation is not None:
        raise Unsure("two activations follow the last layer")
    if len(graph.calls_of(call.operation)) > 1:
        raise Unsure(f"{layer.name!r} is called several times")
    if is_channels_first(layer) or tuple(bias.shape) != shape[-1:]:
        raise Unsure(f"a bias of shape {tuple(bias.shape)} for an output of shape {shape}")
    kept = scene.kept.get(id(bias))
    if not layer.trainable or not bias.trainable or (kept is not None and not kept.is_zero):
        raise Unsure(kept.reason if kept is not None else "not trainable")
    slot = next((slot for slot in scene.slots if slot.variable is bias), None)
    if slot is None or type(slot.initializer) is not keras.initializers.Zeros:
        raise Unsure("its author lets it start elsewhere than at zero")
    return bias, own if activation is None else activation


def _maker(graph: Graph, value: int) -> GraphCall:
    if value not in graph.maker:
        raise Unsure("no layer makes it: it is an input")
    if len(graph.readers.get(value, ())) + (value in graph.outputs) > 1:
        raise Unsure("what the last layer makes is read elsewhere, too")
    return graph.maker[value]


def _labels(task: Task, batches: Batches, y_pred: Any) -> list[tuple[Any, Any]]:
    """Targets and weights of each output: those of the trial alone where positions are masked."""

    def of_each(y: Any, weights: Any) -> list[tuple[Any, Any]]:
        targets = targets_of_outputs(task.model, y, y_pred)
        return list(zip(targets, of_outputs(task.model, weights, y_pred), strict=True))

    found = of_each(batches.targets, batches.weights)
    for position, masks in enumerate(_masks(task, batches, len(found))):
        if masks is not None:
            items = [of_each(y, weights)[position] for _, y, weights in batches.items]
            found[position] = _masked(masks, items)
    return found


def _masked(masks: list[Any], items: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Targets and weights of all batches: a mask says which positions count, so it is a weight."""
    if any(y is None for y, _ in items):
        return None, None
    weights = []
    for mask, (_, own) in zip(masks, items, strict=True):
        factor = 1.0 if own is None else own.reshape(own.shape + (1,) * (mask.ndim - own.ndim))
        weights.append(mask * factor)
    return joined(tuple(y for y, _ in items)), joined(tuple(weights))


def _masks(task: Task, batches: Batches, count: int) -> list[Any]:
    """For each output the mask of each batch, or None where it has none."""
    if not any(map(_makes_masks, _backend.flat_layers(task.model))):
        return [None] * count

    def masks() -> list[list[Any]]:
        rows = []
        for x, _, _ in batches.items:
            with keras.StatelessScope():
                outputs = task.model(tensors(x), training=False)
            rows.append([_backend.mask_of(output) for output in keras.tree.flatten(outputs)])
        return rows

    with _backend.same_random_state(), _backend.without_gradients():
        rows = _backend.run_once(masks)  # JAX leaves out what no mask needs
    return [
        None if any(mask is None for mask in column) else [*map(_backend.numpy_of, column)]
        for column in zip(*rows, strict=True)
    ]


def _makes_masks(layer: Any) -> bool:
    """Whether a layer may be where a mask begins."""
    return (
        not _backend.is_of_keras(type(layer).compute_mask)
        or isinstance(layer, keras.layers.Masking)
        or bool(getattr(layer, "mask_zero", False))
    )
