"""Kernels made of mirrored blocks drawn by another initializer, and pairs kept per pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from kerasinit._typing import Shape, Tensor


@dataclass(frozen=True)
class Mirrors:
    """How a kernel is put together from a smaller draw.

    Args:
        rows: Whether the second half of the inputs takes the negative of the first.
        columns: Whether the second half of the outputs is the negative of the first.
        pixels: Pixels that a flattening laid side by side on the input axis: pairs of rows are
            then dealt out to every pixel.
    """

    rows: bool = False
    columns: bool = False
    pixels: int = 1

    def kernel(self, draw: Callable[[Shape], Tensor], shape: Shape) -> Tensor:
        """A kernel of `shape` `(*window, inputs, outputs)`.

        Args:
            draw: Gives values of a shape.
            shape: Shape of the kernel.

        >>> kernel = Mirrors(columns=True).kernel(ops.ones, (1, 3))
        >>> [float(weight) for weight in kernel[0]]
        [1.0, -1.0, 1.0]
        """
        *window, inputs, outputs = shape
        channels = inputs // self.pixels
        if self.pixels > 1:  # a leftover channel feeds nothing
            inputs = self.pixels * (channels - channels % 2)
        block = (*window, inputs // (1 + self.rows), outputs // (1 + self.columns))
        values = draw(block)
        if self.columns:  # a leftover unit copies unit 0
            values = ops.concatenate([values, -values, values[..., : outputs % 2]], axis=-1)
        if self.rows:
            values = ops.concatenate([values, -values], axis=-2)
            if inputs % 2:
                values = ops.concatenate([values, ops.zeros_like(values[..., :1, :])], axis=-2)
        return self._per_pixel(values, channels, outputs) if self.pixels > 1 else values

    def _per_pixel(self, values: Tensor, channels: int, outputs: int) -> Tensor:
        half = channels // 2
        values = ops.reshape(values, (2, self.pixels, half, outputs))
        values = ops.reshape(ops.transpose(values, (1, 0, 2, 3)), (self.pixels, 2 * half, outputs))
        values = ops.pad(values, ((0, 0), (0, channels % 2), (0, 0)))
        return ops.reshape(values, (self.pixels * channels, outputs))
