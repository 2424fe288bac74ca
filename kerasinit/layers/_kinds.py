"""The kinds of layers: one row for each class of Keras that means something to a signal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import keras

from kerasinit import _backend
from kerasinit.layers._own_norms import sets_scale

Family: TypeAlias = Literal[
    "dense",
    "einsum",
    "convolution",
    "transposed",  # convolution
    "depthwise",
    "separable",
    "embedding",
    "cell",  # of a recurrent layer; it owns the weights
    "recurrent",
    "attention",
    "wrapper",
    "norm",  # sets the scale of the signal by itself
    "statistics",  # of the data, which `adapt` takes
    "activation",
    "formula",  # elementwise, and an activation where it directly follows a layer, not everywhere
    "add",
    "scale",  # by one number, where it has one input
    "channelwise",  # each channel on its own: a pair of channels stays a pair
    "shape",  # moves values without changing them
    "part",  # gives some of the values, as they are
    "join",  # puts values beside others, or adds them up
    "other",
]


@dataclass(frozen=True)
class LayerKind:
    """What holds for all layers (or operations of a functional graph) of one class of Keras.

    Args:
        name: Name of the class.
        family: What it does to a signal.
        gates: Kernels side by side on the last axis of its kernels (4 in an LSTM), dimensionless.
        activation: Name of the activation that it applies; empty where it applies none, or the
            one in its attribute `activation`.
        has_parameters: Whether that activation has parameters, which the layer or operation keeps.
        is_loop: Whether it runs the layers inside it in a loop that the backend compiles.
    """

    name: str
    family: Family
    gates: int = 1
    activation: str = ""
    has_parameters: bool = False
    is_loop: bool = False


def _rows(family: Family, names: str) -> Iterator[LayerKind]:
    return (LayerKind(name, family) for name in names.split())


def _nodes(names: str, *, has_parameters: bool = False) -> Iterator[LayerKind]:
    """Operations of a functional graph, such as `keras.ops.relu(x)` on a symbolic tensor."""
    for entry in names.split():
        name, activation = entry.split("=")
        yield LayerKind(name, "activation", activation=activation, has_parameters=has_parameters)


OTHER = LayerKind("", "other")
"""The kind of everything that has no row."""

ROWS: tuple[LayerKind, ...] = (
    LayerKind("Dense", "dense"),
    LayerKind("EinsumDense", "einsum"),
    *_rows("convolution", "Conv1D Conv2D Conv3D"),
    *_rows("transposed", "Conv1DTranspose Conv2DTranspose Conv3DTranspose"),
    *_rows("depthwise", "DepthwiseConv1D DepthwiseConv2D"),
    *_rows("separable", "SeparableConv1D SeparableConv2D"),
    *_rows("embedding", "Embedding ReversibleEmbedding"),
    LayerKind("LSTMCell", "cell", gates=4),  # input, forget, cell, output
    LayerKind("GRUCell", "cell", gates=3),  # update, reset, candidate
    LayerKind("ConvLSTMCell", "cell", gates=4),
    LayerKind("SimpleRNNCell", "cell"),
    LayerKind("RNN", "recurrent", is_loop=True),  # LSTM, GRU, SimpleRNN, ConvLSTM1D to 3D
    LayerKind("Bidirectional", "recurrent"),
    *_rows("attention", "MultiHeadAttention GroupedQueryAttention"),
    LayerKind("TimeDistributed", "wrapper", is_loop=True),
    *_rows("wrapper", "Wrapper SpectralNormalization"),
    *_rows(
        "norm",
        "BatchNormalization GroupNormalization LayerNormalization RMSNormalization "
        "UnitNormalization BatchNorm LayerNorm RMSNorm Normalize",
    ),
    LayerKind("Normalization", "statistics"),
    LayerKind("Activation", "activation"),
    LayerKind("ReLU", "activation", activation="relu", has_parameters=True),
    LayerKind("LeakyReLU", "activation", activation="leaky_relu", has_parameters=True),
    LayerKind("PReLU", "activation", activation="prelu", has_parameters=True),
    LayerKind("ELU", "activation", activation="elu", has_parameters=True),
    *_nodes(  # Softmax is a layer, too
        "HardSigmoid=hard_sigmoid HardSilu=hard_silu HardTanh=hard_tanh LogSigmoid=log_sigmoid "
        "LogSoftmax=log_softmax Mish=mish Relu=relu Relu6=relu6 Selu=selu Sigmoid=sigmoid "
        "Silu=silu Softmax=softmax Softplus=softplus Softsign=softsign Tanh=tanh "
        "TanhShrink=tanh_shrink SparsePlus=sparse_plus SparseSigmoid=sparse_sigmoid"
    ),
    *_nodes(
        "Celu=celu Elu=elu Gelu=gelu HardShrink=hard_shrink LeakyRelu=leaky_relu "
        "SoftShrink=soft_shrink Squareplus=squareplus Threshold=threshold",
        has_parameters=True,
    ),
    LayerKind("Erf", "formula", activation="erf"),
    LayerKind("Sin", "formula", activation="sin"),
    *_rows("add", "Add Subtract"),
    *_rows("scale", "Multiply Divide TrueDivide Rescaling"),
    # Pooling of either kind, noise and padding commute with exchanging the two halves of the
    # channels, which is all that pairing needs.
    *_rows(
        "channelwise",
        "ActivityRegularization "
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D "
        "AveragePooling1D AveragePooling2D AveragePooling3D Cropping1D Cropping2D Cropping3D "
        "Dropout GaussianDropout GaussianNoise "
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D Identity Masking "
        "MaxPooling1D MaxPooling2D MaxPooling3D RepeatVector "
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D "
        "UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    ),
    *_rows(
        "shape",
        "Cast Copy ExpandDims Flatten Permute Ravel Reshape Squeeze StopGradient Transpose",
    ),
    *_rows("part", "GetItem Split"),
    *_rows("join", "Average Concatenate Stack Sum"),
)
_BY_NAME = {row.name: row for row in ROWS}
# Functions of TensorFlow, JAX and torch that do the same under another name.
_RAW_NAMES = {
    "chunk": "split", "div": "divide", "mul": "multiply", "permute": "transpose", "sub": "subtract",
    "swish": "silu", "to": "cast", "truediv": "divide", "unsqueeze": "expanddims",
    "view": "reshape",
}  # fmt: skip
# A function of the backend has no weights, and no attributes of a layer: `conv2d` is no `Conv2D`.
_OF_FUNCTIONS = (
    "norm", "activation", "formula", "add", "scale", "channelwise", "shape", "part", "join",
)  # fmt: skip
_BY_RAW_NAME = {
    row.name.lower(): row
    for row in ROWS
    if row.family in _OF_FUNCTIONS and row.name != "Activation"
}


def keras_class(layer: Any) -> type | None:
    """The nearest class of Keras that `layer` is of and that has a row; None if there is none.

    Classes are told by their names: Keras does not export all of them (`ConvLSTMCell`), and not
    every version of Keras has all of them.
    """
    for base in type(layer).__mro__:
        if base.__name__ in _BY_NAME and _backend.is_of_keras(base):
            return base
    return None


def kind_of(layer: Any) -> LayerKind:
    """The kind of a layer or operation; that of its nearest base for a subclass.

    >>> kind_of(keras.layers.LSTM(3)).family, kind_of(keras.layers.LSTM(3).cell).gates
    ('recurrent', 4)
    >>> kind_of(keras.layers.Concatenate()).family
    'join'
    """
    if isinstance(layer, _backend.RawCall):
        words = layer.function_name.lower().split("_")
        name = "".join(word for word in words if word not in ("v2", "dispatch"))
        return _BY_RAW_NAME.get(_RAW_NAMES.get(name, name), OTHER)
    found = keras_class(layer)
    return OTHER if found is None else _BY_NAME[found.__name__]


def is_kept_method(layer: Any, method: str) -> bool:
    """Whether a layer of a known kind has Keras' own method of that name, not one of a subclass."""
    return getattr(type(layer), method, None) is getattr(keras_class(layer), method, layer)


def has_own_shape_rule(layer: Any) -> bool:
    """Whether somebody wrote the rule for the shapes of a layer, which is not of Keras."""
    if _backend.is_of_keras(type(layer)):
        return False
    rules = ("compute_output_shape", "compute_output_spec")
    return any(getattr(type(layer), r) is not getattr(keras.layers.Layer, r) for r in rules)


def is_norm(layer: Any) -> bool:
    """Whether a layer or operation sets the scale of the signal by itself.

    A class that Keras does not know is a norm if its name says so, or if it makes the same of a
    larger signal; not those that divide one channel by others (local and global response
    normalization), which keep the scale.
    """
    kind, name = kind_of(layer), type(layer).__name__
    named = "Normalization" in name and isinstance(layer, keras.layers.Layer)
    named = named and not any(other in name for other in ("LocalResponse", "GlobalResponse"))
    return kind.family == "norm" or (kind is OTHER and (named or sets_scale(layer)))


def is_unknown(layer: Any) -> bool:
    """Whether a layer is of a class of which nothing is known, not even that it is a norm."""
    return kind_of(layer) is OTHER and not is_norm(layer) and not is_cell(layer)


def is_cell(layer: Any) -> bool:
    """Whether a layer is recurrent by itself: a cell of Keras, or one like them."""
    return kind_of(layer).family == "cell" or hasattr(layer, "recurrent_initializer")


def acts_in_gates(layer: Any) -> bool:
    """Whether kernels of `layer` feed gates or a state: a recurrent cell, or a layer around one."""
    return kind_of(layer).family == "recurrent" or is_cell(layer)


def is_one_matrix(layer: Any) -> bool:
    """Whether a layer is Keras' own and multiplies by one matrix `(window * inputs, outputs)`."""
    plain = kind_of(layer).family in ("dense", "convolution") and type(layer) is keras_class(layer)
    return plain and getattr(layer, "groups", 1) == 1


def is_channels_first(layer: Any) -> bool:
    """Whether the channels of a layer's images lie in the axis after the batch."""
    return getattr(layer, "data_format", None) == "channels_first"


def inner_layer(layer: Any) -> Any:
    """The layer that a loop runs: the cell of a recurrent layer; other layers themselves."""
    if not kind_of(layer).is_loop:
        return layer
    return getattr(layer, "cell", None) or getattr(layer, "layer", layer)


def attention_part(layer: Any) -> str:
    """Which projection of an attention a layer is, by its name; empty for any other layer."""
    name = str(layer.name).removeprefix("attention_")
    is_part = kind_of(layer).family == "einsum" and name in ("query", "key", "value", "output")
    return name if is_part else ""
