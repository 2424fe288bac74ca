"""Fans by layer: the number of summands of one unit, forward and backward.

Expected values: summands counted by hand from the layers' definitions.
"""

import re

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit.initializers import Fans, LecunNormal, fans

L = keras.layers
IMAGE, SEQUENCE, VOLUME = (None, 8, 8, 4), (None, 6, 4), (None, 8, 8, 8, 4)

CASES = [
    ("dense", L.Dense(16), (None, 6), {"kernel": (6, 16)}),
    ("dense of a sequence", L.Dense(16), SEQUENCE, {"kernel": (4, 16)}),
    ("conv1d", L.Conv1D(16, 3), SEQUENCE, {"kernel": (12, 48)}),
    ("conv2d", L.Conv2D(16, 3), IMAGE, {"kernel": (36, 144)}),
    ("conv3d", L.Conv3D(2, 3), VOLUME, {"kernel": (108, 54)}),
    ("strided", L.Conv2D(16, 3, strides=2), IMAGE, {"kernel": (36, 36)}),
    ("strided in one axis", L.Conv2D(16, 3, strides=(1, 2)), IMAGE, {"kernel": (36, 72)}),
    ("dilated", L.Conv2D(16, 3, dilation_rate=2), IMAGE, {"kernel": (36, 144)}),
    ("grouped", L.Conv2D(16, 3, groups=4), IMAGE, {"kernel": (9, 36)}),
    ("grouped and strided", L.Conv1D(8, 3, groups=2, strides=3), SEQUENCE, {"kernel": (6, 4)}),
    ("depthwise1d", L.DepthwiseConv1D(3), SEQUENCE, {"kernel": (3, 3)}),
    ("depthwise2d", L.DepthwiseConv2D(3), IMAGE, {"kernel": (9, 9)}),
    ("multiplied", L.DepthwiseConv2D(3, depth_multiplier=2), IMAGE, {"kernel": (9, 18)}),
    ("strided depthwise", L.DepthwiseConv2D(3, strides=3), IMAGE, {"kernel": (9, 1)}),
    (
        "separable1d",
        L.SeparableConv1D(16, 3, depth_multiplier=2),
        SEQUENCE,
        {"depthwise_kernel": (3, 6), "pointwise_kernel": (8, 16)},
    ),
    (
        "separable2d",
        L.SeparableConv2D(16, 3, strides=3),
        IMAGE,
        {"depthwise_kernel": (9, 1), "pointwise_kernel": (4, 16)},
    ),
    ("transposed1d", L.Conv1DTranspose(2, 4, strides=2), SEQUENCE, {"kernel": (8, 8)}),
    ("transposed2d", L.Conv2DTranspose(16, 3), IMAGE, {"kernel": (36, 144)}),
    ("strided up", L.Conv2DTranspose(16, 4, strides=2), IMAGE, {"kernel": (16, 256)}),
    ("odd window", L.Conv2DTranspose(2, 3, strides=2), IMAGE, {"kernel": (9, 18)}),
    ("uneven window", L.Conv1DTranspose(2, 3, strides=2), SEQUENCE, {"kernel": (6, 6)}),
    ("transposed3d", L.Conv3DTranspose(2, 2, strides=2), VOLUME, {"kernel": (4, 16)}),
    ("einsum", L.EinsumDense("abc,cde->abde", (None, 2, 5)), SEQUENCE, {"kernel": (4, 10)}),
    ("einsum joins", L.EinsumDense("abc,bcd->ad", (3,)), SEQUENCE, {"kernel": (24, 3)}),
    ("ellipsis", L.EinsumDense("...x,xy->...y", 5), SEQUENCE, {"kernel": (4, 5)}),
    ("experts", L.EinsumDense("bei,eio->beo", (6, 5)), SEQUENCE, {"kernel": (4, 5)}),
    ("experts last", L.EinsumDense("bei,ioe->beo", (6, 5)), SEQUENCE, {"kernel": (4, 5)}),
    ("embedding", L.Embedding(50, 8), (None, 3), {"embeddings": (1, 8)}),
    (
        "lstm",
        L.LSTM(8),
        SEQUENCE,
        {"lstm_cell/kernel": (4, 8), "lstm_cell/recurrent_kernel": (8, 8)},
    ),
    ("gru", L.GRU(8), SEQUENCE, {"gru_cell/kernel": (4, 8), "gru_cell/recurrent_kernel": (8, 8)}),
    (
        "simple rnn",
        L.SimpleRNN(8),
        SEQUENCE,
        {"simple_rnn_cell/kernel": (4, 8), "simple_rnn_cell/recurrent_kernel": (8, 8)},
    ),
    (
        "convlstm1d",
        L.ConvLSTM1D(8, 3, strides=3),
        (None, 2, 9, 4),
        {"conv_lstm_cell/kernel": (12, 8), "conv_lstm_cell/recurrent_kernel": (24, 24)},
    ),
    ("convlstm2d", L.ConvLSTM2D(2, 3), (None, 2, 8, 8, 4), {"conv_lstm_cell/kernel": (36, 18)}),
    ("convlstm3d", L.ConvLSTM3D(2, 2), (None, 2, 4, 4, 4, 1), {"conv_lstm_cell/kernel": (8, 16)}),
    (
        "bidirectional",
        L.Bidirectional(L.GRU(8)),
        SEQUENCE,
        {"forward_gru/gru_cell/kernel": (4, 8), "backward_gru/gru_cell/kernel": (4, 8)},
    ),
    ("time distributed", L.TimeDistributed(L.Dense(3)), SEQUENCE, {"time_distributed": (4, 3)}),
]


@pytest.mark.parametrize(
    ("layer", "shape", "ends", "expected"),
    [
        pytest.param(layer, shape, end, pair, id=f"{name}-{end}")
        for name, layer, shape, pairs in CASES
        for end, pair in pairs.items()
    ],
)
def test_fans_count_the_summands(layer, shape, ends, expected):
    layer = build(layer.from_config(layer.get_config()), shape)
    assert fans(layer, variable_named(layer, ends)) == Fans(*expected)


@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_attention_projects_from_the_features_to_all_heads(part):
    layer = build(L.MultiHeadAttention(2, 5), (None, 6, 4), (None, 6, 4))
    assert fans(layer, variable_named(layer, f"{part}/kernel")) == Fans(4, 10)


def test_attention_projects_all_heads_to_the_features():
    layer = build(L.MultiHeadAttention(2, 5), (None, 6, 4), (None, 6, 4))
    assert fans(layer, variable_named(layer, "attention_output/kernel")) == Fans(10, 4)


@pytest.mark.parametrize(("part", "outputs"), [("query", 20), ("key", 10)])
def test_grouped_query_attention_has_fewer_keys_than_queries(part, outputs):
    layer = build(L.GroupQueryAttention(5, 4, 2), (None, 6, 8), (None, 6, 8))
    assert fans(layer, variable_named(layer, f"{part}/kernel")) == Fans(8, outputs)


@pytest.mark.skipif(not hasattr(L, "ReversibleEmbedding"), reason="new in Keras 3.12")
def test_the_reversed_embedding_is_a_dense_kernel():
    layer = build(L.ReversibleEmbedding(50, 8, tie_weights=False), (None, 3))
    assert fans(layer, layer.reverse_embeddings) == Fans(8, 50)


def test_a_nested_model_gives_the_fans_of_its_layers():
    wide = L.DepthwiseConv2D(3, depthwise_initializer="zeros")
    inner = keras.Sequential([keras.Input((8, 8, 4)), wide])
    model = keras.Sequential([keras.Input((8, 8, 4)), inner])
    assert fans(model, wide.kernel) == Fans(9, 9)


def test_axes_of_channels_first_layers_are_those_of_their_kernels():
    layer = build(L.Conv2D(16, 3, strides=2, data_format="channels_first"), (None, 4, 8, 8))
    assert fans(layer, layer.kernel) == Fans(36, 36)


def test_a_subclass_counts_like_its_layer():
    class Own(L.DepthwiseConv2D):
        pass

    layer = build(Own(3), IMAGE)
    assert fans(layer, layer.kernel) == Fans(9, 9)


def test_a_custom_layer_is_read_by_its_shape():
    class Custom(L.Layer):
        def build(self, input_shape):
            self.table = self.add_weight(shape=(3, input_shape[-1], 5), name="table")

    layer = build(Custom(), (None, 4))
    assert fans(layer, layer.table) == Fans(12, 15)


def test_a_vector_counts_its_entries_as_keras_does():
    layer = L.Dense(5)
    layer.build((None, 4))
    assert fans(layer, layer.bias) == Fans(5, 5)


def test_fans_are_public_at_the_top():
    assert kerasinit.fans is fans


def test_an_unbuilt_layer_is_refused():
    layer = L.Dense(5, name="late")
    other = L.Dense(5)
    other.build((None, 4))
    with pytest.raises(ValueError, match=r"layer='late' \(built=False\)"):
        fans(layer, other.kernel)


def test_a_foreign_variable_is_refused_with_its_path():
    layer, other = L.Dense(5), L.Dense(5, name="other")
    layer.build((None, 4))
    other.build((None, 4))
    with pytest.raises(ValueError, match="other/kernel"):
        fans(layer, other.kernel)


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((3, 3, 16, 32), {"input_axes": [-2], "output_axes": [-1]}, (144, 288)),
        ((3, 3, 32, 16), {"input_axes": [-1], "output_axes": [-2]}, (144, 288)),
        ((512, 8, 64), {"input_axes": [0], "output_axes": [1, 2]}, (512, 512)),
        ((8, 64, 512), {"input_axes": [0, 1], "output_axes": [2]}, (512, 512)),
        ((5, 32, 16), {"input_axes": [1], "output_axes": [2]}, (160, 80)),
        ((5, 32, 16), {"input_axes": [1], "output_axes": [2], "batch_axes": [0]}, (32, 16)),
        ((5, 32, 16), {"input_axes": [1], "output_axes": [0, 2], "batch_axes": [0]}, (32, 16)),
        ((5, 32, 16), {"batch_axes": [0]}, (32, 16)),
        ((3, 3, 16, 2), {"input_axes": [], "output_axes": [-1], "batch_axes": [-2]}, (9, 18)),
    ],
    ids=str,
)
def test_explicit_axes_keep_the_window(shape, axes, expected):
    # Source of all but the last two: `jax.nn.initializers`, which counts the same way.
    drawn = keras.random.normal(shape, seed=1)
    for mode, fan in zip(("fan_in", "fan_out"), expected, strict=True):
        weights = LecunNormal(mode=mode, seed=1, **axes)(shape)
        assert_close(weights * fan**0.5, drawn)


def assert_close(actual, expected):
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(actual), keras.ops.convert_to_numpy(expected), rtol=1e-5
    )


def build(layer, *shapes):
    """Builds a layer without filling its variables: only their shapes matter here."""
    with keras.StatelessScope(initialize_variables=False):
        layer.build(*shapes)
    return layer


def variable_named(layer, end):
    """The kernel whose path ends so, whatever numbers Keras has put behind the layers' names."""
    paths = {re.sub(r"_\d+(?=/)", "", v.path): v for v in layer.weights if "bias" not in v.path}
    return next(variable for path, variable in paths.items() if end in path)
