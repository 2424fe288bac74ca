"""A kernel seen as a stack of matrices, one for each gate, group and batch entry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from keras import ops

from kerasinit._typing import SeedLike, Shape, Tensor
from kerasinit.initializers._haar import haar
from kerasinit.layers import KernelAxes


@dataclass(frozen=True)
class KernelMatrices:
    """The matrices that make up a kernel.

    Their stack has the shape `(batch, parts, rows, columns)`: `batch` counts the entries of the
    batch axes, `parts` the gates or groups side by side on the outputs, `rows` the inputs (with
    the window, if `window` is true), `columns` the outputs of one part.

    Args:
        shape: Shape of the kernel.
        axes: How its axes are used.
        window: Whether the window is part of the rows; else it is filled tap by tap.
    """

    shape: Shape
    axes: KernelAxes
    window: bool

    @property
    def stack(self) -> Shape:
        """`(batch, parts, rows, columns)`."""
        columns = self._size(self.axes.outputs) // self.parts
        return (self._size(self.axes.batch), self.parts, self.rows, columns)

    @property
    def rows(self) -> int:
        """Number of inputs of a matrix, dimensionless."""
        rows = self._size(self.axes.inputs)
        return rows * self._size(self.axes.window(self.shape)) if self.window else rows

    @property
    def parts(self) -> int:
        """Number of gates or groups, dimensionless."""
        return self.axes.gates * self.axes.groups

    def kernel(self, stack: Tensor, taps: np.ndarray | None = None) -> Tensor:
        """Puts a stack of matrices back into the shape of the kernel.

        Args:
            stack: Shape `self.stack`, or a single matrix without the two axes of size 1.
            taps: Which entries of the window hold the matrices, shape of the window; the others
                are zero. None if the window is part of the rows.
        """
        window = self.axes.window(self.shape)
        order = (*self.axes.batch, *window, *self.axes.inputs, *self.axes.outputs)
        sizes = {axis: self.shape[axis] for axis in order}
        if taps is not None:
            sizes.update(dict.fromkeys(window, 1))
        # Eager JAX compiles each operation for each shape: those that change nothing are left out.
        values = ops.transpose(stack, (0, 2, 1, 3)) if self.parts > 1 else stack
        sizes_in_order = tuple(sizes[axis] for axis in order)
        if tuple(values.shape) != sizes_in_order:
            values = ops.reshape(values, sizes_in_order)
        if taps is not None and taps.size > 1:
            places = [self.shape[axis] if axis in window else 1 for axis in order]
            values = values * ops.cast(np.reshape(taps, places), values.dtype)
        back = [order.index(axis) for axis in range(len(order))]
        return values if back == sorted(back) else ops.transpose(values, back)

    def _size(self, which: Shape) -> int:
        return math.prod(self.shape[axis] for axis in which)


def matrices(shape: Shape, axes: KernelAxes, *, window: bool) -> KernelMatrices:
    """The view of a kernel as matrices.

    Where nothing is summed over (embeddings), the batch axes are the rows: fans are those of
    `axes`, not of the `axes` of the view.

    Args:
        shape: Shape of the kernel.
        axes: How its axes are used.
        window: Whether the window is part of the rows.

    Raises:
        ValueError: If the kernel has fewer than two axes, or no entries.
    """
    if len(shape) < 2 or 0 in shape:
        raise ValueError(
            "`shape` must be that of a kernel: two axes or more, without a zero. "
            f"Received: shape={shape}."
        )
    if not axes.inputs and not axes.window(shape):
        axes = replace(axes, inputs=axes.batch, batch=())
    return KernelMatrices(shape, axes, window)


def semi_orthogonal(stack: Shape, *, seed: SeedLike, dtype: str, scaled: bool = True) -> Tensor:
    """Independent Haar semi-orthogonal matrices.

    Args:
        stack: `(*batch, rows, columns)`.
        seed: Seed of the draw.
        dtype: `"float32"` or `"float64"`.
        scaled: Whether wide matrices are multiplied by sqrt(columns / rows), so that the mean
            square of a row vector stays.

    Source: "scaled uniform orthogonal", Martens et al., 2021, section 5.3,
    https://arxiv.org/abs/2110.01765
    """
    *_, rows, columns = stack
    values = haar(stack, seed=seed, dtype=dtype)
    return values * math.sqrt(columns / rows) if scaled and columns > rows else values


def centre_taps(view: KernelMatrices) -> np.ndarray:
    """The taps of the window through which a kernel passes its input on unchanged.

    One tap, at index `(size - 1) // 2` of each axis; at the last one of a causal convolution, which
    would shift its input otherwise. A strided transposed convolution gets as many taps per axis as
    its stride, so that every output position meets exactly one.

    Returns:
        Array of 0 and 1, shape of the window.

    Source: Xiao et al., 2018, algorithm 2, https://arxiv.org/abs/1806.05393
    """
    window = [view.shape[axis] for axis in view.axes.window(view.shape)]
    strides = view.axes.input_strides or (1,) * len(window)
    taps = np.zeros(window)
    spans = []
    for size, stride in zip(window, strides, strict=True):
        start = size - 1 if view.axes.is_causal else max(0, (size - stride) // 2)
        spans.append(slice(start, start + stride))
    taps[tuple(spans)] = 1
    return taps
