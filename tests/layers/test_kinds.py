"""The table of kinds: which layers of Keras have a row, and what the row says."""

import inspect

import keras
import pytest
from keras import ops

from kerasinit.layers import (
    ROWS,
    attention_part,
    inner_layer,
    is_cell,
    is_channels_first,
    is_closed,
    is_kept_method,
    is_norm,
    is_one_matrix,
    kind_of,
)

L = keras.layers
FAMILIES = {
    "dense": [L.Dense(2)],
    "einsum": [L.EinsumDense("ab,bc->ac", 2)],
    "convolution": [L.Conv1D(2, 3), L.Conv2D(2, 3), L.Conv3D(2, 3)],
    "transposed": [L.Conv1DTranspose(2, 3), L.Conv2DTranspose(2, 3), L.Conv3DTranspose(2, 3)],
    "depthwise": [L.DepthwiseConv1D(3), L.DepthwiseConv2D(3)],
    "separable": [L.SeparableConv1D(2, 3), L.SeparableConv2D(2, 3)],
    "embedding": [L.Embedding(5, 2)],
    "cell": [L.LSTMCell(2), L.GRUCell(2), L.SimpleRNNCell(2), L.ConvLSTM2D(2, 3).cell],
    "recurrent": [
        L.LSTM(2),
        L.GRU(2),
        L.SimpleRNN(2),
        L.ConvLSTM1D(2, 3),
        L.ConvLSTM3D(2, 3),
        L.RNN(L.GRUCell(2)),
        L.Bidirectional(L.LSTM(2)),
    ],
    "attention": [L.MultiHeadAttention(2, 2), L.GroupQueryAttention(2, 4, 2)],
    "wrapper": [L.TimeDistributed(L.Dense(2)), L.SpectralNormalization(L.Dense(2))],
    "norm": [
        L.BatchNormalization(),
        L.GroupNormalization(1),
        L.LayerNormalization(),
        L.UnitNormalization(),
    ],
    "statistics": [L.Normalization()],
    "activation": [L.Activation("relu"), L.ReLU(), L.LeakyReLU(), L.PReLU(), L.ELU(), L.Softmax()],
    "add": [L.Add()],
    "channelwise": [L.Dropout(0.1), L.MaxPooling2D(), L.GlobalAveragePooling1D(), L.Identity()],
    "shape": [L.Flatten(), L.Reshape((4,)), L.Permute((2, 1))],
    "join": [L.Average(), L.Concatenate()],
    "other": [L.AdditiveAttention(), L.Lambda(lambda x: x)],
}
# Layers without a row: they mix channels without weights, join values, or treat the data.
WITHOUT_ROW = """
AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average CategoryEncoding CenterCrop
Concatenate ContrastLimitedAdaptiveHistogramEqualization CutMix Discretization Dot Equalization
FlaxLayer HashedCrossing Hashing InputLayer IntegerLookup JaxLayer Lambda Layer
MaxNumBoundingBoxes Maximum MelSpectrogram Minimum MixUp Multiply Pipeline RandAugment
RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue
RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
RandomSharpness RandomShear RandomTranslation RandomZoom Rescaling Resizing STFTSpectrogram
Solarization StackedRNNCells StringLookup Subtract TFSMLayer TextVectorization
TorchModuleWrapper
""".split()


def layers_of(*families):
    cases = [(family, layer) for family in families for layer in FAMILIES[family]]
    return pytest.mark.parametrize(
        ("family", "layer"),
        [pytest.param(f, layer, id=f"{f}-{type(layer).__name__}") for f, layer in cases],
    )


@layers_of(*FAMILIES)
def test_a_layer_has_the_family_of_its_class(family, layer):
    assert kind_of(layer).family == family


@pytest.mark.skipif(not hasattr(L, "RMSNormalization"), reason="new in Keras 3.9")
def test_rms_normalization_is_a_norm():
    assert kind_of(L.RMSNormalization()).family == "norm"


def test_every_layer_class_of_keras_was_looked_at():
    exported = [c for c in vars(L).values() if inspect.isclass(c) and issubclass(c, L.Layer)]
    rows = {row.name for row in ROWS}
    known = [c for c in exported if {base.__name__ for base in c.__mro__[:-1]} & rows]
    assert {c.__name__ for c in exported} - {c.__name__ for c in known} <= {*WITHOUT_ROW}


def test_no_class_has_two_rows():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("layer", "gates"),
    [(L.LSTMCell(2), 4), (L.GRUCell(2), 3), (L.SimpleRNNCell(2), 1), (L.ConvLSTM1D(2, 3).cell, 4)],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else str(value),
)
def test_gates_lie_side_by_side(layer, gates):
    layer.build((None, 8, 3) if gates == 4 and kind_of(layer).name == "ConvLSTMCell" else (None, 3))
    assert kind_of(layer).gates == gates
    assert layer.kernel.shape[-1] == 2 * gates


@pytest.mark.parametrize(
    ("function", "family", "activation"),
    [
        (ops.relu, "activation", "relu"),
        (ops.gelu, "activation", "gelu"),
        (ops.silu, "activation", "silu"),
        (ops.leaky_relu, "activation", "leaky_relu"),
        (ops.softmax, "activation", "softmax"),
        (ops.tanh, "activation", "tanh"),
        (ops.erf, "formula", "erf"),
        (ops.sin, "formula", "sin"),
        (lambda x: ops.add(x, x), "add", ""),
        (lambda x: ops.reshape(x, (-1, 4)), "shape", ""),
        (lambda x: ops.squeeze(ops.expand_dims(x, 1), 1), "shape", ""),
        (lambda x: ops.transpose(x, (0, 1)), "shape", ""),
        (ops.exp, "other", ""),
    ],
    ids=str,
)
def test_an_operation_of_a_functional_graph_has_a_row(function, family, activation):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, function(inputs))
    operation = model.operations[-1]
    assert (kind_of(operation).family, kind_of(operation).activation) == (family, activation)


def test_a_subclass_is_of_the_kind_of_its_layer():
    class Own(L.LSTMCell):
        pass

    class OwnOwn(Own):
        pass

    assert kind_of(OwnOwn(2)).gates == 4
    assert is_cell(OwnOwn(2))


def test_a_class_of_the_same_name_from_elsewhere_is_of_no_kind():
    class Dense(L.Layer):
        pass

    assert kind_of(Dense()).family == "other"
    assert not is_one_matrix(Dense())


class RootNormalization(L.Layer):
    pass


class OwnDense(L.Dense):
    def call(self, x):
        return super().call(x)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (L.LayerNormalization(), True),
        (RootNormalization(), True),
        (L.SpectralNormalization(L.Dense(2)), False),
        (L.Normalization(), False),
        (L.Dense(2), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_norm_is_known_by_its_row_or_else_by_its_name(layer, expected):
    assert is_norm(layer) == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (L.Dense(2), True),
        (L.Conv1D(2, 3), True),
        (L.Conv3D(2, 3, strides=2), True),
        (L.Conv2D(2, 3, groups=2), False),
        (L.Conv2DTranspose(2, 3), False),
        (L.DepthwiseConv2D(3), False),
        (OwnDense(2), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_layers_as_keras_wrote_them_are_one_matrix(layer, expected):
    assert is_one_matrix(layer) == expected


def test_a_method_of_a_subclass_is_not_that_of_keras():
    assert is_kept_method(L.Dense(2), "call")
    assert not is_kept_method(OwnDense(2), "call")
    assert is_kept_method(OwnDense(2), "build")
    assert not is_kept_method(RootNormalization(), "call")


@layers_of("attention", "recurrent", "wrapper", "dense", "norm", "activation", "cell")
def test_what_holds_layers_is_read_as_one_call(family, layer):
    assert is_closed(layer) == (family in ("attention", "recurrent", "wrapper"))


def test_the_layer_inside_a_loop_is_found():
    dense = L.Dense(2)
    recurrent = L.LSTM(2)
    assert inner_layer(L.TimeDistributed(dense)) is dense
    assert inner_layer(recurrent) is recurrent.cell
    assert inner_layer(dense) is dense


def test_only_projections_of_an_attention_are_its_parts():
    attention = L.MultiHeadAttention(2, 2)
    attention.build((None, 3, 4), (None, 3, 4))
    parts = [attention_part(layer) for layer in attention._flatten_layers(include_self=False)]
    assert [part for part in parts if part] == ["query", "key", "value", "output"]
    assert attention_part(L.Dense(2, name="query")) == ""


def test_channels_first_is_read_from_the_layer():
    assert is_channels_first(L.Conv2D(2, 3, data_format="channels_first"))
    assert not is_channels_first(L.Conv2D(2, 3))
    assert not is_channels_first(L.Dense(2))
