"""The factor by which an activation wants its weights scaled."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from kerasinit.theory._activations import Activation, resolve
from kerasinit.theory._quadrature import gaussian_rule
from kerasinit.theory._special import Array

MOMENTS = ("forward", "backward", "centered")

ZERO = 1e-20  # a mean square below this is rounding

# Names and values of torch.nn.init.calculate_gain, for code that is ported from there.
_LINEAR_NAMES = (
    "linear",
    *(f"conv{n}d" for n in (1, 2, 3)),
    *(f"conv_transpose{n}d" for n in (1, 2, 3)),
)
_PORTED = dict.fromkeys((*_LINEAR_NAMES, "sigmoid"), 1.0) | {
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}
_PORTED_SLOPE = 0.01


def gain(activation: Any, moment: str = "forward", **parameters: Any) -> float:
    """Factor on `1 / sqrt(fan)` that keeps a signal's size through an activation.

    The input of the activation is standard normal. Computed by quadrature, never copied.

    Args:
        activation: Whatever `resolve` takes: a name, a Keras function or layer, any callable.
        moment: What is kept. `"forward"`: the mean square of the pre-activations,
            `1 / sqrt(E f^2)`. `"backward"`: the mean square of the gradients,
            `1 / sqrt(E f'^2)`. `"centered"`: the variance where the mean is removed
            afterwards, as with standardised weights, `1 / sqrt(Var f)`.
        **parameters: Parameters of the activation, such as `negative_slope=0.1`.

    Returns:
        The gain, dimensionless.

    Raises:
        ValueError: If the activation or the moment is unknown, or the moment is zero.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852 (forward and backward);
    Brock et al., 2021, section 3, https://arxiv.org/abs/2102.06171 (centered).

    >>> round(gain("relu") ** 2, 12)
    2.0
    >>> round(gain("gelu"), 6), round(gain("gelu", moment="backward"), 6)
    (1.53353, 1.481114)
    >>> round(gain("leaky_relu", negative_slope=0.01), 6)
    1.414143
    """
    if moment not in MOMENTS:
        raise ValueError(f"`moment` must be one of {MOMENTS}. Received: moment={moment!r}.")
    resolved = resolve(activation, **parameters)
    square = _kept_squares(resolved)[MOMENTS.index(moment)]
    if not ZERO < square < math.inf:
        raise ValueError(
            f"{resolved.name!r} has no {moment!r} gain: the moment it would keep is {square!r} "
            f"for a standard normal input. Received: activation={activation!r}, "
            f"moment={moment!r}."
        )
    return 1 / math.sqrt(square)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The value of `torch.nn.init.calculate_gain`, for code that is ported from torch.

    Its table is a convention: tanh has 5/3 although 1.5925 keeps the forward mean square. Prefer
    `gain`, which knows every activation.

    Args:
        nonlinearity: A name of torch's table, such as `"relu"`, `"conv2d"` or `"leaky_relu"`.
        param: Negative slope of `"leaky_relu"`; 0.01 if None. Ignored for the others.

    Returns:
        The gain, dimensionless.

    Raises:
        ValueError: If torch has no value for the name, or `param` is not a number.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = _PORTED_SLOPE if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(
                f"`param` must be a number: the negative slope. Received: param={param!r}."
            )
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _PORTED:
        raise ValueError(
            f"torch has no gain for this nonlinearity. Received: {nonlinearity!r}. "
            f"It has {sorted([*_PORTED, 'leaky_relu'])}; "
            "`kerasinit.gain` computes it for every activation."
        )
    return _PORTED[nonlinearity]


@lru_cache(maxsize=256)
def _kept_squares(activation: Activation) -> tuple[float, float, float]:
    """`E f^2`, `E f'^2` and `Var f` at a standard normal input, in the order of MOMENTS."""
    rule = gaussian_rule(1.0, 0.0, activation.kinks)

    def mean(values: Array) -> float:
        return float((rule.weights * values).sum())

    outputs = activation.function(rule.inputs)
    slopes = activation.derivative(rule.inputs)
    return mean(outputs**2), mean(slopes**2), mean((outputs - mean(outputs)) ** 2)
