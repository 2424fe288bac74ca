"""The axes of a kernel that an initializer fills: named by the user, else by layer or shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasinit._typing import Shape
from kerasinit.initializers._site import Site
from kerasinit.layers import KernelAxes, axes_of_shape, kernel_axes


def axes_at(initializer: Any, shape: Shape, site: Site | None) -> KernelAxes:
    """The axes of a kernel by what is known: the user's, else the layer, else the shape.

    Args:
        initializer: Its `input_axes`, `output_axes` and `batch_axes` are the user's, or those that
            `EinsumDense` has set.
        shape: Shape of the kernel.
        site: The layer variable to fill, or None outside a layer.

    Raises:
        ValueError: If an axis does not exist, or is both an input and an output.
    """
    axes = initializer.input_axes, initializer.output_axes
    batch_axes = initializer.batch_axes or ()
    from_layer = None if site is None else kernel_axes(site.layer, site.role, shape)
    if None not in axes:
        given = named_axes(shape, *axes, batch_axes)
        # `EinsumDense` counts its batch letters as outputs; its equation tells them apart.
        if from_layer is not None and not batch_axes and _same_but_batch(given, from_layer):
            return from_layer
        return given
    if batch_axes:
        batch = _normalised("batch_axes", batch_axes, shape)
        rest = [axis for axis in range(len(shape)) if axis not in batch]
        return named_axes(shape, rest[-2:-1], rest[-1:], batch)
    return from_layer or axes_of_shape(shape)


def named_axes(
    shape: Shape,
    input_axes: Iterable[int],
    output_axes: Iterable[int],
    batch_axes: Iterable[int] = (),
) -> KernelAxes:
    """The axes as the user named them; the rest is the window.

    Args:
        shape: Shape of the kernel.
        input_axes: Axes summed over; negative ones count from the end.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels; they are taken out of the other two.

    Raises:
        ValueError: If an axis does not exist, or is both an input and an output.
    """
    batch = _normalised("batch_axes", batch_axes, shape)
    inputs = tuple(a for a in _normalised("input_axes", input_axes, shape) if a not in batch)
    outputs = tuple(a for a in _normalised("output_axes", output_axes, shape) if a not in batch)
    both = sorted({*inputs} & {*outputs})
    if both:
        raise ValueError(
            "`input_axes` and `output_axes` must not share an axis. "
            f"Received: input_axes={inputs}, output_axes={outputs}, both hold {both}."
        )
    return KernelAxes(inputs, outputs, batch)


def checked_axes(name: str, axes: Sequence[int] | None) -> list[int] | None:
    """`axes` as a list of ints, or None.

    Raises:
        TypeError: If it is no sequence of integers.
        ValueError: If it names an axis twice.
    """
    if axes is None:
        return None
    several = isinstance(axes, Sequence) or getattr(axes, "ndim", 0)
    whole: list[Any] = list(axes) if several else [axes]
    if any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in whole):
        raise TypeError(f"`{name}` must be a sequence of integers. Received: {name}={axes!r}.")
    if len({*whole}) < len(whole):
        raise ValueError(f"`{name}` must not name an axis twice. Received: {name}={axes!r}.")
    return [int(axis) for axis in whole]


def _normalised(name: str, axes: Iterable[int], shape: Shape) -> Shape:
    rank = len(shape)
    wrong = [axis for axis in axes if not -rank <= axis < rank]
    if wrong:
        raise ValueError(
            f"`{name}` must name axes of the shape. Received: {name}={tuple(axes)} for a shape "
            f"of {rank} axes, {shape}."
        )
    return tuple(axis % rank for axis in axes)


def _same_but_batch(given: KernelAxes, axes: KernelAxes) -> bool:
    return {*given.inputs} == {*axes.inputs} and {*given.outputs} == {*axes.outputs, *axes.batch}
