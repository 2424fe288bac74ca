"""Layout: which axes of a kernel are summed over, and which are outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import layers

from kerasinit._typing import Shape
from kerasinit.initializers._site import Site

# Keras exports neither the bases of its convolutions nor their ranks: the classes are listed.
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
CONV_LSTM_CELL = "ConvLSTMCell"  # not exported; see `is_conv_lstm_cell`
LSTM_GATES = 4  # input, forget, cell, output, side by side on the last axis
GRU_GATES = 3  # update, reset, candidate


@dataclass(frozen=True)
class Layout:
    """How the axes of a kernel are used; axes that are named nowhere are its window.

    Args:
        inputs: Axes that are summed over together with the window.
        outputs: Axes of the output units.
        batch: Axes of independent kernels side by side (experts, channels of a depthwise kernel).
        gates: Number of kernels side by side on the last output axis (4 in an LSTM), dimensionless.
        groups: Number of groups the output channels fall into; each sees its own inputs.
        input_stride: Product of the strides of a transposed convolution: only every such entry of
            the window meets an input, dimensionless.
        output_stride: Product of the strides of a convolution, dimensionless.
    """

    inputs: Shape
    outputs: Shape
    batch: Shape = ()
    gates: int = 1
    groups: int = 1
    input_stride: int = 1
    output_stride: int = 1

    def window(self, shape: Shape) -> Shape:
        """Axes of the window of a kernel of `shape`."""
        named = {*self.inputs, *self.outputs, *self.batch}
        return tuple(axis for axis in range(len(shape)) if axis not in named)


def layout_of_shape(shape: Shape) -> Layout:
    """The layout that Keras assumes when it sees only a shape.

    Args:
        shape: `(*window, inputs, outputs)`; a vector of n entries is read as n inputs and n
            outputs.
    """
    rank = len(shape)
    if rank < 2:
        return Layout(tuple(range(rank)), tuple(range(rank)))
    return Layout((rank - 2,), (rank - 1,))


def layout_of_axes(
    shape: Shape,
    input_axes: Iterable[int],
    output_axes: Iterable[int],
    batch_axes: Iterable[int] = (),
) -> Layout:
    """The layout with the axes named by the user; the rest is the window.

    Args:
        shape: Shape of the kernel.
        input_axes: Axes summed over; negative ones count from the end.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels; they are taken out of the other two.

    Raises:
        ValueError: If an axis does not exist, or is both an input and an output.
    """
    batch = _normalised("batch_axes", batch_axes, shape)
    inputs = tuple(a for a in _normalised("input_axes", input_axes, shape) if a not in batch)
    outputs = tuple(a for a in _normalised("output_axes", output_axes, shape) if a not in batch)
    both = sorted({*inputs} & {*outputs})
    if both:
        raise ValueError(
            "`input_axes` and `output_axes` must not share an axis. "
            f"Received: input_axes={inputs}, output_axes={outputs}, both hold {both}."
        )
    return Layout(inputs, outputs, batch)


def layout_of_layer(layer: Any, role: str, shape: Shape) -> Layout:
    """The layout of a kernel of `layer`; what is not known is read from the shape alone.

    Args:
        layer: The Keras layer that owns the kernel.
        role: Which of its variables, as in `Site.role`.
        shape: Shape of the kernel.

    Source: the layers' documentation, https://keras.io/api/layers/
    """
    rank = len(shape)
    if rank < 2 or role == "bias":
        return layout_of_shape(shape)
    last, before = (rank - 1,), (rank - 2,)
    if isinstance(layer, layers.EinsumDense):
        return _einsum(layer.equation, shape)
    if isinstance(layer, layers.Embedding):
        # One row is read at a time; `ReversibleEmbedding` also has the transposed kernel.
        reverse = shape == (layer.output_dim, layer.input_dim) != (layer.input_dim, shape[1])
        return Layout((0,), (1,)) if reverse else Layout((), (1,), batch=(0,))
    if isinstance(layer, DEPTHWISE) or (isinstance(layer, SEPARABLE) and role == "depthwise"):
        return Layout((), last, batch=before, output_stride=_product(layer.strides))
    if isinstance(layer, SEPARABLE):
        return Layout(before, last)
    if isinstance(layer, TRANSPOSED):
        return Layout(last, before, input_stride=_product(layer.strides))
    if isinstance(layer, CONVOLUTIONS):
        stride = _product(layer.strides)
        return Layout(before, last, groups=layer.groups, output_stride=stride)
    if isinstance(layer, layers.LSTMCell):
        return Layout(before, last, gates=LSTM_GATES)
    if isinstance(layer, layers.GRUCell):
        return Layout(before, last, gates=GRU_GATES)
    if is_conv_lstm_cell(layer):
        stride = _product(layer.strides) if role == "kernel" else 1
        return Layout(before, last, gates=LSTM_GATES, output_stride=stride)
    return layout_of_shape(shape)


def is_conv_lstm_cell(layer: Any) -> bool:
    """Whether `layer` is the cell of a `ConvLSTM1D`, `ConvLSTM2D` or `ConvLSTM3D`."""
    return any(base.__name__ == CONV_LSTM_CELL for base in type(layer).__mro__)


def _einsum(equation: str, shape: Shape) -> Layout:
    """Axes of an `EinsumDense` kernel: a letter in all three terms is a batch letter."""
    operands, output = equation.replace(" ", "").replace("...", "").split("->")
    inputs, kernel = operands.split(",")
    batch = tuple(i for i, letter in enumerate(kernel) if letter in inputs and letter in output)
    outputs = tuple(i for i, x in enumerate(kernel) if x in output and i not in batch)
    summed = tuple(i for i in range(len(shape)) if i not in batch and i not in outputs)
    return Layout(summed, outputs, batch)


def _normalised(name: str, axes: Iterable[int], shape: Shape) -> Shape:
    rank = len(shape)
    wrong = [axis for axis in axes if not -rank <= axis < rank]
    if wrong:
        raise ValueError(
            f"`{name}` must name axes of the shape. Received: {name}={tuple(axes)} for a shape "
            f"of {rank} axes, {shape}."
        )
    return tuple(axis % rank for axis in axes)


def _product(strides: int | Iterable[int]) -> int:
    return strides if isinstance(strides, int) else math.prod(strides)


def checked_axes(name: str, axes: Sequence[int] | None) -> list[int] | None:
    """`axes` as a list of ints, or None.

    Raises:
        TypeError: If it is no sequence of integers.
        ValueError: If it names an axis twice.
    """
    if axes is None:
        return None
    whole = [axes] if isinstance(axes, int | np.integer) else list(axes)
    if any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in whole):
        raise TypeError(f"`{name}` must be a sequence of integers. Received: {name}={axes!r}.")
    if len({*whole}) < len(whole):
        raise ValueError(f"`{name}` must not name an axis twice. Received: {name}={axes!r}.")
    return [int(axis) for axis in whole]


def layout_at(initializer: Any, shape: Shape, site: Site | None) -> Layout:
    """The layout of a kernel by what is known: the user's axes, else the layer, else the shape.

    Args:
        initializer: Its `input_axes`, `output_axes` and `batch_axes` are the user's, or those that
            `EinsumDense` has set.
        shape: Shape of the kernel.
        site: The layer variable to fill, or None outside a layer.

    Raises:
        ValueError: If an axis does not exist, or is both an input and an output.
    """
    axes = initializer.input_axes, initializer.output_axes
    batch_axes = initializer.batch_axes or ()
    from_layer = None if site is None else layout_of_layer(site.layer, site.role, shape)
    if None not in axes:
        given = layout_of_axes(shape, *axes, batch_axes)
        # `EinsumDense` counts its batch letters as outputs; its equation tells them apart.
        copied = from_layer is not None and not batch_axes and _same_but_batch(given, from_layer)
        return from_layer if from_layer is not None and copied else given
    if batch_axes:
        batch = _normalised("batch_axes", batch_axes, shape)
        rest = [axis for axis in range(len(shape)) if axis not in batch]
        return layout_of_axes(shape, rest[-2:-1], rest[-1:], batch)
    return from_layer or layout_of_shape(shape)


def _same_but_batch(given: Layout, layout: Layout) -> bool:
    return {*given.inputs} == {*layout.inputs} and {*given.outputs} == {
        *layout.outputs,
        *layout.batch,
    }
