"""What a layer or operation does to the channels of a signal that passes it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers._kinds import is_channels_first, is_kept_method, kind_of

MERGING = ("Flatten", "Reshape", "Ravel")  # may lay the pixels of an image side by side
CLOSED = ("attention", "recurrent", "wrapper")


def is_closed(layer: Any) -> bool:
    """Whether a layer is read as one call, because its inside is no plain graph.

    A wrapper with a `call` of its own is like any composite layer.
    """
    family = kind_of(layer).family
    return family in CLOSED and (family != "wrapper" or is_kept_method(layer, "call"))


def is_product(operation: Any, arguments: Any, kernel: Any) -> bool:
    """Whether a call multiplies a signal by `kernel`, `(*window, inputs, outputs)`, from the right.

    Args:
        operation: An operation of a graph.
        arguments: What it was given, as Keras keeps it.
        kernel: A variable among them.
    """
    named = operation.function_name if isinstance(operation, _backend.RawCall) else ""
    name = (named or type(operation).__name__).lower().partition("_")[0]
    given = _backend.given_to(operation, arguments)
    if name == "einsum":
        equation = next((one for one in given if isinstance(one, str)), "")
        terms = equation.replace(" ", "").replace("...", "").partition("->")
        last, _, output = terms[0].rpartition(",")[2], *terms[1:]
        return len(last) == 2 and last[0] not in output and last[1] in output
    first = next((one for one in given if hasattr(one, "shape")), kernel)
    is_right = first is not kernel and first is not kernel.value
    rank = len(kernel.shape)
    return is_right and (name == "conv" or (name in ("matmul", "dot") and rank == 2))


def pixels_merged(
    operation: Any, before: tuple[int | None, ...], after: tuple[int | None, ...]
) -> int | None:
    """How many pixels a transparent layer or operation lays side by side on the channel axis.

    Args:
        operation: What is transparent.
        before: Shape of the value it reads.
        after: Shape of the value it makes.

    Returns:
        1 where the channel axis stays, the number of pixels where a channels-last image is
        flattened, None where pairs of channels are torn apart.
    """
    kind = kind_of(operation)
    if kind.family == "channelwise":
        return None if is_channels_first(operation) else 1
    if kind.name in MERGING and before[-1] is not None:
        if after[-1] == before[-1]:
            return 1
        if len(after) == 2 and after[-1] is not None and after[-1] % before[-1] == 0:
            return after[-1] // before[-1]
    return None


def units_last(layer: Any, values: Tensor, *, replicas: bool = False) -> Tensor:
    """Outputs of `layer`, or their gradients, with the units in the last axis.

    Args:
        layer: The layer that made them.
        values: Array or tensor of shape `(batch, ...)`, or `(replicas, batch, ...)`.
        replicas: Whether a replica axis comes first.
    """
    rank = len(values.shape) - replicas
    if rank == 1:
        return values[..., None]
    if not is_channels_first(layer) or rank == 2:
        return values
    moveaxis = np.moveaxis if isinstance(values, np.ndarray) else keras.ops.moveaxis
    return moveaxis(values, 1 + replicas, -1)
