"""Fans: how many weights feed one unit, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kerasinit._typing import Shape
from kerasinit.initializers._layout import Layout, layout_of_layer
from kerasinit.initializers._site import find_owner, role_of


@dataclass(frozen=True)
class Fans:
    """Number of summands of one unit; not a whole number where a stride does not divide it.

    Args:
        fan_in: Weights that feed one output unit, on average, dimensionless.
        fan_out: Weights that one input unit feeds, that is, the summands of its gradient,
            dimensionless.
    """

    fan_in: float
    fan_out: float


def fans_of_layout(shape: Shape, layout: Layout) -> Fans:
    """Counts the summands of a kernel.

    Args:
        shape: Shape of the kernel.
        layout: How its axes are used.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
        >>> fans_of_layout((3, 3, 8, 16), Layout((2,), (3,), groups=2, output_stride=4))
        Fans(fan_in=72, fan_out=18)
    """
    window = math.prod(shape[axis] for axis in layout.window(shape))
    inputs = math.prod(shape[axis] for axis in layout.inputs)
    outputs = math.prod(shape[axis] for axis in layout.outputs)
    parts = layout.gates * layout.groups * layout.output_stride
    return Fans(
        _whole(inputs * window / layout.input_stride),
        _whole(outputs * window / parts),
    )


def fans(layer: Any, variable: Any) -> Fans:
    """Fans of a variable of a built layer: those that the room's initializers use for it.

    Args:
        layer: A built Keras layer or model that holds `variable`, itself or in a sublayer.
        variable: One of its variables.

    Raises:
        ValueError: If `layer` is not built or does not hold `variable`.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
        >>> import keras
        >>> layer = keras.layers.DepthwiseConv2D(3)
        >>> layer.build((None, 8, 8, 16))
        >>> fans(layer, layer.kernel)
        Fans(fan_in=9, fan_out=9)
    """
    owner = find_owner(layer, variable) if layer.built else None
    if owner is None:
        name = getattr(variable, "path", type(variable).__name__)
        raise ValueError(
            "`variable` must be a variable of the built `layer` or of a layer inside it. "
            f"Received: layer={layer.name!r} (built={layer.built}), variable={name!r}."
        )
    shape = tuple(variable.shape)
    return fans_of_layout(shape, layout_of_layer(owner, role_of(owner, variable), shape))


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number
