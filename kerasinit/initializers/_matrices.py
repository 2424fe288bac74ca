"""A kernel seen as a stack of matrices, one for each gate, group and batch entry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from keras import ops

from kerasinit._typing import SeedLike, Shape, Tensor
from kerasinit.initializers._haar import haar
from kerasinit.initializers._layout import Layout
from kerasinit.initializers._site import Site


@dataclass(frozen=True)
class Matrices:
    """The matrices that make up a kernel.

    Their stack has the shape `(batch, parts, rows, columns)`: `batch` counts the entries of the
    batch axes, `parts` the gates or groups side by side on the outputs, `rows` the inputs (with
    the window, if `window` is true), `columns` the outputs of one part.

    Args:
        shape: Shape of the kernel.
        layout: How its axes are used.
        window: Whether the window is part of the rows; else it is filled tap by tap.
    """

    shape: Shape
    layout: Layout
    window: bool

    @property
    def stack(self) -> Shape:
        """`(batch, parts, rows, columns)`."""
        rows = self._size(self.layout.inputs)
        if self.window:
            rows *= self._size(self.layout.window(self.shape))
        columns = self._size(self.layout.outputs) // self.parts
        return (self._size(self.layout.batch), self.parts, rows, columns)

    @property
    def parts(self) -> int:
        """Number of gates or groups, dimensionless."""
        return self.layout.gates * self.layout.groups

    def kernel(self, stack: Tensor, taps: np.ndarray | None = None) -> Tensor:
        """Puts a stack of matrices back into the shape of the kernel.

        Args:
            stack: Shape `self.stack`, or a single matrix without the two axes of size 1.
            taps: Which entries of the window hold the matrices, shape of the window; the others
                are zero. None if the window is part of the rows.
        """
        layout = self.layout
        window = layout.window(self.shape)
        order = (*layout.batch, *window, *layout.inputs, *layout.outputs)
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

    def _size(self, axes: Shape) -> int:
        return math.prod(self.shape[axis] for axis in axes)


def matrices(shape: Shape, layout: Layout, *, window: bool) -> Matrices:
    """The view of a kernel as matrices.

    Where nothing is summed over (embeddings), the batch axes are the rows.

    Args:
        shape: Shape of the kernel.
        layout: How its axes are used.
        window: Whether the window is part of the rows.

    Raises:
        ValueError: If the kernel has fewer than two axes, or no entries.
    """
    if len(shape) < 2 or 0 in shape:
        raise ValueError(
            "`shape` must be that of a kernel: two axes or more, without a zero. "
            f"Received: shape={shape}."
        )
    if not layout.inputs and not layout.window(shape):
        layout = replace(layout, inputs=layout.batch, batch=())
    return Matrices(shape, layout, window)


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


def centre_taps(view: Matrices, site: Site | None) -> np.ndarray:
    """The taps of the window through which a kernel passes its input on unchanged.

    One tap, at index `(size - 1) // 2` of each axis. A strided transposed convolution gets as
    many taps per axis as its stride, so that every output position meets exactly one.

    Args:
        view: Which kernel.
        site: The layer variable to fill, for the strides of a transposed convolution.

    Returns:
        Array of 0 and 1, shape of the window.

    Source: Xiao et al., 2018, algorithm 2, https://arxiv.org/abs/1806.05393
    """
    window = [view.shape[axis] for axis in view.layout.window(view.shape)]
    strides = [1] * len(window)
    if view.layout.input_stride > 1 and site is not None:
        given = site.layer.strides
        strides = [given] * len(window) if isinstance(given, int) else list(given)
    taps = np.zeros(window)
    spans = []
    for size, stride in zip(window, strides, strict=True):
        start = max(0, (size - stride) // 2)
        spans.append(slice(start, start + stride))
    taps[tuple(spans)] = 1
    return taps
