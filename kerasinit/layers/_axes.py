"""Kernel axes: which are summed over, which are outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasinit._typing import Shape
from kerasinit.layers._kinds import kind_of


@dataclass(frozen=True)
class Fans:
    """Number of summands of one unit; not a whole number where a stride does not divide it.

    Args:
        fan_in: Weights that feed one output unit, on average, dimensionless.
        fan_out: Weights that one input unit feeds, that is, the summands of its gradient,
            dimensionless.

    Example:
        >>> import keras, kerasinit
        >>> layer = keras.layers.DepthwiseConv2D(3)
        >>> layer.build((None, 8, 8, 16))
        >>> kerasinit.fans(layer, layer.kernel)
        Fans(fan_in=9, fan_out=9)
    """

    fan_in: float
    fan_out: float


@dataclass(frozen=True)
class KernelAxes:
    """How the axes of a kernel are used; axes that are named nowhere are its window.

    Args:
        inputs: Axes that are summed over together with the window.
        outputs: Axes of the output units.
        batch: Axes of independent kernels side by side (experts, channels of a depthwise kernel).
        gates: Number of kernels side by side on the last output axis (4 in an LSTM), dimensionless.
        groups: Number of groups the output channels fall into; each sees its own inputs.
        input_strides: Strides of a transposed convolution, one for each axis of the window: only
            every such entry meets an input. Empty for all other layers.
        output_stride: Product of the strides of a convolution, dimensionless.
        is_causal: Whether the window looks back from its last entry, in time.
    """

    inputs: Shape
    outputs: Shape
    batch: Shape = ()
    gates: int = 1
    groups: int = 1
    input_strides: Shape = ()
    output_stride: int = 1
    is_causal: bool = False

    @property
    def input_stride(self) -> int:
        """Product of the strides of a transposed convolution, dimensionless."""
        return math.prod(self.input_strides)

    def window(self, shape: Shape) -> Shape:
        """Axes of the window of a kernel of `shape`."""
        named = {*self.inputs, *self.outputs, *self.batch}
        return tuple(axis for axis in range(len(shape)) if axis not in named)

    def fans(self, shape: Shape) -> Fans:
        """Counts the summands of a kernel of `shape`.

        Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

        >>> KernelAxes((2,), (3,), groups=2, output_stride=4).fans((3, 3, 8, 16))
        Fans(fan_in=72, fan_out=18)
        """
        window = math.prod(shape[axis] for axis in self.window(shape))
        inputs = math.prod(shape[axis] for axis in self.inputs)
        outputs = math.prod(shape[axis] for axis in self.outputs)
        parts = self.gates * self.groups * self.output_stride
        return Fans(_whole(inputs * window / self.input_stride), _whole(outputs * window / parts))

    def columns(self, kernels: np.ndarray) -> np.ndarray:
        """Kernels as matrices with a column for each unit, `(replicas, inputs, units)`.

        The gates of a unit lie one below another: together they are its weights.

        Args:
            kernels: Shape `(replicas, *kernel)`.
        """
        units = math.prod(kernels.shape[1 + axis] for axis in self.outputs) // self.gates
        last = np.moveaxis(
            kernels, [1 + axis for axis in self.outputs], range(-len(self.outputs), 0)
        )
        return last.reshape(len(kernels), -1, units)


def axes_of_shape(shape: Shape) -> KernelAxes:
    """The axes that Keras assumes when it sees only a shape.

    Args:
        shape: `(*window, inputs, outputs)`; a vector of n entries is read as n inputs and n
            outputs.
    """
    rank = len(shape)
    if rank < 2:
        return KernelAxes(tuple(range(rank)), tuple(range(rank)))
    return KernelAxes((rank - 2,), (rank - 1,))


def axes_of_equation(equation: str) -> KernelAxes:
    """The axes of the kernel of an `EinsumDense`: a letter in all three terms is a batch letter.

    >>> axes_of_equation("abc,cde->abde")
    KernelAxes(inputs=(0,), outputs=(1, 2), batch=(), gates=1, groups=1, input_strides=(), ...)
    """
    operands, output = equation.replace(" ", "").replace("...", "").split("->")
    data, kernel = operands.split(",")
    places = list(enumerate(kernel))
    return KernelAxes(
        inputs=tuple(axis for axis, letter in places if letter not in output),
        outputs=tuple(axis for axis, x in places if x in output and x not in data),
        batch=tuple(axis for axis, x in places if x in output and x in data),
    )


def kernel_axes(layer: Any, role: str, shape: Shape) -> KernelAxes:
    """The axes of a kernel of `layer`; what is not known is read from the shape alone.

    Args:
        layer: The Keras layer that owns the kernel.
        role: Which of its variables, as in `role_of`.
        shape: Shape of the kernel.

    Source: the layers' documentation, https://keras.io/api/layers/
    """
    rank, kind = len(shape), kind_of(layer)
    if rank < 2 or role == "bias":
        return axes_of_shape(shape)
    last, before = (rank - 1,), (rank - 2,)
    causal = getattr(layer, "padding", "") == "causal"
    match kind.family:
        case "einsum":
            return axes_of_equation(layer.equation)
        case "embedding":
            # One row is read at a time; `ReversibleEmbedding` also has the transposed kernel.
            reverse = shape == (layer.output_dim, layer.input_dim) != (layer.input_dim, shape[1])
            return KernelAxes((0,), (1,)) if reverse else KernelAxes((), (1,), batch=(0,))
        case "separable" if role != "depthwise":
            return KernelAxes(before, last)
        case "depthwise" | "separable":
            stride = _product(layer.strides)
            return KernelAxes((), last, batch=before, output_stride=stride, is_causal=causal)
        case "transposed":
            strides = layer.strides
            strides = (strides,) * (rank - 2) if isinstance(strides, int) else tuple(strides)
            return KernelAxes(last, before, input_strides=strides)
        case "convolution":
            stride = _product(layer.strides)
            return KernelAxes(
                before, last, groups=layer.groups, output_stride=stride, is_causal=causal
            )
        case "cell":
            stride = _product(getattr(layer, "strides", 1)) if role == "kernel" else 1
            return KernelAxes(before, last, gates=kind.gates, output_stride=stride)
    return axes_of_shape(shape)


def _product(strides: int | Iterable[int]) -> int:
    return strides if isinstance(strides, int) else math.prod(strides)


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number
