"""Convolutions as matrix products, which backends map over replicas well."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import is_channels_first, is_kept_method, kind_of


@contextlib.contextmanager
def as_matrix_products(model: Any) -> Iterator[None]:
    """Lets the convolutions of `model` multiply patches by the kernel while this is open.

    The result is the same to float tolerance. Where it pays, and why:
    `_backend.maps_convolutions_well`. Whoever hooks the layers' `call` must do so inside.

    Args:
        model: A Keras model; its layers are as before on leaving.
    """
    with contextlib.ExitStack() as hooks:
        for layer in _backend.flat_layers(model):
            hooks.enter_context(_backend.replaced(layer, **_replacement(layer)))
        yield


def _replacement(layer: Any) -> dict[str, Callable[..., Tensor]]:
    """The method of a layer that convolves, and what to do instead; empty to leave it alone."""
    family = kind_of(layer).family
    if is_channels_first(layer) or len(getattr(layer, "kernel_size", ())) > 2:
        return {}
    if family == "convolution" and layer.groups == 1 and is_kept_method(layer, "convolution_op"):
        return {"convolution_op": lambda inputs, kernel: _plain(layer, inputs, kernel)}
    if family == "separable" and is_kept_method(layer, "call"):
        return {"call": lambda inputs: _finished(layer, _separable(layer, inputs))}
    if family == "depthwise" and is_kept_method(layer, "call"):
        return {"call": lambda inputs: _finished(layer, _depthwise(layer, inputs, layer.kernel))}
    return {}


def _plain(layer: Any, inputs: Tensor, kernel: Tensor) -> Tensor:
    gathered = ops.concatenate(list(_views(layer, inputs)), axis=-1)
    return _product(gathered, ops.reshape(kernel, (gathered.shape[-1], kernel.shape[-1])))


def _depthwise(layer: Any, inputs: Tensor, kernel: Tensor) -> Tensor:
    """Each channel by its own kernels: a sum of as many products as the window has elements."""
    *window, channels, multiplier = kernel.shape
    factors = ops.reshape(kernel, (math.prod(window), channels, multiplier))
    views = _views(layer, inputs)
    total = sum(ops.expand_dims(view, -1) * factors[i] for i, view in enumerate(views))
    return ops.reshape(total, (-1, *total.shape[1:-2], channels * multiplier))


def _separable(layer: Any, inputs: Tensor) -> Tensor:
    between = _depthwise(layer, inputs, layer.depthwise_kernel)
    return _product(between, ops.reshape(layer.pointwise_kernel, (between.shape[-1], -1)))


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    flat = ops.matmul(ops.reshape(rows, (-1, rows.shape[-1])), columns)
    return ops.reshape(flat, (-1, *rows.shape[1:-1], columns.shape[-1]))


def _finished(layer: Any, outputs: Tensor) -> Tensor:
    """What Keras adds after a depthwise or separable convolution."""
    outputs = outputs if layer.bias is None else outputs + layer.bias
    return outputs if layer.activation is None else layer.activation(outputs)


def _views(layer: Any, inputs: Tensor) -> Iterator[Tensor]:
    """What each element of the window is multiplied by, at every position of the output.

    Args:
        layer: For its window, strides, dilation and padding ("same", "valid" or "causal").
        inputs: Shape `(batch, *space, channels)`.

    Yields:
        Tensors of shape `(batch, *positions, channels)`, in the order of the kernel's rows.
    """
    window, strides, dilation = layer.kernel_size, layer.strides, layer.dilation_rate
    pads, sizes = [], []
    for size, length, step, gap in zip(inputs.shape[1:-1], window, strides, dilation, strict=True):
        reach = (length - 1) * gap
        before = after = 0
        if layer.padding == "causal":
            before = reach
        elif layer.padding == "same":
            missing = max((-(-size // step) - 1) * step + reach + 1 - size, 0)
            before, after = missing // 2, missing - missing // 2
        pads.append((before, after))
        sizes.append((before + size + after - reach - 1) // step + 1)
    padded = ops.pad(inputs, [(0, 0), *pads, (0, 0)]) if any(map(any, pads)) else inputs
    for offsets in itertools.product(*map(range, window)):
        spans = zip(offsets, dilation, strides, sizes, strict=True)
        parts = [
            slice(offset * gap, offset * gap + (size - 1) * step + 1, step)
            for offset, gap, step, size in spans
        ]
        yield padded[(slice(None), *parts)]
