"""What a layer or operation does to the channels of a signal that passes it."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers._kinds import is_channels_first, is_kept_method, kind_of

MERGING = ("Flatten", "Reshape", "Ravel")  # may lay the pixels of an image side by side
PRODUCTS = ("conv", "dot", "einsum", "linear", "matmul", "tensordot")
NUMBERS = (int, float, np.integer, np.floating)
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
    given = _backend.given_to(operation, arguments)
    operands = [one for one in given if hasattr(one, "shape")]
    if len(operands) < 2 or not (operands[-1] is kernel or operands[-1] is kernel.value):
        return False
    name = _name_of(operation)
    if name == "einsum":
        equation = next((one for one in given if isinstance(one, str)), "")
        equation = str(getattr(operation, "subscripts", equation))
        terms = equation.replace(" ", "").replace("...", "").partition("->")
        last, output = terms[0].rpartition(",")[2], terms[2]
        return len(last) == 2 and last[0] not in output and last[1] in output
    if name == "conv":  # JAX has one whose kernel is `(outputs, inputs, *window)`
        return not isinstance(operation, _backend.RawCall)
    is_transposed = any(one is True for one in given)  # as an argument of TensorFlow
    return name in ("matmul", "dot") and len(kernel.shape) == 2 and not is_transposed


def multiplies_by_constant(operation: Any, arguments: Any) -> bool:
    """Whether a call multiplies a signal by a matrix, or a window, that no layer or input makes.

    Such as a kernel that is transposed, masked or normalized before its use.

    Args:
        operation: An operation of a graph.
        arguments: What it was given, as Keras keeps it.
    """
    if not _name_of(operation).startswith(PRODUCTS):
        return False
    return any(
        len(getattr(one, "shape", ())) >= 2 and not isinstance(one, keras.KerasTensor)
        for one in _backend.given_to(operation, arguments)
    )


def is_product_of(operation: Any, signals: int) -> bool:
    """Whether a call sums products of the entries of two signals: `matmul`, `Dot`.

    Args:
        operation: A layer, or an operation of a graph.
        signals: How many signals it reads.
    """
    return signals > 1 and _name_of(operation).startswith(PRODUCTS)


def number_factor(operation: Any, arguments: Any) -> float:
    """The number by which a call multiplies its signal; 1 where it does not.

    Args:
        operation: A layer, or an operation of a graph.
        arguments: What it was given, as Keras keeps it.
    """
    if kind_of(operation).name == "Rescaling":
        factors = [operation.scale]
    elif kind_of(operation).family == "scale":
        factors = [*_backend.given_to(operation, arguments)]
        if "div" in _name_of(operation):
            factors = [1 / one for one in factors[1:2] if isinstance(one, NUMBERS) and one]
    else:
        return 1.0
    return math.prod(float(one) for one in factors if isinstance(one, NUMBERS))


def rectifies(operation: Any, arguments: Any) -> bool:
    """Whether a call is `maximum(x, 0)`.

    Args:
        operation: An operation of a graph.
        arguments: What it was given, as Keras keeps it.
    """
    if _name_of(operation) != "maximum":
        return False
    given = _backend.given_to(operation, arguments)
    return any(isinstance(one, NUMBERS) and one == 0 for one in given)


def tensor_factors(operation: Any, arguments: Any) -> tuple[Any, ...]:
    """The weights, and other tensors that no layer or input makes, by which a call multiplies.

    Args:
        operation: A layer, or an operation of a graph.
        arguments: What it was given, as Keras keeps it.
    """
    if kind_of(operation).name != "Multiply":
        return ()
    given = _backend.given_to(operation, arguments)
    others = (keras.KerasTensor, *NUMBERS)
    return tuple(one for one in given if hasattr(one, "shape") and not isinstance(one, others))


def _name_of(operation: Any) -> str:
    """The name of a function of the backend, or of the class of an operation, in lower case."""
    if isinstance(operation, _backend.RawCall):
        return operation.function_name.lower().removesuffix("_v2")
    return type(operation).__name__.lower()


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
