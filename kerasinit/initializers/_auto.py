"""Auto: the best start that a layer can give itself, from its own activation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
from keras import ops

from kerasinit import theory
from kerasinit._typing import SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import activation_at, activation_gain
from kerasinit.initializers._given_axes import axes_at
from kerasinit.initializers._kernel_matrices import matrices, semi_orthogonal
from kerasinit.initializers._site import Site

NO_MEAN = 1e-6  # share of the mean square below which an activation counts as centered


@dataclass(frozen=True)
class LayerStart:
    """How a layer starts.

    Args:
        gain: Factor on the orthogonal kernel, dimensionless.
        mean: Factor on the common mean of the inputs, from 0 (removed) to 1 (kept), dimensionless.
    """

    gain: float
    mean: float = 1.0


@register()
class Auto(LayerInitializer):
    """The critical choice for the layer's own activation: the default to reach for.

    The kernel is orthogonal (gate by gate, group by group, expert by expert), at the gain at which
    the layer keeps both its signal and its gradient, as far as a kernel alone can:

    - linear layers, softmax outputs, gates and recurrent kernels: gain 1;
    - odd activations (tanh, softsign): the gain that `theory.odd_part` finds for 50 layers (tanh:
      1.088);
    - activations whose mean is too large for the gradient (sigmoid, softplus): the gain that keeps
      the gradient, with the common mean of the inputs damped until the signal keeps its length too
      (sigmoid: gain 4.72, 8 % of the mean). Deep sigmoid nets stay at chance without it;
    - all others (ReLU and its kin, GELU, SiLU, ELU, SELU): the gain that keeps the signal. For
      ReLU that is critical; very deep GELU and SiLU stacks need `kerasinit.initialize(model)`,
      which sees more than one layer.

    Embeddings get normal values of unit variance.

    Args:
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: When called: if the shape is no kernel's, or the layer's activation is not
            elementwise.

    Source: Saxe et al., 2014 (orthogonal), https://arxiv.org/abs/1312.6120; Schoenholz et al., 2017
    (criticality), https://arxiv.org/abs/1611.01232; the damped mean is the project's own.

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(64, activation="relu", kernel_initializer="kerasinit>Auto")
        >>> layer.build((None, 64))
        >>> kernel = keras.ops.convert_to_numpy(layer.kernel)
        >>> round(float((kernel[0] ** 2).sum()), 3)  # orthogonal rows
        2.0
    """

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        axes = axes_at(self, shape, site)
        view = matrices(shape, axes, window=True)
        start = start_of(activation_at(site))
        if not axes.inputs and not axes.window(shape):
            return keras.random.normal(shape, 0.0, start.gain, dtype=dtype, seed=seed)
        stack = semi_orthogonal(view.stack, seed=seed, dtype=dtype)
        rows = view.rows
        if start.mean < 1 and rows > 1:
            stack = stack + (start.mean - 1) * ops.mean(stack, axis=-2, keepdims=True)
            # The mean is one of `rows` directions: what is left makes up for it.
            stack = stack * math.sqrt(rows / (rows - 1 + start.mean**2))
        scale = start.gain * math.sqrt(rows / axes.fans(shape).fan_in)
        return scale * view.kernel(stack)


def start_of(activation: Any) -> LayerStart:
    """Gain and damping of the mean for a layer with `activation`.

    Args:
        activation: Whatever `theory.resolve` takes.

    Example:
        >>> start_of("relu")
        LayerStart(gain=1.414213562373..., mean=1.0)
    """
    if isinstance(activation, keras.layers.Layer):  # its parameters may change
        return _start_of(theory.resolve(activation))
    return _start(activation)


@lru_cache(maxsize=256)
def _start(activation: Any) -> LayerStart:
    return _start_of(theory.resolve(activation))


def _start_of(activation: theory.Activation) -> LayerStart:
    forward = activation_gain(activation)
    try:
        point = theory.odd_part(activation)
    except ValueError:  # an even function has no odd part; the gains below still exist
        point = None
    if point is not None and point.kind == "bias" and point.offset == 0:
        return LayerStart(point.gain)
    backward = theory.gain(activation, "backward")
    variance = 1 / theory.gain(activation, "centered") ** 2
    squared_mean = 1 / forward**2 - variance
    if squared_mean < NO_MEAN / forward**2:
        return LayerStart(forward)
    # Critical: gain**2 E f'^2 = 1 (gradient) and gain**2 (Var f + mean**2 (E f)^2) = 1 (signal).
    kept = (1 / backward**2 - variance) / squared_mean
    return LayerStart(backward, math.sqrt(kept)) if 0 <= kept < 1 else LayerStart(forward)
