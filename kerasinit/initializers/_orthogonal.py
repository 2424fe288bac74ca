"""Orthogonal kernels: every direction of the input keeps its length."""

from __future__ import annotations

import math

from kerasinit._numbers import checked_flag
from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import GainLike, checked_gain, gain_at
from kerasinit.initializers._given_axes import axes_at
from kerasinit.initializers._kernel_matrices import matrices, semi_orthogonal
from kerasinit.initializers._site import Site


@register()
class Orthogonal(LayerInitializer):
    """Random orthogonal kernels, uniform over all of them (Haar), for the layer they fill.

    A recurrent kernel is orthogonal gate by gate, a grouped convolution group by group, experts one
    by one; attention projections and convolutions are orthogonal between all inputs of a unit
    (window included) and all outputs. `gain=1.0` keeps the signal of linear and tanh-like layers
    through any depth; `"auto"` takes the gain of the layer's activation.

    Args:
        gain: Factor on the weights, dimensionless: a number > 0, an activation (name, function or
            layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own activation.
        scaled: Whether a kernel that is wider than high is multiplied by sqrt(outputs / inputs),
            so that the mean square of the signal stays. False gives the plain semi-orthogonal
            matrix of Keras, torch and Lasagne, whose wide layers make the signal smaller.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If a number is out of range, the activation unknown, or only one of
            `input_axes` and `output_axes` is given. When called: if the shape is no kernel's.
        TypeError: If an argument is of the wrong type.

    Source: Saxe et al., 2014, https://arxiv.org/abs/1312.6120; the factor of wide kernels: Martens
    et al., 2021, section 5.3, https://arxiv.org/abs/2110.01765

    Example:
        >>> import keras
        >>> w = Orthogonal(gain=2.0, seed=1)((64, 8))
        >>> gram = keras.ops.matmul(keras.ops.transpose(w), w)  # 4 I
        >>> round(float(gram[0, 0]), 4), abs(round(float(gram[0, 1]), 4))
        (4.0, 0.0)
    """

    def __init__(
        self,
        gain: GainLike = 1.0,
        seed: SeedLike = None,
        *,
        scaled: bool = True,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        self.gain = checked_gain(gain)
        self.scaled = checked_flag("scaled", scaled)

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        axes = axes_at(self, shape, site)
        view = matrices(shape, axes, window=True)
        scale = gain_at(self.gain, site)
        if self.scaled:  # not all rows meet an input: embeddings, strided transposed convolutions
            scale *= math.sqrt(view.rows / axes.fans(shape).fan_in)
        single = view.stack[:2] == (1, 1)  # small draws cost what their number of operations costs
        shape = view.stack[2:] if single else view.stack
        stack = semi_orthogonal(shape, seed=seed, dtype=dtype, scaled=self.scaled)
        values = view.kernel(stack)
        return values if scale == 1 else scale * values
