"""Convolutions as matrix products, which backends map over replicas well."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor


@contextlib.contextmanager
def as_matrix_products(model: Any) -> Iterator[None]:
    """Lets the plain convolutions of `model` multiply patches by the kernel while this is open.

    The result is the same to float tolerance. Where it pays, and why:
    `_backend.maps_convolutions_well`.

    Args:
        model: A Keras model; its layers are as before on leaving.
    """
    layers = [layer for layer in _backend.flat_layers(model) if _is_plain(layer)]
    for layer in layers:
        layer.__dict__["convolution_op"] = _product_of(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["convolution_op"]


def _is_plain(layer: Any) -> bool:
    return (
        isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D)
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and layer.padding in ("same", "valid", "causal")
    )


def _product_of(layer: Any) -> Callable[[Tensor, Tensor], Tensor]:
    def product(inputs: Tensor, kernel: Tensor) -> Tensor:
        gathered = patches(
            inputs, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding
        )
        shape = tuple(gathered.shape)
        rows = ops.reshape(gathered, (-1, shape[-1]))
        columns = ops.reshape(kernel, (shape[-1], kernel.shape[-1]))
        return ops.reshape(ops.matmul(rows, columns), (-1, *shape[1:-1], kernel.shape[-1]))

    return product


def patches(
    inputs: Tensor,
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
) -> Tensor:
    """What a convolution multiplies by its kernel, at every position of its output.

    Args:
        inputs: Shape `(batch, *space, channels)`.
        window: Size of the kernel in each axis of space.
        strides: Steps between positions.
        dilation: Steps between the kernel's rows and columns.
        padding: "same", "valid" or "causal" (one axis of space).

    Returns:
        Shape `(batch, *positions, prod(window) * channels)`, in the order of the kernel's rows.
    """
    before, after, sizes = [], [], []
    for size, length, step, gap in zip(inputs.shape[1:-1], window, strides, dilation, strict=True):
        reach = (length - 1) * gap
        count = -(-size // step) if padding == "same" else (size - reach - 1) // step + 1
        missing = max((count - 1) * step + reach + 1 - size, 0) if padding == "same" else 0
        if padding == "causal":
            missing, count = reach, -(-size // step)
        sizes.append(count)
        before.append(reach if padding == "causal" else missing // 2)
        after.append(missing - before[-1])
    widths = [(0, 0), *zip(before, after, strict=True), (0, 0)]
    padded = ops.pad(inputs, widths) if any(map(any, widths)) else inputs
    return ops.concatenate(list(_shifted(padded, 0, (), window, strides, dilation, sizes)), axis=-1)


def _shifted(
    padded: Tensor,
    axis: int,
    slices: tuple[slice, ...],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    sizes: Sequence[int],
) -> Iterator[Tensor]:
    """The input seen by each element of the window, row by row."""
    if axis == len(window):
        yield padded[(slice(None), *slices, slice(None))]
        return
    for offset in range(window[axis]):
        start = offset * dilation[axis]
        part = slice(start, start + (sizes[axis] - 1) * strides[axis] + 1, strides[axis])
        yield from _shifted(padded, axis + 1, (*slices, part), window, strides, dilation, sizes)
