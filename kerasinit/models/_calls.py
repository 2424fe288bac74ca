"""What one call of a model's graph does to a signal."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasinit import theory
from kerasinit.models._graph import Call

PLAIN = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
ACTIVATIONS = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU)
NORMS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
)
ATTENTION = (layers.MultiHeadAttention, layers.GroupQueryAttention)
RECURRENT = (layers.RNN, layers.Bidirectional)

# Each channel on its own, or none at all: a pair of channels stays a pair. Pooling of either kind,
# noise and padding commute with exchanging the two halves, which is all that pairing needs.
_CHANNELWISE = (
    layers.ActivityRegularization,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.Identity,
    layers.Masking,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.RepeatVector,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.UpSampling3D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
)
_SHAPE_ONLY = ("Reshape", "Flatten", "Permute", "Squeeze", "ExpandDims", "Transpose", "Ravel")
_ELEMENTWISE_OPERATIONS = (
    "Celu", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "LogSigmoid",
    "Mish", "ReLU", "Relu", "Relu6", "Selu", "Sigmoid", "Silu", "Sin", "Softplus", "Softsign",
    "Squareplus", "Tanh", "TanhShrink",
)  # fmt: skip


def is_linear(activation: Any) -> bool:
    """Whether an activation argument means none."""
    return activation is None or activation is keras.activations.linear


def own_activation(layer: Any) -> Any | None:
    """The activation inside a weighted layer; None where it is linear."""
    activation = getattr(layer, "activation", None)
    return None if is_linear(activation) else activation


def activation_of(call: Call) -> Any | None:
    """The activation that a call applies to each entry; None where the call is something else."""
    operation = call.operation
    if isinstance(operation, layers.PReLU):
        return layers.LeakyReLU(negative_slope=prelu_start(operation))
    if isinstance(operation, layers.Activation):
        return operation.activation
    if isinstance(operation, ACTIVATIONS):
        return operation
    if type(operation).__name__ in _ELEMENTWISE_OPERATIONS and len(call.inputs) == 1:
        return _by_name(operation)
    return None


def _by_name(operation: Any) -> Any:
    if isinstance(operation, layers.Layer):
        return None
    known = keras.activations.get
    name = type(operation).__name__
    if name == "Gelu":
        return known("gelu") if not operation.approximate else operation.call
    if name in ("Relu", "Tanh", "Sigmoid", "Silu", "Softplus", "Softsign", "Selu", "Mish"):
        return known(name.lower())
    return operation.call


def prelu_start(layer: Any) -> float:
    """The negative slope at which a PReLU layer starts, from its own initializer."""
    values = layer.alpha_initializer((1,), dtype="float32")
    slope = float(np.mean(ops.convert_to_numpy(values)))
    return max(slope, 0.0) if math.isfinite(slope) else 0.0


def gain_of(activation: Any | None) -> float:
    """Gain that keeps the mean square through an activation; 1 where it is not elementwise."""
    if activation is None:
        return 1.0
    try:
        return theory.gain(activation)
    except ValueError:
        return 1.0


def activation_name(activation: Any | None) -> str:
    """A short name for messages."""
    if activation is None:
        return "linear"
    try:
        return theory.resolve(activation).name
    except ValueError:
        return str(getattr(activation, "__name__", type(activation).__name__))


def is_norm(call: Call) -> bool:
    """Whether a call sets the scale of the signal by itself."""
    return isinstance(call.operation, NORMS) or type(call.operation).__name__ in (
        "BatchNorm", "LayerNorm", "RMSNorm", "Normalize",
    )  # fmt: skip


def is_add(call: Call) -> bool:
    """Whether a call adds two or more values of the model."""
    return isinstance(call.operation, layers.Add) or (
        type(call.operation).__name__ == "Add" and len(set(call.inputs)) > 1
    )


def is_transparent(call: Call) -> bool:
    """Whether a call passes the signal on, so that what follows it follows the layer before it."""
    if isinstance(call.operation, _CHANNELWISE):
        return True
    return type(call.operation).__name__ in _SHAPE_ONLY and len(call.inputs) == 1


def pixels_merged(
    call: Call,
    before: tuple[int | None, ...],
    after: tuple[int | None, ...],
) -> int | None:
    """How many pixels a transparent call lays side by side on the channel axis.

    Args:
        call: A transparent call.
        before: Shape of the value it reads.
        after: Shape of the value it makes.

    Returns:
        1 where the channel axis stays, the number of pixels where a channels-last image is
        flattened, None where pairs of channels are torn apart.
    """
    if isinstance(call.operation, _CHANNELWISE):
        last = getattr(call.operation, "data_format", None) != "channels_first"
        return 1 if last else None
    name = type(call.operation).__name__
    if name in ("Flatten", "Reshape", "Ravel") and before[-1] is not None:
        if after[-1] == before[-1]:
            return 1
        if len(after) == 2 and after[-1] is not None and after[-1] % before[-1] == 0:
            return after[-1] // before[-1]
    return None
