"""Which layer owns each variable of a built model, in which role, with which initializer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

KINDS = ("kernel", "bias", "norm", "embedding", "state", "seed", "other")

_NORM_ROLES = ("gamma", "beta", "scale", "moving_mean", "moving_variance")
_KERNEL_ROLE = re.compile(r"(^|_)(kernel|weight|weights|w)$")
_RANDOM_STATE = "state of a random generator, not a weight"


@dataclass(frozen=True)
class Slot:
    """One variable of a model and what is known about how it starts.

    Args:
        variable: The Keras variable.
        layer: The layer that owns it (the cell, for a recurrent layer).
        role: Name of the variable in its layer, such as `"recurrent_kernel"`.
        kind: One of `KINDS`.
        initializer: The layer's own initializer, or None where there is none.
        note: Why the variable cannot be drawn again; empty where it can.
    """

    variable: Any
    layer: Any
    role: str
    kind: str
    initializer: Callable[..., Tensor] | None
    note: str = ""

    @property
    def path(self) -> str:
        """Path of the variable, such as `"lstm/lstm_cell/recurrent_kernel"`."""
        return str(self.variable.path)

    @property
    def layer_path(self) -> str:
        """Path of the owning layer's scope, such as `"lstm/lstm_cell"`."""
        return self.path.rpartition("/")[0]

    @property
    def shape(self) -> Shape:
        """Shape of the variable."""
        return tuple(int(size) for size in self.variable.shape)

    @property
    def frozen(self) -> bool:
        """Whether the owning layer is marked as not trainable."""
        return not self.layer.trainable


def slots(model: Any) -> tuple[Slot, ...]:
    """Every variable of `model` once, with its owner, in the order of the layers.

    Args:
        model: A built Keras model or layer.

    Raises:
        ValueError: If the model is not built.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> [(slot.role, slot.kind, slot.shape) for slot in slots(model)]
    [('kernel', 'kernel', (3, 2)), ('bias', 'bias', (2,))]
    """
    require_built(model)
    found: dict[int, Slot] = {}
    for layer in _backend.flat_layers(model):
        for slot in _slots_of(layer):
            known = found.get(id(slot.variable))
            if known is None or slot.initializer is not None:  # a wrapper, then the wrapped layer
                found[id(slot.variable)] = slot
    for variable in model.variables:  # whatever a layer tracks in a way of its own
        if id(variable) not in found:
            found[id(variable)] = Slot(
                variable, model, variable.name, "other", None, "no layer of the model owns it"
            )
    return tuple(found[key] for key in dict.fromkeys(map(id, model.variables)))


def require_built(model: Any) -> None:
    """Refuses what is not a Keras model, and a model without its variables.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        ValueError: If `model` is not built.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: {type(model)}.")
    layers = _backend.flat_layers(model)
    if not model.built or (not model.variables and not all(layer.built for layer in layers)):
        raise ValueError(
            f"The model {model.name!r} has no weights yet. Build it first: call it on a batch, "
            f"`model.build(input_shape)`, or start it with `keras.Input`. Received: {model}."
        )


def _slots_of(layer: Any) -> Iterator[Slot]:
    declared: list[Any] | None = None
    own = _backend.own_variables(layer)
    for position, variable in enumerate(own):
        role = str(variable.name)
        kind = _kind(layer, variable, role)
        if kind == "state":
            yield Slot(variable, layer, role, kind, None, "statistics of the data (`adapt`)")
            continue
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(variable.dtype)):
            yield Slot(variable, layer, role, kind, None, f"{variable.dtype}: not a drawn weight")
            continue
        initializer = _kept_initializer(layer, variable, role)
        note = ""
        if initializer is None:
            if declared is None:
                declared = _backend.declared_initializers(layer)
            initializer = declared[position] if declared else None
        if initializer is None:
            note = (
                f"{type(layer).__name__} kept no initializer for {role!r} and cannot be "
                "rebuilt from its config"
            )
        yield Slot(variable, layer, role, kind, initializer, note)
    for variable in _backend.seed_states(layer):
        yield Slot(variable, layer, str(variable.name), "seed", None, _RANDOM_STATE)


def _kind(layer: Any, variable: Any, role: str) -> str:
    if isinstance(layer, keras.layers.Normalization):
        return "state"
    if role == "bias" or role.endswith("_bias"):
        return "bias"
    if role.endswith("embeddings"):
        return "embedding"
    if _KERNEL_ROLE.search(role) and len(variable.shape) >= 2:
        return "kernel"
    if role in _NORM_ROLES or "Normalization" in type(layer).__name__:
        return "norm"
    return "other"


def _kept_initializer(layer: Any, variable: Any, role: str) -> Any | None:
    """The initializer that `layer` kept as an attribute for `variable`, adjusted as in `build`."""
    if role == "bias" and getattr(layer, "unit_forget_bias", False):
        size = layer.units if hasattr(layer, "units") else layer.filters
        return ForgetBias(layer.bias_initializer, int(size))
    names = [role, role.removesuffix("_kernel"), role.removesuffix("_weights")]
    if role == "kernel" and not hasattr(layer, "pointwise_initializer"):
        names.append("depthwise")  # DepthwiseConv calls its one kernel just "kernel"
    names += [name for name, value in vars(layer).items() if value is variable]
    for name in dict.fromkeys(name.strip("_") for name in names):
        for attribute in (f"{name}_initializer", f"_{name}_initializer"):
            initializer = getattr(layer, attribute, None)
            if callable(initializer):
                return with_einsum_axes(initializer, layer) if role == "kernel" else initializer
    return None


def with_einsum_axes(initializer: Any, layer: Any) -> Any:
    """`initializer`, told which kernel axes of an `EinsumDense` are summed, as its `build` does.

    Args:
        initializer: Any initializer; only `VarianceScaling` without axes is changed.
        layer: Any layer; only `EinsumDense` matters.
    """
    if not (
        isinstance(layer, keras.layers.EinsumDense)
        and isinstance(initializer, keras.initializers.VarianceScaling)
        and (initializer.input_axes is None or initializer.output_axes is None)
    ):
        return initializer
    kernel, output = layer.equation.replace(" ", "").split(",")[1].split("->")
    config = initializer.get_config()
    config["seed"] = initializer.seed
    config["input_axes"] = [axis for axis, letter in enumerate(kernel) if letter not in output]
    config["output_axes"] = [axis for axis, letter in enumerate(kernel) if letter in output]
    return type(initializer).from_config(config)


class ForgetBias(keras.initializers.Initializer):
    """The bias of an LSTM: `initializer` for all gates but the forget gate, which starts at one.

    Args:
        initializer: Bias initializer of the cell.
        units: Units per gate.

    Source: Jozefowicz et al., 2015, https://proceedings.mlr.press/v37/jozefowicz15.html
    """

    def __init__(self, initializer: Any, units: int) -> None:
        self.initializer = keras.initializers.get(initializer)
        self.units = units

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        """A bias of `shape` `(4 * units,)`: input, forget, cell, output gate."""
        return ops.concatenate(
            [
                self.initializer((self.units,), dtype=dtype),
                ops.ones((self.units,), dtype=dtype),
                self.initializer((self.units * 2,), dtype=dtype),
            ]
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        initializer = keras.initializers.serialize(self.initializer)
        return {"initializer": initializer, "units": self.units}
