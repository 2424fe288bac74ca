"""The weights of a layer: who made them, what they are called, what they are for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import keras

from kerasinit import _backend
from kerasinit._typing import Layer
from kerasinit.layers._axes import Fans, kernel_axes
from kerasinit.layers._kinds import is_norm, kind_of

WeightKind: TypeAlias = Literal["kernel", "bias", "norm", "embedding", "state", "other"]

SUFFIX = "_initializer"
# Of several kernels the one whose columns are the units: the last that acts.
MAIN_KERNELS = ("pointwise_kernel", "kernel", "embeddings", "depthwise_kernel")
NORM_WEIGHTS = ("gamma", "beta", "scale", "moving_mean", "moving_variance")
RUNNING = ("moving_", "running_")  # how names of such statistics begin
KERNEL_NAME = re.compile(r"(^|_)(kernel|weight|weights|w)$")

# Of the base classes, which have no weights of their own.
BUILDS_NOTHING = (keras.layers.Layer.build, keras.Model.build, keras.Sequential.build)


def waits_for_weights(layer: Any) -> bool:
    """Whether a layer is not built, and may make weights when it is: at its first call.

    >>> waits_for_weights(keras.layers.Dense(3)), waits_for_weights(keras.layers.Concatenate())
    (True, False)
    """
    if isinstance(layer, keras.layers.Wrapper):
        return waits_for_weights(layer.layer)
    if layer.built or kind_of(layer).family in ("add", "join", "scale"):
        return False
    if kind_of(layer).family == "other" and _backend.is_of_keras(type(layer)):
        return bool(getattr(layer, "use_scale", False))  # of attentions
    return type(layer).build not in BUILDS_NOTHING


def zeroing_constraint(variable: Any) -> str | None:
    """Class of a variable's constraint, if that makes 0 of all that Keras would draw; else None.

    Args:
        variable: A Keras variable, such as a kernel whose values are rounded.
    """
    constraint = getattr(variable, "constraint", None)
    if constraint is None:
        return None
    drawn = keras.initializers.GlorotUniform(seed=0)(variable.shape)
    kept = _backend.numpy_of(constraint(drawn))
    return None if kept.any() else type(constraint).__name__


def find_owner(layer: Any, variable: Any) -> Any | None:
    """The layer at or below `layer` that created `variable`, or None."""
    for candidate in _backend.flat_layers(layer):
        if any(variable is own for own in _backend.own_variables(candidate)):
            return candidate
    return None


def held_initializers(layer: Any) -> list[tuple[str, Any]]:
    """Role and initializer of each initializer that `layer` keeps as an attribute."""
    return [
        (name.removesuffix(SUFFIX).lstrip("_"), value)
        for name, value in vars(layer).items()
        if name.endswith(SUFFIX)
    ]


def variable_of(layer: Any, role: str) -> Any | None:
    """The variable that `layer` keeps for `role`, or None before it is made.

    Args:
        layer: A Keras layer.
        role: Name of an initializer argument without its ending, such as `"recurrent"`.
    """
    for name in (f"_{role}", f"{role}_kernel", role):
        variable = vars(layer).get(name)
        if isinstance(variable, keras.Variable):
            return variable
    return None


def role_of(layer: Any, variable: Any) -> str:
    """Role of a variable: name of its initializer argument without its ending.

    Args:
        layer: The layer that made `variable`.
        variable: One of its own variables.

    >>> layer = keras.layers.SeparableConv1D(4, 3)
    >>> layer.build((None, 8, 3))
    >>> [role_of(layer, variable) for variable in layer.weights]
    ['depthwise', 'pointwise', 'bias']
    """
    for role, _ in held_initializers(layer):
        if variable_of(layer, role) is variable:
            return role
    return str(variable.name).removesuffix("_kernel")


def initializer_of(layer: Any, variable: Any) -> Any | None:
    """The initializer that `layer` keeps as an attribute for `variable`; None if it keeps none."""
    role = str(variable.name)
    names = [role, role.removesuffix("_kernel"), role.removesuffix("_weights")]
    if role == "kernel" and kind_of(layer).family == "depthwise":
        names.append("depthwise")
    names += [name for name, value in vars(layer).items() if value is variable]
    for name in dict.fromkeys(name.strip("_") for name in names):
        for attribute in (f"{name}{SUFFIX}", f"_{name}{SUFFIX}"):
            initializer = getattr(layer, attribute, None)
            if callable(initializer):
                return initializer
    return None


def weight_kind(layer: Any, variable: Any) -> WeightKind:
    """What a variable is for, by its name and its layer."""
    name = str(variable.name)
    if kind_of(layer).family == "statistics":
        return "state"
    if name == "bias" or name.endswith("_bias"):
        return "bias"
    if name.endswith("embeddings"):
        return "embedding"
    if KERNEL_NAME.search(name) and len(variable.shape) >= 2:
        return "kernel"
    return "norm" if name in NORM_WEIGHTS or is_norm(layer) else "other"


def is_running(layer: Any, variable: Any) -> bool:
    """Whether a variable is a statistic that a norm collects while it trains."""
    name = str(variable.name)
    if kind_of(layer).name == "SpectralNormalization":
        # It is the singular vector of the kernel inside, and stays with that when it is frozen.
        return name == "vector_u" and layer.layer.trainable
    return name.startswith(RUNNING)


def mixes(operation: Any) -> bool:
    """Whether a layer has a kernel or a table of its own or inside; norms and scales have none."""
    if not isinstance(operation, keras.layers.Layer) or is_norm(operation):
        return False
    return any(len(variable.shape) >= 2 for variable in operation.weights)


def is_table(layer: Any) -> bool:
    """Whether a layer has rows to look up (words, positions) and no kernel."""
    kinds = {weight_kind(layer, variable) for variable in _backend.own_variables(layer)}
    return "embedding" in kinds and "kernel" not in kinds


def main_kernel(layer: Any, weights: Sequence[Any]) -> int | None:
    """Which of `weights` has a column for each unit of `layer`; None if none has.

    Args:
        layer: A built layer; for a loop, the layer inside.
        weights: Variables, such as those that the layer made.
    """
    for name in MAIN_KERNELS:
        variable = variable_of(layer, name)  # `layer.kernel` may be computed, as that of a LoRA
        for index, weight in enumerate(weights):
            if variable is weight:
                return index
    return None


def fans(layer: Layer, variable: Any) -> Fans:
    """Fans of a variable of a built layer: those that the initializers use for it.

    Args:
        layer: A built Keras layer or model that holds `variable`, itself or in a sublayer.
        variable: One of its variables.

    Raises:
        ValueError: If `layer` is not built or does not hold `variable`.

    Source: He et al., 2015, section 2.2, https://arxiv.org/abs/1502.01852

    Example:
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
    return kernel_axes(owner, role_of(owner, variable), shape).fans(shape)
