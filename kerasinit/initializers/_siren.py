"""SIREN kernels: networks of sines that represent images, sound and fields."""

from __future__ import annotations

import math

import keras

from kerasinit._numbers import checked_flag, checked_number
from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._given_axes import axes_at
from kerasinit.initializers._kernel_matrices import matrices
from kerasinit.initializers._site import Site


@register("siren")
class Siren(LayerInitializer):
    """Uniform weights for layers that compute `sin(omega * (W x + b))`.

    The first layer draws from +-1 / fan_in, so that omega alone sets its frequencies; every other
    layer from +-sqrt(6 / fan_in) / omega, so that the argument of each sine stays about normal, of
    mean square 0.8 (where `q = 1 - exp(-2 q)`), at any depth. The output layer is one of those.

    Args:
        first: Whether the layer reads the coordinates themselves.
        omega: The factor inside the sine, dimensionless. Where the layer computes `sin(W x + b)`,
            it is 1.
        gain: Factor on the weights, dimensionless. Above 1, in every layer but the last, a network
            has higher frequencies at its start and fits its data faster, up to a point at which it
            fits noise: 2.5 for pictures in the code of Yeom et al.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If `omega` or `gain` is out of range, or only one of `input_axes` and
            `output_axes` is given. When called: if the shape is no kernel's.
        TypeError: If an argument is of the wrong type.

    Source: Sitzmann et al., 2020, section 3.2 and its code, https://arxiv.org/abs/2006.09661; the
    gain: Yeom et al., 2025, https://arxiv.org/abs/2410.04779

    Example:
        >>> import keras
        >>> first, hidden = Siren(first=True, seed=1), Siren(seed=1)
        >>> bool(keras.ops.max(keras.ops.abs(first((2, 256)))) <= 0.5)
        True
        >>> bool(keras.ops.max(keras.ops.abs(hidden((256, 256)))) <= 0.0051031036)
        True
    """

    def __init__(
        self,
        *,
        first: bool = False,
        omega: float = 30.0,
        gain: float = 1.0,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        self.first = checked_flag("first", first)
        self.omega = checked_number("omega", omega)
        self.gain = checked_number("gain", gain)

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        axes = axes_at(self, shape, site)
        matrices(shape, axes, window=True)  # refuses what is no kernel
        limit = self.limit(axes.fans(shape).fan_in)
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=seed)

    def limit(self, fan_in: float) -> float:
        """Largest weight, dimensionless.

        Args:
            fan_in: Weights that feed one output unit, dimensionless.
        """
        fan_in = max(1.0, fan_in)
        return self.gain * (1 / fan_in if self.first else math.sqrt(6 / fan_in) / self.omega)
