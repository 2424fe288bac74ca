"""What an activation is, resolved to exact functions of numbers."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, Unpack

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._numbers import is_finite
from kerasinit._typing import ActivationParameters, Tensor
from kerasinit.theory._formulas import FORMULAS
from kerasinit.theory._numeric import numeric_formula
from kerasinit.theory._special import ArrayFunction

ALIASES = {
    "identity": "linear",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "exp": "exponential",
    "sine": "sin",
    "relu2": "relu_squared",
}
# They mix the units of one input, so a gain per unit does not exist.
NOT_ELEMENTWISE = ("glu", "log_softmax", "softmax", "sparsemax")


@dataclass(frozen=True)
class Activation:
    """One activation as functions of numbers.

    Attributes:
        name: Name of the activation, without its parameters.
        function: float64 array -> float64 array of the same shape.
        derivative: Derivative of `function`, likewise; at a kink the value of one side.
        kinks: Sorted inputs at which integrals must be split: where the function or one of its
            derivatives jumps, or where it bends sharply.

    Example:
        >>> from kerasinit.theory import resolve
        >>> relu = resolve("relu")
        >>> relu.kinks, float(relu.derivative(2.0))
        ((0.0,), 1.0)
    """

    name: str
    function: ArrayFunction
    derivative: ArrayFunction
    kinks: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Activation(name={self.name!r}, kinks={self.kinks!r})"


ActivationLike: TypeAlias = str | Callable[..., Tensor] | Mapping[str, Any] | Activation | None
"""None (linear), a name, a Keras function or layer, any callable on tensors, or a config."""


def resolve(activation: ActivationLike, **parameters: Unpack[ActivationParameters]) -> Activation:
    """Exact function, derivative and kinks of an activation.

    Args:
        activation: None (linear), a name that Keras knows or one of "erf", "sin", "exp",
            "relu_squared", "prelu", a Keras function, a Keras activation layer, a
            `functools.partial` of one, any elementwise callable on tensors (differentiated
            numerically), or an `Activation`, which is returned as it is.
        **parameters: Those of a named activation: `negative_slope`, `max_value`, `threshold`,
            `default_value`, `alpha`, `approximate`, `b`, each as in Keras.

    Raises:
        ValueError: If the activation is unknown (with near matches), not elementwise, or does not
            take these parameters.
        TypeError: If `activation` is no activation at all.

    >>> resolve("swish").name, resolve("relu6").kinks
    ('silu', (0.0, 6.0))
    >>> resolve(lambda x: keras.ops.maximum(x, 1.5)).kinks
    (1.5,)
    """
    given: dict[str, Any] = dict(parameters)
    if isinstance(activation, Activation):
        if given:
            raise _no_parameters(activation, given)
        return activation
    if activation is None:
        activation = "linear"
    if isinstance(activation, Mapping):
        activation = keras.saving.deserialize_keras_object(dict(activation))
    if isinstance(activation, functools.partial) and not activation.args:
        given = {**activation.keywords, **given}
        activation = activation.func
    if isinstance(activation, str):
        return _by_name(activation, given)
    if isinstance(activation, keras.layers.Layer):
        return _by_layer(activation, given)
    if callable(activation):
        return _by_function(activation, given)
    raise TypeError(
        "An activation is a name, a Keras function or layer, or a callable on tensors. "
        f"Received: activation={activation!r} of type {type(activation).__name__}."
    )


def _by_name(name: str, parameters: dict[str, Any]) -> Activation:
    known = ALIASES.get(name, name)
    if known in NOT_ELEMENTWISE:
        raise ValueError(
            f"{name!r} mixes the units of one input, so it has no gain or length of its own. "
            f"Received: activation={name!r}. Use 'linear' for the layer below it."
        )
    if known in FORMULAS:
        return _known(known, tuple(sorted(parameters.items())))
    custom = keras.saving.get_registered_object(name)
    if callable(custom):
        return _by_function(custom, parameters)
    names = sorted([*FORMULAS, *ALIASES])
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known names: {names}."
    raise ValueError(f"Unknown activation. Received: activation={name!r}. {hint}")


@functools.lru_cache(maxsize=256)
def _known(name: str, parameters: tuple[tuple[str, Any], ...]) -> Activation:
    signature = inspect.signature(FORMULAS[name])
    try:
        bound = signature.bind(**dict(parameters))
    except TypeError as error:
        takes = f"the parameters {list(signature.parameters)}"
        raise ValueError(
            f"{name!r} takes {takes if signature.parameters else 'no parameters'}: {error}. "
            f"Received: {dict(parameters)}."
        ) from None
    for key, value in parameters:
        _check_number(name, key, value)
    return Activation(name, *FORMULAS[name](**bound.arguments))


def _check_number(name: str, key: str, value: Any) -> None:
    is_flag = key == "approximate" and isinstance(value, bool)
    allowed = is_flag or is_finite(value) or (key == "max_value" and value is None)
    if not allowed or (key in ("alpha", "b") and value <= 0 and name != "elu"):
        raise ValueError(
            f"Parameter `{key}` of {name!r} must be a finite number"
            f"{' > 0' if key in ('alpha', 'b') else ''}. Received: {key}={value!r}."
        )


def _by_function(function: Callable[..., Any], parameters: dict[str, Any]) -> Activation:
    name = getattr(function, "__name__", type(function).__name__)
    for home in (keras.activations, keras.ops):
        if getattr(home, name, None) is function:
            known = ALIASES.get(name, name)
            if known in FORMULAS or known in NOT_ELEMENTWISE:
                if function is keras.ops.gelu:  # the op's default is not the activation's
                    parameters = {"approximate": True, **parameters}
                return _by_name(name, parameters)
    if parameters:
        function = functools.partial(function, **parameters)
    return Activation(name, *numeric_formula(function, name))


def _by_layer(layer: Any, parameters: dict[str, Any]) -> Activation:
    if parameters:
        raise _no_parameters(layer, parameters)
    layers = keras.layers
    if isinstance(layer, layers.Activation):
        return resolve(layer.activation)
    if isinstance(layer, layers.ReLU):
        return resolve(
            "relu",
            negative_slope=float(layer.negative_slope or 0.0),
            max_value=None if layer.max_value is None else float(layer.max_value),
            threshold=float(layer.threshold or 0.0),
        )
    if isinstance(layer, layers.LeakyReLU):
        return resolve("leaky_relu", negative_slope=float(layer.negative_slope))
    if isinstance(layer, layers.ELU):
        return resolve("elu", alpha=float(layer.alpha))
    if isinstance(layer, layers.PReLU):
        return resolve("prelu", negative_slope=_prelu_slope(layer))
    if isinstance(layer, layers.Identity):
        return resolve("linear")
    if isinstance(layer, layers.Softmax):
        return _by_name("softmax", {})
    if layer.built and not layer.weights:
        return Activation(layer.name, *numeric_formula(layer, layer.name))
    raise ValueError(
        "This layer is no activation layer. "
        f"Received: {layer.name!r} of type {type(layer).__name__}. "
        "Pass its activation, such as `layer.activation`."
    )


def _prelu_slope(layer: Any) -> float:
    """Slope of one unit with the same mean square as the layer's slopes."""
    alpha = layer.alpha if layer.built else layer.alpha_initializer((1,))
    slopes = np.asarray(_backend.numpy_of(alpha), dtype=np.float64)
    return math.copysign(math.sqrt(float(np.mean(slopes**2))), float(np.mean(slopes)))


def _no_parameters(activation: Any, parameters: dict[str, Any]) -> ValueError:
    return ValueError(
        "Parameters go with a name or a function; this activation carries its own. "
        f"Received: activation={activation!r} with {parameters}."
    )
