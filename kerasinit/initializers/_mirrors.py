"""Kernels made of mirrored blocks of a smaller draw, and pairs kept per pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from keras import ops

from kerasinit import _backend
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
            draw: Gives values of a shape; called once, for the part that is not mirrored.
            shape: Shape of the kernel.

        >>> kernel = Mirrors(columns=True).kernel(ops.ones, (1, 3))
        >>> [float(weight) for weight in kernel[0]]
        [1.0, -1.0, 1.0]
        """
        return _backend.compiled(whole)(draw(self.drawn(shape)), self, shape)

    def drawn(self, shape: Shape) -> Shape:
        """Shape of the part that is drawn."""
        *window, inputs, outputs = shape
        rows, columns = 1 + self.rows, 1 + self.columns
        if self.pixels == 1:
            return (*window, inputs // rows, outputs // columns)
        pairs = self.pixels * (inputs // self.pixels // 2)
        return (pairs * (2 // rows), outputs // columns)

    def pieces(
        self, draw: Callable[[Shape], Tensor], shape: Shape, *, count: int
    ) -> Iterator[tuple[int, Tensor]]:
        """A dense kernel in parts, each with its first row: the whole is never held at once.

        Args:
            draw: Gives new values of a shape; called once for each part or pair of parts.
            shape: Shape of the kernel, `(inputs, outputs)`.
            count: Number of draws that are wanted; there are fewer with fewer pixels or rows.
        """
        inputs, outputs = shape
        if self.pixels > 1:
            channels = inputs // self.pixels
            for first, pixels in _chunks(self.pixels, count):
                part = replace(self, pixels=pixels)
                yield first * channels, part.kernel(draw, (pixels * channels, outputs))
            return
        half = inputs // (1 + self.rows)
        for first, rows in _chunks(half, count):
            values = replace(self, rows=False).kernel(draw, (rows, outputs))
            yield first, values
            if self.rows:
                yield half + first, -values
        if inputs > 2 * half and self.rows:  # a leftover channel feeds nothing
            yield inputs - 1, ops.zeros_like(values[:1])


def _chunks(total: int, count: int) -> Iterator[tuple[int, int]]:
    """Starts and sizes of at most `count` chunks, as equal as can be.

    >>> list(_chunks(10, 3))
    [(0, 4), (4, 4), (8, 2)]
    """
    size = -(-total // count)
    for start in range(0, total, size):
        yield start, min(size, total - start)


def whole(values: Tensor, mirrors: Mirrors, shape: Shape) -> Tensor:
    """The whole kernel from the part that is drawn; traceable.

    Args:
        values: What was drawn, of shape `mirrors.drawn(shape)`.
        mirrors: How the kernel is put together.
        shape: Shape of the kernel, `(..., inputs, outputs)`.
    """
    *_, inputs, outputs = shape
    if mirrors.columns:  # a leftover unit copies unit 0: the net stays linear where it should be
        values = ops.concatenate([values, -values, values[..., : outputs % 2]], axis=-1)
    if mirrors.pixels == 1:
        upper, lower = values, -values
    else:  # without mirrored rows, the draw holds the second halves too
        half = inputs // mirrors.pixels // 2
        end = mirrors.pixels * half
        upper = ops.reshape(values[:end], (mirrors.pixels, half, outputs))
        lower = -upper if mirrors.rows else ops.reshape(values[end:], upper.shape)
    if mirrors.pixels == 1 and not mirrors.rows:
        return upper
    leftover = [ops.zeros_like(upper[..., :1, :])] * (inputs // mirrors.pixels % 2)
    return ops.reshape(ops.concatenate([upper, lower, *leftover], axis=-2), shape)
