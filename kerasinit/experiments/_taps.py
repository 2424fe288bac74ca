"""Taps on a model's weighted layers: what passes forward, and where the gradient is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

# Layers whose `call` ends with exactly one call of their `activation`.
_ENDS_WITH_ACTIVATION = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


@dataclass(frozen=True)
class Tap:
    """One call of one weighted layer.

    Args:
        layer: The layer.
        name: Its path.
        shape: Shape of its output for one example.
        kernels: Positions of its weights with two or more axes in `model.trainable_variables`.
    """

    layer: Any
    name: str
    shape: Shape
    kernels: tuple[int, ...]


@dataclass
class Recording:
    """What the taps saw in one call of the model, in execution order."""

    layers: list[Any] = field(default_factory=list)
    preactivations: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)


def find_taps(model: Any, x: np.ndarray) -> tuple[Tap, ...]:
    """The calls of weighted layers that happen when `model` is called on `x`, in order.

    Args:
        model: A built Keras model.
        x: One or more examples.
    """
    trainable = {id(v): position for position, v in enumerate(model.trainable_variables)}
    layers = _weighted_layers(model, trainable)
    with recording(layers) as seen:
        model(keras.ops.convert_to_tensor(x[:1]), training=False)
    return tuple(
        Tap(
            layer=layer,
            name=getattr(layer, "path", "") or layer.name,
            shape=tuple(int(size) for size in output.shape[1:]),
            kernels=tuple(trainable[id(v)] for v in layer.trainable_variables if v.ndim >= 2),
        )
        for layer, output in zip(seen.layers, seen.outputs, strict=True)
    )


@contextlib.contextmanager
def recording(layers: Sequence[Any], deltas: Sequence[Tensor] = ()) -> Iterator[Recording]:
    """Records the calls of `layers`, and adds one of `deltas` to each pre-activation.

    The gradient of a loss by a delta of zeros is its gradient by that pre-activation.

    Args:
        layers: The layers to watch; each is as before on leaving.
        deltas: One per call, in execution order, broadcast against the pre-activation.
    """
    seen = Recording()

    def note(layer: Any, value: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        position = len(seen.layers)
        value = value + deltas[position] if deltas else value
        output = activation(value)
        seen.layers.append(layer)
        seen.preactivations.append(value)
        seen.outputs.append(output)
        return output

    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_watched(layer, note))
        yield seen


@contextlib.contextmanager
def _watched(layer: Any, note: Callable[..., Tensor]) -> Iterator[None]:
    if isinstance(layer, _ENDS_WITH_ACTIVATION) and callable(layer.activation):
        activation = layer.activation
        layer.activation = lambda value: note(layer, value, activation)
        try:
            yield
        finally:
            layer.activation = activation
        return
    call = layer.call

    def watched_call(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        if isinstance(output, list | tuple):  # a recurrent layer that also returns its state
            return type(output)([note(layer, output[0], _same), *output[1:]])
        return note(layer, output, _same)

    layer.__dict__["call"] = watched_call
    try:
        yield
    finally:
        del layer.__dict__["call"]


def _same(value: Tensor) -> Tensor:
    return value


def _weighted_layers(model: Any, trainable: dict[int, int]) -> list[Any]:
    """Layers with a trainable weight of two or more axes; a recurrent layer is one layer."""
    found, inside = [], set()
    for layer in _backend.flat_layers(model):
        if id(layer) in inside:
            continue
        recurrent = isinstance(layer, keras.layers.RNN)
        own = layer.variables if recurrent else _backend.own_variables(layer)
        if any(id(variable) in trainable and variable.ndim >= 2 for variable in own):
            found.append(layer)
        if recurrent:
            inside |= {id(part) for part in _backend.flat_layers(layer)}
    return found
