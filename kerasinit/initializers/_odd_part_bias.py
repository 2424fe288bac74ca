"""The bias that belongs to an odd-part kernel."""

from __future__ import annotations

from typing import Any

from keras import ops

from kerasinit import theory
from kerasinit._numbers import checked_flag, checked_whole
from kerasinit._typing import SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import plain_activation
from kerasinit.initializers._site import Site
from kerasinit.layers import kernel_axes, kind_of, variable_of
from kerasinit.theory._odd_part_point import DEPTH


@register()
class OddPartBias(LayerInitializer):
    """The bias that belongs to an `OddPart` kernel: it cancels a constant even part.

    The even part of f is `(f(x) + f(-x)) / 2`, the same for x and -x: 1/2 of a sigmoid. Where
    `activation(x) - activation(0)` is odd (tanh, sigmoid) the bias is `-activation(0) * (column
    sums of the kernel)`, read from the kernel that the layer has just made, whichever initializer
    drew it; zero everywhere else, and in the first layer.

    Args:
        activation: The activation between the layers: name, function or layer.
        depth: Number of hidden layers; as in `OddPart`, like all further arguments, so that both
            can be made from the same ones.
        paired_inputs: Whether the inputs come from `activation`. False for the first layer.
        paired_outputs: Whether the outputs go into `activation`; a bias does not depend on it.
        seed: Accepted like everywhere; nothing is drawn.

    Raises:
        ValueError: If an argument is out of range, the activation is unknown or has no odd part.
            When called: if column sums are needed and there is no kernel to read.
        TypeError: If an argument is of the wrong type.

    Source: the project's own rule; see `OddPart`.

    Example:
        >>> import keras, kerasinit
        >>> layer = keras.layers.Dense(
        ...     8,
        ...     activation="sigmoid",
        ...     kernel_initializer=kerasinit.initializers.OddPart(activation="sigmoid"),
        ...     bias_initializer=OddPartBias(activation="sigmoid"),
        ... )
        >>> half = keras.ops.full((1, 8), 0.5)  # what the sigmoid of 0 gives
        >>> bool(keras.ops.all(keras.ops.abs(layer(half) - 0.5) < 1e-6))
        True
    """

    def __init__(
        self,
        *,
        activation: theory.ActivationLike,
        depth: int = DEPTH,
        paired_inputs: bool = True,
        paired_outputs: bool = True,
        seed: SeedLike = None,
    ) -> None:
        super().__init__(seed=seed)
        self.activation = plain_activation(activation)
        self.depth = checked_whole("depth", depth)
        self.paired_inputs = checked_flag("paired_inputs", paired_inputs)
        self.paired_outputs = checked_flag("paired_outputs", paired_outputs)
        self.point = theory.odd_part(self.activation, depth=self.depth)

    @property
    def offset(self) -> float:
        """What the inputs of the layer are on average, dimensionless; 0 where no bias is due."""
        used = self.paired_inputs and self.point.kind == "bias"
        return self.point.offset if used else 0.0

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        if self.offset == 0 or (site is not None and site.pretend):
            return ops.zeros(shape, dtype=dtype)
        sums = None if site is None else response_to_ones(site.layer, dtype)
        if sums is None or tuple(sums.shape) != shape:
            raise ValueError(
                "`OddPartBias` reads the kernel of its layer, so it works as the "
                "`bias_initializer` of Dense, EinsumDense and convolution layers. Received: "
                f"shape={shape} for {'no layer' if site is None else repr(site.layer)}."
            )
        return -self.offset * sums


def response_to_ones(layer: Any, dtype: str) -> Tensor | None:
    """What each unit of a layer gets, away from the borders, if every input is 1.

    Args:
        layer: A layer whose kernel is made.
        dtype: Dtype of the result.

    Returns:
        Shape of the layer's outputs, or None if it has no kernel.
    """
    is_separable = kind_of(layer).family == "separable"
    roles = ("depthwise", "pointwise") if is_separable else ("kernel",)
    kernels: list[Any] = [variable_of(layer, role) for role in roles]
    if any(kernel is None for kernel in kernels):
        return None
    sums: list[Tensor] = []
    for role, kernel in zip(roles, kernels, strict=True):
        shape = tuple(kernel.shape)
        axes = kernel_axes(layer, role, shape)
        kept = {*axes.outputs, *axes.batch}
        summed = [axis for axis in range(len(shape)) if axis not in kept]
        values = ops.cast(ops.convert_to_tensor(kernel), dtype)
        if role == "pointwise":
            values = values * ops.reshape(sums[-1], (-1, 1))
        sums.append(ops.sum(values, axis=summed) / axes.input_stride)
    return sums[-1]
