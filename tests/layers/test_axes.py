"""Kernel axes: equations, units and columns."""

import keras
import numpy as np
import pytest

from kerasinit.layers import KernelAxes, axes_of_equation, kernel_axes, role_of, units_last

L = keras.layers
SIZES = dict(zip("abcdefghqsvx", (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), strict=True))
EQUATIONS = [
    "ab,bc->ac",
    "abc,cde->abde",  # to heads
    "abde,dec->abc",  # from heads
    "abc,bcd->ad",  # sums over a data axis
    "abc,cb->ab",  # the kernel's output letter is a batch letter of the data
    "abe,aeg->abg",  # experts
    "abe,age->abg",  # experts, transposed
    "abc,dc->abd",  # transposed kernel
    "ab,bcde->adec",  # outputs in another order
    "abc , cd -> abd",  # blanks
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_the_axes_of_an_equation_count_its_summands(equation):
    """The law: with ones everywhere, an output is its number of summands."""
    data, kernel = equation.replace(" ", "").split("->")[0].split(",")
    x, w = (np.ones([SIZES[letter] for letter in letters]) for letters in (data, kernel))
    y = np.einsum(equation.replace(" ", ""), x, w)
    fans = axes_of_equation(equation).fans(w.shape)
    assert fans.fan_in == y.flat[0]
    assert fans.fan_out == y.sum() / x.size


@pytest.mark.parametrize(
    ("equation", "plain"),
    [
        ("...x,xy->...y", "ax,xy->ay"),
        ("ab...,bc->ac...", "abd,bc->acd"),
        ("...bc,bcd->...d", "abc,bcd->ad"),
    ],
)
def test_axes_without_a_letter_belong_to_the_data(equation, plain):
    assert axes_of_equation(equation) == axes_of_equation(plain)


LAYERS = [
    ("Dense", L.Dense(6), (None, 3), "kernel", (3, 6)),
    ("EinsumDense", L.EinsumDense("abc,cde->abde", (None, 2, 3)), (None, 5, 4), "kernel", (4, 6)),
    ("experts", L.EinsumDense("bei,eio->beo", (4, 6)), (None, 4, 5), "kernel", (20, 6)),
    ("Conv1D", L.Conv1D(6, 3), (None, 8, 4), "kernel", (12, 6)),
    ("Conv2D grouped", L.Conv2D(6, 3, groups=2), (None, 8, 8, 4), "kernel", (18, 6)),
    ("Conv3D", L.Conv3D(6, 2), (None, 4, 4, 4, 1), "kernel", (8, 6)),
    ("Conv1DTranspose", L.Conv1DTranspose(6, 3), (None, 8, 4), "kernel", (12, 6)),
    ("Conv2DTranspose", L.Conv2DTranspose(6, 3), (None, 8, 8, 4), "kernel", (36, 6)),
    ("Conv3DTranspose", L.Conv3DTranspose(6, 2), (None, 4, 4, 4, 1), "kernel", (8, 6)),
    ("SeparableConv2D", L.SeparableConv2D(6, 3), (None, 8, 8, 4), "pointwise_kernel", (4, 6)),
    ("DepthwiseConv2D", L.DepthwiseConv2D(3), (None, 8, 8, 4), "kernel", (36, 1)),
    ("Embedding", L.Embedding(9, 6), (None, 3), "embeddings", (9, 6)),
    ("LSTMCell", L.LSTMCell(6), (None, 3), "kernel", (12, 6)),
    ("GRUCell", L.GRUCell(6), (None, 3), "recurrent_kernel", (18, 6)),
    ("SimpleRNNCell", L.SimpleRNNCell(6), (None, 3), "kernel", (3, 6)),
    ("ConvLSTMCell", L.ConvLSTM1D(6, 3).cell, (None, 8, 4), "kernel", (48, 6)),
]


@pytest.mark.parametrize(
    ("layer", "shape", "name", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in LAYERS],
)
def test_a_kernel_has_a_column_for_each_unit(layer, shape, name, expected):
    layer.build(shape)
    kernel = getattr(layer, name)
    axes = kernel_axes(layer, role_of(layer, kernel), tuple(kernel.shape))
    kernels = np.zeros((5, *kernel.shape))
    assert axes.columns(kernels).shape == (5, *expected)


def test_a_column_holds_the_weights_of_its_unit():
    kernels = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    columns = KernelAxes(inputs=(2,), outputs=(1,)).columns(kernels)  # transposed, window first
    np.testing.assert_array_equal(columns[1][:, 2], kernels[1, :, 2].ravel())


def test_the_gates_of_a_unit_are_in_one_column():
    kernels = np.arange(3 * 8).reshape(1, 3, 8)
    columns = KernelAxes((0,), (1,), gates=4).columns(kernels)
    np.testing.assert_array_equal(sorted(columns[0, :, 1]), sorted(kernels[0, :, 1::2].ravel()))


@pytest.mark.parametrize("kind", ["array", "tensor"])
@pytest.mark.parametrize(
    ("layer", "shape", "replicas", "expected"),
    [
        (L.Dense(2), (4, 3), False, (4, 3)),
        (L.Dense(2), (4,), False, (4, 1)),
        (L.Dense(2), (7, 4), True, (7, 4, 1)),
        (L.Conv2D(2, 3), (4, 5, 6, 2), False, (4, 5, 6, 2)),
        (L.Conv2D(2, 3, data_format="channels_first"), (4, 2, 5, 6), False, (4, 5, 6, 2)),
        (L.Conv2D(2, 3, data_format="channels_first"), (7, 4, 2, 5, 6), True, (7, 4, 5, 6, 2)),
    ],
)
def test_units_come_last(layer, shape, replicas, expected, kind):
    values = np.zeros(shape) if kind == "array" else keras.ops.zeros(shape)
    assert tuple(units_last(layer, values, replicas=replicas).shape) == expected
