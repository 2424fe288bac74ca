"""Identity kernels: a layer that starts by passing its input on."""

from __future__ import annotations

from keras import ops

from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import GainLike, checked_gain, gain_at
from kerasinit.initializers._kernel_matrices import centre_taps
from kerasinit.initializers._site import Site


@register()
class Identity(LayerInitializer):
    """The kernel through which a layer passes its input on, times `gain`.

    For convolutions of any number of window axes (the "Dirac" kernel), group by group, gate by
    gate; of unequal sizes the first min(inputs, outputs) units are passed on. Unlike in Keras the
    gain survives a save.

    Args:
        gain: Factor on the weights, dimensionless: a number > 0, an activation (name, function or
            layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own activation.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If a number is out of range, the activation unknown, or only one of
            `input_axes` and `output_axes` is given. When called: if the shape is no kernel's.
        TypeError: If an argument is of the wrong type.

    Source: Le et al., 2015 (recurrent kernels), https://arxiv.org/abs/1504.00941; Zagoruyko and
    Komodakis, 2017 (the Dirac kernel), https://arxiv.org/abs/1706.00388

    Example:
        >>> import keras
        >>> x = keras.random.normal((1, 8, 8, 4), seed=1)
        >>> conv = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=Identity())
        >>> bool(keras.ops.all(keras.ops.abs(conv(x) - x) < 1e-6))
        True
    """

    def __init__(
        self,
        gain: GainLike = 1.0,
        *,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        self.gain = checked_gain(gain)

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        view = self._view(shape, site, window=False)
        eye = ops.eye(*view.stack[2:], dtype=dtype)
        stack = ops.broadcast_to(gain_at(self.gain, site) * eye, view.stack)
        return view.kernel(stack, taps=centre_taps(view))
