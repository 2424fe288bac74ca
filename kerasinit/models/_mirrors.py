"""Kernels made of mirrored blocks drawn by another initializer, and pairs kept per pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from keras import ops

from kerasinit._typing import Shape, Tensor

# Entries of a dense kernel above which its factorization would cost more than the model's build
# (VGG16: 25,088 x 4,096), and holding it twice too much memory. The columns of so many random
# numbers are orthogonal but for their noise.
LARGE = 2**22


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
        pieces = [piece for _, piece in self.pieces(draw, shape, count=1)]
        return pieces[0] if len(pieces) == 1 else ops.concatenate(pieces, axis=-2)

    def pieces(
        self, draw: Callable[[Shape], Tensor], shape: Shape, *, count: int
    ) -> Iterator[tuple[int, Tensor]]:
        """The kernel in parts, each with its first row: the whole is never held at once.

        Args:
            draw: Gives values of a shape; called once, for the part that is not mirrored.
            shape: Shape of the kernel.
            count: Number of parts that are wanted; there are fewer with fewer pixels, and two
                without pixels.
        """
        *window, inputs, outputs = shape
        if self.pixels > 1:
            yield from self._dealt_out(draw, inputs, outputs, count)
            return
        values = draw((*window, inputs // (1 + self.rows), outputs // (1 + self.columns)))
        values = self._wide(values, outputs)
        yield 0, values
        if self.rows:  # a leftover channel feeds nothing
            empty = [ops.zeros_like(values[..., :1, :])] * (inputs % 2)
            yield inputs // 2, ops.concatenate([-values, *empty], axis=-2) if empty else -values

    def _dealt_out(
        self, draw: Callable[[Shape], Tensor], inputs: int, outputs: int, count: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Pieces of some pixels each; without `rows` the draw has the second halves too."""
        channels = inputs // self.pixels
        half = channels // 2
        end = self.pixels * half
        values = draw((end * (2 - self.rows), outputs // (1 + self.columns)))
        size = -(-self.pixels // count)
        for first in range(0, self.pixels, size):
            pixels = min(size, self.pixels - first)
            start, stop = first * half, (first + pixels) * half
            upper = ops.reshape(values[start:stop], (pixels, half, -1))
            second = values[end + start : end + stop]
            lower = -upper if self.rows else ops.reshape(second, (pixels, half, -1))
            empty = [ops.zeros_like(upper[:, :1])] * (channels % 2)
            piece = self._wide(ops.concatenate([upper, lower, *empty], axis=1), outputs)
            yield first * channels, ops.reshape(piece, (pixels * channels, outputs))

    def _wide(self, values: Tensor, outputs: int) -> Tensor:
        """`values` with the mirrored columns; a leftover unit copies unit 0."""
        if not self.columns:
            return values
        return ops.concatenate([values, -values, values[..., : outputs % 2]], axis=-1)
