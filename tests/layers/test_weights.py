"""The weights of layers: roles, kinds, initializers and owners, layer by layer."""

import keras
import pytest

from kerasinit.layers import (
    find_owner,
    initializer_of,
    main_kernel,
    role_of,
    variable_of,
    waits_for_weights,
    weight_kind,
    zeroing_constraint,
)

L = keras.layers
SEQUENCE, IMAGE = (None, 6, 4), (None, 8, 8, 4)
CASES = [
    (L.Dense(2), SEQUENCE, {"kernel": "kernel", "bias": "bias"}),
    (L.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d"), SEQUENCE, {"kernel": "kernel"}),
    (L.Conv2D(2, 3), IMAGE, {"kernel": "kernel", "bias": "bias"}),
    (L.Conv2DTranspose(2, 3), IMAGE, {"kernel": "kernel"}),
    (L.DepthwiseConv2D(3), IMAGE, {"kernel": "kernel"}),
    (
        L.SeparableConv2D(2, 3),
        IMAGE,
        {"depthwise": "kernel", "pointwise": "kernel", "bias": "bias"},
    ),
    (L.Embedding(5, 2), (None, 3), {"embeddings": "embedding"}),
    (L.LSTMCell(2), (None, 3), {"kernel": "kernel", "recurrent": "kernel", "bias": "bias"}),
    (L.GRUCell(2), (None, 3), {"kernel": "kernel", "recurrent": "kernel"}),
    (L.SimpleRNNCell(2), (None, 3), {"kernel": "kernel", "recurrent": "kernel"}),
    (L.BatchNormalization(), SEQUENCE, {"gamma": "norm", "beta": "norm", "moving_mean": "norm"}),
    (L.LayerNormalization(), SEQUENCE, {"gamma": "norm", "beta": "norm"}),
    (L.GroupNormalization(2), SEQUENCE, {"gamma": "norm", "beta": "norm"}),
    (L.PReLU(), SEQUENCE, {"alpha": "other"}),
]


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [pytest.param(*case, id=type(case[0]).__name__) for case in CASES],
)
def test_a_weight_has_a_role_a_kind_and_an_initializer(layer, shape, expected):
    layer = type(layer).from_config(layer.get_config())
    layer.build(shape)
    found = {role_of(layer, v): weight_kind(layer, v) for v in layer.weights}
    assert found.items() >= expected.items()
    for variable in layer.weights:
        assert find_owner(layer, variable) is layer
        assert isinstance(initializer_of(layer, variable), keras.initializers.Initializer)


def test_a_layer_without_initializers_names_its_weights_by_their_names():
    class Own(L.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(shape[-1], 2), name="mixing_kernel")

    layer = Own()
    layer.build((None, 3))
    assert role_of(layer, layer.table) == "mixing"
    assert weight_kind(layer, layer.table) == "kernel"
    assert initializer_of(layer, layer.table) is None
    assert variable_of(layer, "mixing") is None


def test_statistics_of_the_data_are_a_state():
    layer = L.Normalization()
    layer.build((None, 3))
    assert {weight_kind(layer, variable) for variable in layer.weights} == {"state"}


def test_the_vector_of_a_spectral_normalization_is_no_weight_of_a_norm():
    layer = L.SpectralNormalization(L.Dense(2))
    layer.build((None, 3))
    (vector,) = (v for v in layer.weights if v.name == "vector_u")
    assert weight_kind(layer, vector) == "other"


def test_the_owner_inside_a_composite_is_found():
    attention = L.MultiHeadAttention(2, 3)
    attention.build(SEQUENCE, SEQUENCE)
    for variable in attention.weights:
        assert find_owner(attention, variable).name in variable.path
    assert find_owner(L.Dense(2), attention.weights[0]) is None


@pytest.mark.parametrize(
    ("layer", "shape", "name"),
    [
        (L.SeparableConv2D(2, 3), IMAGE, "pointwise_kernel"),
        (L.DepthwiseConv2D(3), IMAGE, "kernel"),
        (L.LSTMCell(2), (None, 3), "kernel"),
        (L.Embedding(5, 2), (None, 3), "embeddings"),
    ],
)
def test_the_main_kernel_has_the_units(layer, shape, name):
    layer.build(shape)
    assert layer.weights[main_kernel(layer, layer.weights)] is getattr(layer, name)


def test_a_norm_has_no_main_kernel():
    layer = L.LayerNormalization()
    layer.build((None, 3))
    assert main_kernel(layer, layer.weights) is None


@pytest.mark.parametrize(
    ("layer", "waits"),
    [
        (L.AdditiveAttention(), True),
        (L.Attention(use_scale=True), True),
        (L.Attention(), False),
        (L.TimeDistributed(L.Flatten()), False),
        (L.TimeDistributed(L.Dense(2)), True),
    ],
)
def test_which_layers_will_make_weights(layer, waits):
    assert waits_for_weights(layer) == waits


@pytest.mark.parametrize(
    ("constraint", "found"),
    [(None, None), ("max_norm", None), (lambda w: keras.ops.round(w), "function")],
)
def test_a_constraint_that_makes_zeros_of_usual_weights(constraint, found):
    kernel = keras.Variable(keras.ops.zeros((32, 32)))
    kernel.constraint = keras.constraints.get(constraint)
    assert zeroing_constraint(kernel) == found
