"""Where a model's signal is read: its weighted layers, activations and normalizations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import keras
import numpy as np

from kerasinit import _backend

ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)
# Names of activations as nodes of a functional graph: `keras.ops.relu(x)` on a symbolic tensor.
ACTIVATION_NODES = frozenset(
    "Celu Elu Gelu HardSigmoid HardSilu HardTanh LeakyRelu LogSigmoid LogSoftmax Mish Relu Relu6 "
    "Selu Sigmoid Silu Softmax Softplus Softsign Squareplus SoftShrink TanhShrink Tanh".split()
)
# These run their inner layers inside a compiled loop, where nothing can be read from outside.
OPAQUE_LAYERS = (keras.layers.RNN, keras.layers.TimeDistributed)
KERNEL_NAMES = ("pointwise_kernel", "kernel", "embeddings", "depthwise_kernel")


class Role(Enum):
    """What the probe does at a site."""

    WEIGHTED = "record the output, tap the pre-activation"
    ACTIVATION = "complete the record of the weighted layer before it"
    NORMALIZATION = "mark the weighted layer before it"
    BATCH_NORMALIZATION = "the same, and use the batch's own statistics as training does"


@dataclass(frozen=True)
class Site:
    """One layer (or activation node of a functional graph) that the probe watches.

    Args:
        layer: The Keras layer or operation.
        role: What happens there.
        opaque: Whether nothing inside it can be watched.
        weights: The layer's own weights (all of them, for an opaque layer).
        kernel: Index in `weights` of the main weight; None if there is none.
        as_matrix: Turns that weight's array into shape `(inputs, units)`.
    """

    layer: Any
    role: Role
    opaque: bool = False
    weights: tuple[Any, ...] = ()
    kernel: int | None = None
    as_matrix: Callable[[np.ndarray], np.ndarray] | None = None


def sites(model: Any) -> list[Site]:
    """Every site of `model`, in no particular order."""
    found, seen = [], set()
    for layer in _backend.flat_layers(model):
        site = _site(layer)
        if site is not None:
            found.append(site)
        for node in getattr(layer, "operations", ()):
            is_layer = isinstance(node, keras.layers.Layer)
            if not is_layer and id(node) not in seen and type(node).__name__ in ACTIVATION_NODES:
                seen.add(id(node))
                found.append(Site(node, Role.ACTIVATION))
    return found


def _site(layer: Any) -> Site | None:
    if isinstance(layer, ACTIVATION_LAYERS):
        return Site(layer, Role.ACTIVATION)
    if isinstance(layer, keras.layers.BatchNormalization):
        return Site(layer, Role.BATCH_NORMALIZATION)
    name = type(layer).__name__
    if "Normalization" in name and not isinstance(layer, keras.layers.Wrapper):
        return Site(layer, Role.NORMALIZATION)
    opaque = isinstance(layer, OPAQUE_LAYERS)
    weights = tuple(layer.weights if opaque else _backend.own_variables(layer))
    weights = tuple(w for w in weights if keras.backend.is_float_dtype(w.dtype))
    if not any(len(w.shape) >= 2 for w in weights):
        return None
    inner = layer
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = layer.layer
    elif opaque:
        inner = layer.cell
    kernel, as_matrix = _kernel(inner, weights)
    return Site(layer, Role.WEIGHTED, opaque, weights, kernel, as_matrix)


def _kernel(
    layer: Any, weights: tuple[Any, ...]
) -> tuple[int | None, Callable[[np.ndarray], np.ndarray] | None]:
    for name in KERNEL_NAMES:
        variable = getattr(layer, name, None)
        for index, weight in enumerate(weights):
            if variable is weight:
                return index, _matrix_rule(layer)
    return None, None


def _matrix_rule(layer: Any) -> Callable[[np.ndarray], np.ndarray]:
    """How the main weight of `layer` becomes a matrix with one column for each unit."""
    if isinstance(layer, keras.layers.EinsumDense):
        axes = _einsum_output_axes(layer.equation)
        return lambda kernel: _columns(kernel, axes)
    if isinstance(layer, (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)) or (
        isinstance(layer, keras.layers.Conv3DTranspose)
    ):
        return lambda kernel: _columns(kernel, (kernel.ndim - 2,))
    if isinstance(layer, (keras.layers.LSTMCell, keras.layers.GRUCell)):
        units = int(layer.units)  # the gates lie side by side: a unit has a column in each
        return lambda kernel: kernel.reshape(-1, units)
    return lambda kernel: kernel.reshape(-1, kernel.shape[-1])


def _einsum_output_axes(equation: str) -> tuple[int, ...]:
    """Axes of an `EinsumDense` kernel that are not summed over.

    >>> _einsum_output_axes("abc,cde->abde")
    (1, 2)
    """
    operands, output = equation.replace(" ", "").split("->")
    data, kernel = operands.split(",")
    return tuple(i for i, c in enumerate(kernel) if c in output and c not in data)


def _columns(kernel: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    last = np.moveaxis(kernel, axes, range(kernel.ndim - len(axes), kernel.ndim))
    return last.reshape(-1, int(np.prod([kernel.shape[a] for a in axes])))
