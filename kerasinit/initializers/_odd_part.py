"""Odd-part kernels: an activation carries the signal of a deep net by its odd part alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend, theory
from kerasinit._numbers import checked_flag, checked_number, checked_whole
from kerasinit._typing import Axes, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer, register
from kerasinit.initializers._gains import plain_activation
from kerasinit.initializers._kernel_matrices import KernelMatrices, centre_taps, semi_orthogonal
from kerasinit.initializers._mirrors import Mirrors, whole
from kerasinit.initializers._site import Site
from kerasinit.layers import kind_of
from kerasinit.theory._odd_part_point import DEPTH, ZETA


@register()
class OddPart(LayerInitializer):
    """Kernels with which plain nets of any activation train at any depth.

    An activation is the sum of an even part, `(f(x) + f(-x)) / 2`, which cannot tell x from -x, and
    an odd part, `(f(x) - f(-x)) / 2`; of ReLU these are `|x| / 2` and `x / 2`. The even part makes
    all inputs of a deep net look alike, and its gradients grow or vanish. With these kernels only
    the odd part acts at the start: where the even part is a constant (tanh, sigmoid) `OddPartBias`
    cancels it; else units come in mirrored pairs, unit c with unit c + units / 2, and blocks
    `[[M, -M], [-M, M]]` of a random orthogonal M cancel it. For ReLU, GELU, SiLU and softplus the
    whole net is then an orthogonal linear map at the start. Of a convolution only the centre tap is
    not zero, as in `DeltaOrthogonal`.

    The rule needs all layers of the stack: `kerasinit.initialize(model)` gives each its role. By
    hand: `paired_inputs=False` in the first layer, `paired_outputs=False` in the last.

    Args:
        activation: The activation between the layers: name, function or layer.
        depth: Number of hidden layers.
        paired_inputs: Whether the inputs come from `activation`, in a layer of this rule. False
            for the first layer, which reads data.
        paired_outputs: Whether the outputs go into `activation`. False for the last layer.
        zeta: Allowed growth of the squared gradient from the last to the first hidden layer,
            dimensionless.
        input_mean_square: Mean square of the data that the first layer reads, dimensionless: 1 if
            standardised.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If an argument is out of range, the activation is unknown or has no odd part.
            When called: if the kernel has groups, mixes no channels, or is too small for pairs.
        TypeError: If an argument is of the wrong type.

    Source: the project's own rule. Mirrored ReLU blocks: Burkholz and Dubatovka, 2019,
    https://arxiv.org/abs/1806.06362; the depth-aware length: Martens et al., 2021, section 3,
    https://arxiv.org/abs/2110.01765

    Example:
        >>> import keras
        >>> first = OddPart(activation="relu", paired_inputs=False, seed=1)((8, 16))
        >>> hidden = OddPart(activation="relu", seed=2)((16, 16))
        >>> x = keras.random.normal((4, 8), seed=3)
        >>> y = keras.ops.relu(keras.ops.relu(x @ first) @ hidden)
        >>> norm = lambda z: keras.ops.sqrt(keras.ops.sum(z**2, axis=-1))
        >>> ratio = norm(y) / norm(x)  # every input keeps its length
        >>> [round(float(r), 4) for r in ratio]
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        *,
        activation: theory.ActivationLike,
        depth: int = DEPTH,
        paired_inputs: bool = True,
        paired_outputs: bool = True,
        zeta: float = ZETA,
        input_mean_square: float = 1.0,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        self.activation = plain_activation(activation)
        self.depth = checked_whole("depth", depth)
        self.zeta = checked_number("zeta", zeta, least=1.0)
        self.paired_inputs = checked_flag("paired_inputs", paired_inputs)
        self.paired_outputs = checked_flag("paired_outputs", paired_outputs)
        self.input_mean_square = checked_number(
            "input_mean_square", input_mean_square, hint="Standardised data has 1."
        )
        self.point = theory.odd_part(self.activation, depth=self.depth, zeta=self.zeta)

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        view = self._view(shape, site, window=False)
        taps = centre_taps(view)
        is_separable = site is not None and kind_of(site.layer).family == "separable"
        if site is not None and is_separable and site.role == "depthwise":
            # No activation follows before the pointwise kernel, which has the rule.
            return view.kernel(ops.ones(view.stack, dtype=dtype), taps=taps)
        self._refuse(view, site)
        mirrors = Mirrors(
            rows=self.paired_inputs and self.point.kind == "mirror",
            columns=self.paired_outputs and self.point.kind == "mirror",
        )
        seed_and_scale = (_backend.seed_tensor(seed), self.scale)
        return _backend.compiled(_kernel)(seed_and_scale, view, mirrors, _nested(taps), dtype)

    @property
    def scale(self) -> float:
        """Factor on the orthogonal block, dimensionless."""
        if self.paired_inputs:
            return self.point.gain
        return math.sqrt(self.point.length / self.input_mean_square)

    def _refuse(self, view: KernelMatrices, site: Site | None) -> None:
        """Raises where the rule cannot hold."""
        if self.point.kind == "bias":
            return
        where = "" if site is None else f" (layer {site.layer.name!r})"
        if view.parts > 1:
            raise ValueError(
                "`OddPart` pairs channels over the whole layer, which groups and gates keep apart. "
                f"Received: shape={view.shape} with {view.parts} groups or gates{where}. "
                "`DeltaOrthogonal` or `Orthogonal` would work."
            )
        if not view.axes.inputs:
            raise ValueError(
                "`OddPart` needs a kernel that mixes channels, which a depthwise kernel does not. "
                f"Received: shape={view.shape}{where}. `Identity` would work."
            )
        *_, rows, columns = view.stack
        if (self.paired_inputs and rows < 2) or (self.paired_outputs and columns < 2):
            raise ValueError(
                "`OddPart` pairs two units: `shape` must have at least two inputs if "
                "`paired_inputs`, and two outputs if `paired_outputs`. "
                f"Received: shape={view.shape}, paired_inputs={self.paired_inputs}, "
                f"paired_outputs={self.paired_outputs}{where}."
            )


def _kernel(
    seed_and_scale: tuple[Any, Any],
    view: KernelMatrices,
    mirrors: Mirrors,
    taps: Any,
    dtype: str,
) -> Tensor:
    """Scaled orthogonal blocks, mirrored where the rule wants pairs."""
    seed, scale = seed_and_scale
    values = scale * semi_orthogonal(mirrors.drawn(view.stack), seed=seed, dtype=dtype)
    return view.kernel(whole(values, mirrors, view.stack), taps=np.array(taps))


def _nested(taps: Any) -> Any:
    """An array as nested tuples, which can be hashed."""
    return tuple(map(_nested, taps)) if np.ndim(taps) else float(taps)
