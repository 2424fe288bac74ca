"""Critical kernels and biases: the edge of chaos, for stacks without skips or norms."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import keras

from kerasinit import theory
from kerasinit._numbers import checked_number
from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import plain_activation
from kerasinit.initializers._given_axes import axes_at
from kerasinit.initializers._kernel_matrices import centre_taps, matrices, semi_orthogonal
from kerasinit.initializers._site import Site

Distribution: TypeAlias = Literal["delta_orthogonal", "normal", "orthogonal"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)


@register()
class Critical(LayerInitializer):
    """Weights of the scale at which gradients neither vanish nor explode, for one activation.

    The standard deviation times sqrt(fan_in) is `kerasinit.theory.critical(activation,
    bias_std).weight_std`; the bias belongs to `CriticalBias` with the same arguments. For deep
    plain nets `OddPart` trains better; this is the textbook rule.

    Args:
        activation: The activation between the layers: name, function or layer.
        bias_std: Standard deviation of the biases, dimensionless. Which values have a critical
            point depends on the activation.
        distribution: `"orthogonal"` (Haar; every input direction has the same gain), `"normal"`
            (independent weights), or `"delta_orthogonal"` (for deep convolutional nets).
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If no critical point exists, or an argument is unknown or out of range.
        TypeError: If an argument is of the wrong type.

    Source: Schoenholz et al., 2017, https://arxiv.org/abs/1611.01232; orthogonal weights:
    Pennington et al., 2017, https://arxiv.org/abs/1711.04735

    Example:
        >>> import keras
        >>> kernel = Critical(activation="tanh", bias_std=0.2, seed=1)((64, 64))
        >>> norm = keras.ops.sqrt(keras.ops.sum(kernel[0] ** 2))
        >>> round(float(norm), 4)
        1.3041
    """

    def __init__(
        self,
        *,
        activation: theory.ActivationLike,
        bias_std: float = 0.0,
        distribution: Distribution = "orthogonal",
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        if not isinstance(distribution, str) or distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"`distribution` must be one of {DISTRIBUTIONS}. "
                f"Received: distribution={distribution!r}."
            )
        self.activation = plain_activation(activation)
        self.bias_std = checked_number("bias_std", bias_std, least=0.0)
        self.point = theory.critical(self.activation, bias_std=self.bias_std)
        self.distribution = distribution

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        axes = axes_at(self, shape, site)
        view = matrices(shape, axes, window=self.distribution != "delta_orthogonal")
        std = self.point.weight_std
        if self.distribution == "delta_orthogonal":
            stack = semi_orthogonal(view.stack, seed=seed, dtype=dtype)
            return std * view.kernel(stack, taps=centre_taps(view))
        std /= max(1.0, axes.fans(shape).fan_in) ** 0.5
        if self.distribution == "normal":
            return keras.random.normal(shape, 0.0, std, dtype=dtype, seed=seed)
        stack = semi_orthogonal(view.stack, seed=seed, dtype=dtype)
        return std * view.rows**0.5 * view.kernel(stack)


@register()
class CriticalBias(LayerInitializer):
    """Normal biases for `Critical` kernels, checked to have a critical point.

    Args:
        activation: The activation between the layers: name, function or layer.
        bias_std: Standard deviation of the biases, dimensionless; as in `Critical`.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`.

    Raises:
        ValueError: If no critical point exists, or an argument is unknown or out of range.
        TypeError: If an argument is of the wrong type.

    Source: Schoenholz et al., 2017, https://arxiv.org/abs/1611.01232

    Example:
        >>> import keras
        >>> bias = CriticalBias(activation="tanh", bias_std=0.2, seed=1)((10_000,))
        >>> round(float(keras.ops.std(bias)), 2)
        0.2
    """

    def __init__(
        self,
        *,
        activation: theory.ActivationLike,
        bias_std: float = 0.0,
        seed: SeedLike = None,
    ) -> None:
        super().__init__(seed=seed)
        self.activation = plain_activation(activation)
        self.bias_std = checked_number("bias_std", bias_std, least=0.0)
        self.point = theory.critical(self.activation, bias_std=self.bias_std)

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        return keras.random.normal(shape, 0.0, self.point.bias_std, dtype=dtype, seed=seed)
