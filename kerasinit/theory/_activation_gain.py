"""The factor by which an activation wants its weights scaled."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Unpack, get_args

from kerasinit._typing import ActivationParameters, Moment
from kerasinit.theory._activations import Activation, ActivationLike, resolve
from kerasinit.theory._quadrature import gaussian_rule
from kerasinit.theory._special import Array

MOMENTS: tuple[Moment, ...] = get_args(Moment)

ZERO = 1e-20  # a mean square below this is rounding


def gain(
    activation: ActivationLike,
    moment: Moment = "forward",
    **parameters: Unpack[ActivationParameters],
) -> float:
    """Factor on `1 / sqrt(fan)` that keeps a signal's size through an activation.

    The input of the activation is standard normal. Computed by quadrature, never copied.

    Args:
        activation: Whatever `resolve` takes: a name, a Keras function or layer, any callable.
        moment: What is kept. `"forward"`: the mean square of the pre-activations,
            `1 / sqrt(E f^2)`. `"backward"`: the mean square of the gradients,
            `1 / sqrt(E f'^2)`. `"centered"`: the variance where the mean is removed
            afterwards, as with standardised weights, `1 / sqrt(Var f)`.
        **parameters: Those of a named activation: `negative_slope`, `max_value`, `threshold`,
            `default_value`, `alpha`, `approximate`, `b`, each as in Keras.

    Returns:
        The gain, dimensionless.

    Raises:
        ValueError: If the activation or the moment is unknown, or the moment is zero.
        TypeError: If `activation` is no activation at all.

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


@lru_cache(maxsize=256)
def _kept_squares(activation: Activation) -> tuple[float, float, float]:
    """`E f^2`, `E f'^2` and `Var f` at a standard normal input, in the order of MOMENTS."""
    rule = gaussian_rule(1.0, activation.kinks)

    def mean(values: Array) -> float:
        return float((rule.weights * values).sum())

    outputs = activation.function(rule.inputs)
    slopes = activation.derivative(rule.inputs)
    return mean(outputs**2), mean(slopes**2), mean((outputs - mean(outputs)) ** 2)
