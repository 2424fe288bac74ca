"""Sparse kernels: every unit listens to a few inputs."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerasinit._numbers import checked_number, checked_whole
from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register, split_seed
from kerasinit.initializers._gains import GainLike, checked_gain, gain_at
from kerasinit.initializers._site import Site

DEFAULT_FRACTION = 0.1  # of the inputs; as in Lasagne and torch


@register()
class Sparse(LayerInitializer):
    """Normal weights, exactly so many per unit, from inputs drawn without replacement.

    The `sparsity` of Lasagne is the fraction of weights that are *not* zero, that of torch the
    fraction that *is* zero; here the name says which.

    Args:
        nonzero_fraction: Share of the inputs that a unit listens to, in (0, 1]; rounded down, but
            one input at least. 0.1 if neither this nor `nonzero_count` is given.
        nonzero_count: Number of inputs that a unit listens to (15 in Martens, 2010); all of them
            if there are fewer.
        stddev: Standard deviation of the weights that are not zero (Lasagne and torch: 0.01).
            None: gain / sqrt(their number), which keeps the mean square of the signal.
        gain: Factor on the weights, dimensionless: a number > 0, an activation (name, function or
            layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own activation.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If a number is out of range, both or an impossible combination of arguments is
            given, or the activation is unknown. When called: if the shape is no kernel's.
        TypeError: If an argument is of the wrong type.

    Source: Martens, 2010, section 5, https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf

    Example:
        >>> import keras
        >>> kernel = Sparse(nonzero_count=3, seed=1)((10, 4))
        >>> [int(n) for n in keras.ops.sum(keras.ops.cast(kernel != 0, "int32"), axis=0)]
        [3, 3, 3, 3]
    """

    def __init__(
        self,
        *,
        nonzero_fraction: float | None = None,
        nonzero_count: int | None = None,
        stddev: float | None = None,
        gain: GainLike = 1.0,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        self.gain = checked_gain(gain)
        if nonzero_fraction is not None and nonzero_count is not None:
            raise ValueError(
                "Give `nonzero_fraction` or `nonzero_count`, not both. Received: "
                f"nonzero_fraction={nonzero_fraction!r}, nonzero_count={nonzero_count!r}."
            )
        if nonzero_fraction is not None:
            nonzero_fraction = checked_number(
                "nonzero_fraction",
                nonzero_fraction,
                most=1.0,
                hint="It is the share of weights that are not zero; a number is `nonzero_count`.",
            )
        self.nonzero_fraction = nonzero_fraction
        self.nonzero_count = (
            None if nonzero_count is None else checked_whole("nonzero_count", nonzero_count)
        )
        self.stddev = None if stddev is None else checked_number("stddev", stddev)

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        view = self._view(shape, site, window=True)
        count = self.count(view.rows)
        std = 1 / math.sqrt(count) if self.stddev is None else self.stddev
        values = keras.random.normal(view.stack, 0.0, std, dtype=dtype, seed=seed)
        if count < view.rows:
            # The rank of a random number among those of its column: exact even where two tie.
            places = keras.random.uniform(view.stack, dtype=dtype, seed=split_seed(seed, 0))
            ranks = ops.argsort(ops.argsort(places, axis=-2), axis=-2)
            values = ops.where(ops.less(ranks, count), values, ops.zeros_like(values))
        return gain_at(self.gain, site) * view.kernel(values)

    def count(self, num_inputs: int) -> int:
        """Number of inputs that a unit listens to.

        Args:
            num_inputs: How many there are.
        """
        if self.nonzero_count is not None:
            return min(self.nonzero_count, num_inputs)
        fraction = DEFAULT_FRACTION if self.nonzero_fraction is None else self.nonzero_fraction
        return max(1, math.floor(fraction * num_inputs + 1e-9))  # 0.29 * 100 is below 29
