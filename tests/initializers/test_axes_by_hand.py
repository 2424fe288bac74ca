"""Axes that the user names: what they count as, in any order, and what is refused."""

import itertools

import keras
import numpy as np
import pytest

from kerasinit.initializers import (
    Auto,
    Critical,
    DeltaOrthogonal,
    HeNormal,
    Identity,
    LecunNormal,
    OddPart,
    Orthogonal,
    Siren,
    Sparse,
)
from kerasinit.layers import Fans


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


# --- what they count as ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "shape", "fans"),
    [
        ({}, (3, 5, 7, 11), (3 * 5 * 7, 3 * 5 * 11)),
        ({}, (7, 11), (7, 11)),
        ({}, (7,), (7, 7)),
        ({"input_axes": [0], "output_axes": [1]}, (3, 5, 7), (3 * 7, 5 * 7)),
        ({"input_axes": [0, 2], "output_axes": [1]}, (3, 5, 7), (3 * 7, 5)),
        ({"input_axes": [-1], "output_axes": [-2]}, (3, 5, 7), (3 * 7, 3 * 5)),
        ({"input_axes": [0, 1], "output_axes": [2], "batch_axes": [0]}, (3, 5, 7), (5, 7)),
        ({"input_axes": [1], "output_axes": [0, 2], "batch_axes": [-3]}, (3, 5, 7), (5, 7)),
        ({"input_axes": [1], "output_axes": [2], "batch_axes": [0]}, (3, 5, 7), (5, 7)),
        ({"batch_axes": [0]}, (3, 5, 7), (5, 7)),
        ({"batch_axes": [0]}, (3, 2, 5, 7), (2 * 5, 2 * 7)),
        ({"batch_axes": [-1]}, (3, 5, 7), (3, 5)),
        ({"batch_axes": [1]}, (3, 5, 7), (3, 7)),
        ({"batch_axes": 0}, (3, 5, 7), (5, 7)),
        ({"batch_axes": np.array([0, 1])}, (3, 2, 5, 7), (5, 7)),
        ({"batch_axes": []}, (3, 5, 7), (3 * 5, 3 * 7)),
    ],
    ids=str,
)
def test_axes_count_as_inputs_outputs_batch_or_window(axes, shape, fans):
    assert HeNormal(**axes).fans(shape, None) == Fans(*fans)


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ({"batch_axes": [3]}, ValueError, r"`batch_axes` must name axes .*=\(3,\) for .* 3 axes"),
        ({"batch_axes": [-4]}, ValueError, r"`batch_axes` must name axes of the shape.*\(-4,\)"),
        ({"input_axes": [3], "output_axes": [0]}, ValueError, r"`input_axes` must name axes"),
        ({"input_axes": [0], "output_axes": [0]}, ValueError, r"share an axis.*both hold \[0\]"),
        ({"input_axes": [0], "output_axes": [-3]}, ValueError, r"share an axis.*both hold \[0\]"),
    ],
    ids=str,
)
def test_axes_that_the_shape_does_not_have_are_refused(axes, error, message):
    with pytest.raises(error, match=message):
        HeNormal(**axes)((3, 5, 7))


@pytest.mark.parametrize("axes", [[-3], [2], [0, -1]], ids=str)
def test_the_first_and_the_last_axis_can_be_named_from_both_ends(axes):
    assert tuple(HeNormal(batch_axes=axes)((3, 5, 7)).shape) == (3, 5, 7)


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ([True], TypeError, r"`batch_axes` must be a sequence of integers. Received.*\[True\]"),
        (True, TypeError, r"`batch_axes` must be a sequence of integers"),
        ("0", TypeError, r"`batch_axes` must be a sequence of integers"),
        ([1.0], TypeError, r"`batch_axes` must be a sequence of integers"),
        (1.0, TypeError, r"`batch_axes` must be a sequence of integers"),
        ([0, 1, 0], ValueError, r"`batch_axes` must not name an axis twice.*\[0, 1, 0\]"),
    ],
    ids=str,
)
def test_axes_are_whole_numbers_each_once(axes, error, message):
    with pytest.raises(error, match=message):
        HeNormal(batch_axes=axes)


@pytest.mark.parametrize("axes", [{"output_axes": [0]}, {"input_axes": [0]}], ids=str)
def test_inputs_and_outputs_are_named_together(axes):
    with pytest.raises(ValueError, match="must be given together"):
        HeNormal(**axes)


# --- in any order ---------------------------------------------------------------------------------

STARTS = {
    "orthogonal": lambda **axes: Orthogonal(seed=1, **axes),
    "wide": lambda **axes: Orthogonal(2.0, seed=1, scaled=False, **axes),
    "delta": lambda **axes: DeltaOrthogonal(seed=1, **axes),
    "identity": lambda **axes: Identity(gain=3.0, **axes),
    "critical": lambda **axes: Critical(activation="relu", seed=1, **axes),
    "auto": lambda **axes: Auto(seed=1, **axes),
    "odd": lambda **axes: OddPart(activation="relu", seed=1, **axes),
    "odd, centred": lambda **axes: OddPart(activation="tanh", seed=1, **axes),
}


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("order", [*itertools.permutations(range(3))], ids=str)
def test_a_kernel_with_its_axes_in_another_order_is_the_kernel_transposed(name, order):
    """The window has 3 entries, 4 inputs, 6 outputs."""
    sizes, plain = (3, 4, 6), STARTS[name](input_axes=[1], output_axes=[2])
    where = [order.index(axis) for axis in range(3)]
    moved = STARTS[name](input_axes=[where[1]], output_axes=[where[2]])
    found = values(moved(tuple(sizes[axis] for axis in order)))
    expected = np.transpose(values(plain(sizes)), order)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [name for name in STARTS if not name.startswith("odd")])
def test_experts_in_another_place_are_the_same_experts(name):
    first = values(STARTS[name](batch_axes=[0])((5, 4, 6)))
    last = values(STARTS[name](input_axes=[0], output_axes=[1], batch_axes=[2])((4, 6, 5)))
    np.testing.assert_array_equal(np.moveaxis(last, -1, 0), first)
    if name != "identity":
        assert np.abs(first[0] - first[1]).max() > 0.01


@pytest.mark.parametrize("name", STARTS)
def test_several_input_axes_are_one_long_axis(name):
    split = values(STARTS[name](input_axes=[0, 1], output_axes=[2])((2, 6, 8)))
    whole = values(STARTS[name](input_axes=[0], output_axes=[1])((12, 8)))
    np.testing.assert_array_equal(split.reshape(12, 8), whole)


@pytest.mark.parametrize("name", STARTS)
def test_several_output_axes_are_one_long_axis(name):
    split = values(STARTS[name](input_axes=[0], output_axes=[1, 2])((6, 2, 4)))
    whole = values(STARTS[name](input_axes=[0], output_axes=[1])((6, 8)))
    np.testing.assert_array_equal(split.reshape(6, 8), whole)


@pytest.mark.parametrize("shape", [(4,), (0, 3), (3, 0), ()], ids=str)
@pytest.mark.parametrize("cls", [Orthogonal, Siren, Sparse, Identity, Auto])
def test_a_kernel_has_two_axes_and_no_zero(cls, shape):
    with pytest.raises(ValueError, match=r"that of a kernel: two axes or more, without a zero"):
        cls()(shape)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("name", [name for name in STARTS if name != "odd"])
def test_one_is_enough(name, shape):
    kernel = values(STARTS[name]()(shape))
    assert kernel.shape == shape
    assert np.isfinite(kernel).all()
    assert np.abs(kernel).max() > 0


def test_experts_are_scaled_one_by_one():
    kernel = values(LecunNormal(batch_axes=[0], seed=1)((40, 25, 100)))
    assert kernel.std() == pytest.approx(0.2, rel=0.02)


def test_identity_has_ones_on_the_diagonal_of_the_centre():
    np.testing.assert_array_equal(values(Identity()((3, 2))), [[1, 0], [0, 1], [0, 0]])
    kernel = values(Identity(gain=2.0)((4, 2, 3)))
    expected = np.zeros((4, 2, 3))
    expected[1] = [[2, 0, 0], [0, 2, 0]]
    np.testing.assert_array_equal(kernel, expected)
