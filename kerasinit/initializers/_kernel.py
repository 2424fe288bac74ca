"""Bases of the initializers that fill a kernel as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Config, SeedLike, Shape
from kerasinit.initializers._base import LayerInitializer
from kerasinit.initializers._gains import checked_gain, serialized_gain
from kerasinit.initializers._given_axes import axes_at, checked_axes
from kerasinit.initializers._kernel_matrices import KernelMatrices, matrices
from kerasinit.initializers._site import Site


class KernelOptions(TypedDict, total=False):
    """Arguments that every initializer of kernels takes; see `KernelInitializer`."""

    seed: SeedLike
    input_axes: Sequence[int] | None
    output_axes: Sequence[int] | None
    batch_axes: Sequence[int] | None


class KernelInitializer(LayerInitializer):
    """An initializer of kernels: it knows which axes are summed over.

    Args:
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`; see `LayerInitializer`.
        input_axes: Axes of the kernel that are summed over; None to read them from the layer, or
            from the shape outside one. Given together with `output_axes`. Axes named nowhere are
            the window.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If only one of `input_axes` and `output_axes` is given. When called: if the
            shape is no kernel's.
        TypeError: If an argument is of the wrong type.
    """

    def __init__(
        self,
        *,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
        batch_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed=seed)
        self.input_axes = checked_axes("input_axes", input_axes)
        self.output_axes = checked_axes("output_axes", output_axes)
        self.batch_axes = checked_axes("batch_axes", batch_axes)
        if (self.input_axes is None) != (self.output_axes is None):
            raise ValueError(
                "`input_axes` and `output_axes` must be given together. "
                f"Received: input_axes={input_axes}, output_axes={output_axes}."
            )

    def _view(self, shape: Shape, site: Site | None, *, window: bool) -> KernelMatrices:
        """The kernel as matrices, with the window in the rows or not."""
        return matrices(shape, axes_at(self, shape, site), window=window)

    def get_config(self) -> Config:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
            "batch_axes": self.batch_axes,
        }


class GainInitializer(KernelInitializer):
    """An initializer of kernels with a factor on the weights.

    Args:
        gain: Factor on the weights, dimensionless: a number > 0, an activation (name, function or
            layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own activation.
        **options: `seed`, `input_axes`, `output_axes`, `batch_axes` of `KernelInitializer`.

    Raises:
        ValueError: If the gain is out of range or the activation unknown.
        TypeError: If the gain is no number and no activation.
    """

    def __init__(self, gain: Any, **options: Unpack[KernelOptions]) -> None:
        super().__init__(**options)
        self.gain = checked_gain(gain)

    def get_config(self) -> Config:
        """The constructor's arguments."""
        building = _backend.building_layer() is not None  # a copy is made: no need for plain data
        gain = self.gain if building else serialized_gain(self.gain)
        return {**super().get_config(), "gain": gain}


def plain_activation(activation: Any) -> Any:
    """An activation as it is kept: Keras' own functions by name, configs deserialized."""
    if isinstance(activation, dict):
        activation = keras.activations.get(activation)
    name = getattr(activation, "__name__", "")
    return name if getattr(keras.activations, name, None) is activation else activation


def config_of(activation: Any) -> Any:
    """`activation` for a config; plain data unless a layer copies its initializer."""
    building = _backend.building_layer() is not None
    return activation if building else serialized_gain(activation)


def checked_flag(name: str, value: Any) -> bool:
    """`value` as a bool.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False. Received: {name}={value!r}.")
    return bool(value)
