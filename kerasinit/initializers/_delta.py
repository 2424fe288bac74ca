"""Delta-orthogonal kernels: a convolution that starts as an orthogonal map at every position."""

from __future__ import annotations

from kerasinit._numbers import checked_flag
from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import GainLike, checked_gain, gain_at
from kerasinit.initializers._kernel_matrices import centre_taps, semi_orthogonal
from kerasinit.initializers._site import Site


@register("delta_orthogonal")
class DeltaOrthogonal(LayerInitializer):
    """Zero but for the centre tap, which holds a random (Haar) orthogonal matrix of the channels.

    The only orthogonal start of a convolution that also survives zero padding: plain convolutional
    nets of thousands of layers train from it. Works for kernels of any number of window axes; on
    a kernel without a window it is `Orthogonal`. Groups and experts get a matrix each, a depthwise
    kernel +1 or -1. A strided transposed convolution gets one tap for each output position.

    Args:
        gain: Factor on the weights, dimensionless: a number > 0, an activation (name, function or
            layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own activation.
        scaled: Whether a kernel with more outputs than inputs is multiplied by
            sqrt(outputs / inputs), so that the mean square of the signal stays. False keeps the
            norm of the signal, as in the paper.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If a number is out of range, the activation unknown, or only one of
            `input_axes` and `output_axes` is given. When called: if the shape is no kernel's.
        TypeError: If an argument is of the wrong type.

    Source: Xiao et al., 2018, algorithm 2, https://arxiv.org/abs/1806.05393

    Example:
        >>> import keras
        >>> kernel = DeltaOrthogonal(seed=1)((3, 3, 8, 8))
        >>> energy = keras.ops.sum(kernel**2, axis=(2, 3))
        >>> [[round(float(x), 4) for x in row] for row in energy]
        [[0.0, 0.0, 0.0], [0.0, 8.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        *,
        gain: GainLike = 1.0,
        scaled: bool = True,
        seed: SeedLike = None,
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
        view = self._view(shape, site, window=False)
        stack = semi_orthogonal(view.stack, seed=seed, dtype=dtype, scaled=self.scaled)
        return gain_at(self.gain, site) * view.kernel(stack, taps=centre_taps(view))
