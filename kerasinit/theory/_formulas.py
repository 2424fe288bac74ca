"""Exact functions and derivatives of the activations that Keras names, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasinit.theory._special import (
    SQRT2,
    Array,
    ArrayFunction,
    erf,
    normal_cdf,
    normal_pdf,
    sigmoid,
    softplus,
)

# Fixed point (mean 0, variance 1) of Klambauer et al., 2017, https://arxiv.org/abs/1706.02515
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
# The tanh form of GELU: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415
GELU_CUBIC = 0.044715
GELU_SLOPE = np.sqrt(2.0 / np.pi)
# Slope at the start of PReLU: He et al., 2015, https://arxiv.org/abs/1502.01852
PRELU_SLOPE = 0.25


class Formula(NamedTuple):
    """What an activation does to one number; `kinks` are where it is not smooth."""

    function: ArrayFunction
    derivative: ArrayFunction
    kinks: tuple[float, ...] = ()


def linear() -> Formula:
    """`x`."""
    return Formula(lambda x: x, np.ones_like)


# --- with kinks -------------------------------------------------------------------------------


def relu(
    negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Formula:
    """`max(x, 0)`, with the slope, ceiling and threshold of `keras.activations.relu`."""
    top = np.inf if max_value is None else float(max_value)

    def function(x: Array) -> Array:
        above = np.minimum(np.where(x > threshold, x, 0.0), top)
        return np.where(x > threshold, above, negative_slope * (x - threshold))

    def derivative(x: Array) -> Array:
        return np.where(x > threshold, np.where(x < top, 1.0, 0.0), negative_slope)

    kinks = (float(threshold),) if top <= threshold else (float(threshold), top)
    return Formula(function, derivative, tuple(k for k in kinks if np.isfinite(k)))


def relu6() -> Formula:
    """`min(max(x, 0), 6)`."""
    return relu(max_value=6.0)


def leaky_relu(negative_slope: float = 0.2) -> Formula:
    """`x` above 0, `negative_slope * x` below."""
    return relu(negative_slope=negative_slope)


def prelu(negative_slope: float = PRELU_SLOPE) -> Formula:
    """Leaky ReLU with the slope that PReLU starts from in its paper."""
    return relu(negative_slope=negative_slope)


def relu_squared() -> Formula:
    """`max(x, 0)^2`."""
    return Formula(lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), (0.0,))


def elu(alpha: float = 1.0) -> Formula:
    """`x` above 0, `alpha * (exp(x) - 1)` below."""
    return Formula(
        lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
        (0.0,),
    )


def celu(alpha: float = 1.0) -> Formula:
    """`x` above 0, `alpha * (exp(x / alpha) - 1)` below."""
    return Formula(
        lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
        lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0) / alpha)),
        (0.0,),
    )


def selu() -> Formula:
    """ELU scaled so that mean 0 and variance 1 are a fixed point."""
    function, derivative, kinks = elu(SELU_ALPHA)
    return Formula(lambda x: SELU_SCALE * function(x), lambda x: SELU_SCALE * derivative(x), kinks)


def softsign() -> Formula:
    """`x / (1 + |x|)`."""
    return Formula(lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2, (0.0,))


def hard_sigmoid() -> Formula:
    """`x / 6 + 1 / 2`, clipped to [0, 1]."""
    return Formula(
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda x: np.where(np.abs(x) < 3, 1 / 6, 0.0),
        (-3.0, 3.0),
    )


def hard_silu() -> Formula:
    """`x * hard_sigmoid(x)`."""
    return Formula(
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        lambda x: np.where(np.abs(x) < 3, x / 3 + 0.5, np.where(x > 0, 1.0, 0.0)),
        (-3.0, 3.0),
    )


def hard_tanh() -> Formula:
    """`x`, clipped to [-1, 1]."""
    return Formula(
        lambda x: np.clip(x, -1, 1), lambda x: np.where(np.abs(x) < 1, 1.0, 0.0), (-1.0, 1.0)
    )


def hard_shrink(threshold: float = 0.5) -> Formula:
    """`x` where `|x| > threshold`, else 0."""
    return Formula(
        lambda x: np.where(np.abs(x) > threshold, x, 0.0),
        lambda x: np.where(np.abs(x) > threshold, 1.0, 0.0),
        (-float(threshold), float(threshold)),
    )


def soft_shrink(threshold: float = 0.5) -> Formula:
    """`x` moved towards 0 by `threshold`, 0 in between."""
    return Formula(
        lambda x: np.sign(x) * np.maximum(np.abs(x) - threshold, 0),
        lambda x: np.where(np.abs(x) > threshold, 1.0, 0.0),
        (-float(threshold), float(threshold)),
    )


def threshold(threshold: float, default_value: float) -> Formula:
    """`x` above `threshold`, else `default_value`."""
    return Formula(
        lambda x: np.where(x > threshold, x, float(default_value)),
        lambda x: np.where(x > threshold, 1.0, 0.0),
        (float(threshold),),
    )


def sparse_plus() -> Formula:
    """0 below -1, `(x + 1)^2 / 4` between, `x` above 1."""
    return Formula(
        lambda x: np.where(x < 1, np.maximum(x + 1, 0) ** 2 / 4, x),
        lambda x: np.clip((x + 1) / 2, 0, 1),
        (-1.0, 1.0),
    )


def sparse_sigmoid() -> Formula:
    """`(x + 1) / 2`, clipped to [0, 1]."""
    return Formula(
        lambda x: np.clip((x + 1) / 2, 0, 1),
        lambda x: np.where(np.abs(x) < 1, 0.5, 0.0),
        (-1.0, 1.0),
    )


# --- smooth -----------------------------------------------------------------------------------


def gelu(approximate: bool = False) -> Formula:
    """`x * P(Z < x)` for a standard normal Z, or its tanh form."""
    if approximate:
        return Formula(_gelu_tanh, _gelu_tanh_derivative)
    return Formula(lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_pdf(x))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(GELU_SLOPE * (x + GELU_CUBIC * x**3)))


def _gelu_tanh_derivative(x: Array) -> Array:
    level = np.tanh(GELU_SLOPE * (x + GELU_CUBIC * x**3))
    slope = GELU_SLOPE * (1 + 3 * GELU_CUBIC * x * x)
    return 0.5 * (1 + level) + 0.5 * x * (1 - level * level) * slope


def silu() -> Formula:
    """`x * sigmoid(x)`."""

    def derivative(x: Array) -> Array:
        level = sigmoid(x)
        return level * (1 + x * (1 - level))

    return Formula(lambda x: x * sigmoid(x), derivative)


def mish() -> Formula:
    """`x * tanh(softplus(x))`."""

    def derivative(x: Array) -> Array:
        level = np.tanh(softplus(x))
        return level + x * (1 - level * level) * sigmoid(x)

    return Formula(lambda x: x * np.tanh(softplus(x)), derivative)


def tanh() -> Formula:
    """Hyperbolic tangent."""
    return Formula(np.tanh, _tanh_derivative)


def _tanh_derivative(x: Array) -> Array:
    small = np.exp(-2 * np.abs(x))
    return 4 * small / (1 + small) ** 2


def tanh_shrink() -> Formula:
    """`x - tanh(x)`."""
    return Formula(lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2)


def logistic() -> Formula:
    """`1 / (1 + exp(-x))`."""
    return Formula(sigmoid, lambda x: _tanh_derivative(x / 2) / 4)


def log_sigmoid() -> Formula:
    """`log(sigmoid(x))`."""
    return Formula(lambda x: -softplus(-x), lambda x: sigmoid(-x))


def log_exp() -> Formula:
    """`log(1 + exp(x))`."""
    return Formula(softplus, sigmoid)


def squareplus(b: float = 4.0) -> Formula:
    """`(x + sqrt(x^2 + b)) / 2`."""
    return Formula(
        lambda x: (x + np.sqrt(x * x + b)) / 2, lambda x: (1 + x / np.sqrt(x * x + b)) / 2
    )


def exponential() -> Formula:
    """`exp(x)`."""
    return Formula(np.exp, np.exp)


def sine() -> Formula:
    """`sin(x)`."""
    return Formula(np.sin, np.cos)


def error_function() -> Formula:
    """`erf(x)`."""
    return Formula(erf, lambda x: 2 * SQRT2 * normal_pdf(SQRT2 * x))


FORMULAS: dict[str, Callable[..., Formula]] = {
    "linear": linear,
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "prelu": prelu,
    "relu_squared": relu_squared,
    "elu": elu,
    "celu": celu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
    "softplus": log_exp,
    "squareplus": squareplus,
    "sparse_plus": sparse_plus,
    "tanh": tanh,
    "softsign": softsign,
    "sigmoid": logistic,
    "erf": error_function,
    "sin": sine,
    "hard_tanh": hard_tanh,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "sparse_sigmoid": sparse_sigmoid,
    "log_sigmoid": log_sigmoid,
    "tanh_shrink": tanh_shrink,
    "hard_shrink": hard_shrink,
    "soft_shrink": soft_shrink,
    "threshold": threshold,
    "exponential": exponential,
}
