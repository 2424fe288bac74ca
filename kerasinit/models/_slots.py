"""Which layer owns each variable of a built model, in which role, with which initializer."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._safe_text import kind_in_words
from kerasinit._typing import Shape, Tensor
from kerasinit.layers import (
    initializer_of,
    kernel_axes,
    kind_of,
    waits_for_weights,
    weight_kind,
)

SHOWN = 4  # names in a message
_RANDOM_STATE = "state of a random generator, not a weight"


@dataclass(frozen=True)
class Slot:
    """One variable of a model and what is known about how it starts.

    Args:
        variable: The Keras variable.
        layer: The layer that owns it (the cell, for a recurrent layer).
        role: Name of the variable in its layer, such as `"recurrent_kernel"`.
        kind: What it is for: a `WeightKind`, or `"seed"` for the state of a random generator.
        initializer: The layer's own initializer, or None where there is none.
        note: Why the variable cannot be drawn again; empty where it can.
        owners: The layers around `layer`, the model first.
    """

    variable: Any
    layer: Any
    role: str
    kind: str
    initializer: Callable[..., Tensor] | None
    note: str = ""
    owners: tuple[Any, ...] = ()

    @property
    def path(self) -> str:
        """Path of the variable, such as `"lstm/lstm_cell/recurrent_kernel"`."""
        return str(self.variable.path)

    @property
    def address(self) -> str:
        """`path` as of a fresh build: where Keras loads a model, it leaves out outer layers.

        Layers of a graph of calls are built before it, and have no name of it.
        """
        outer = [owner.name for owner in self.owners if not isinstance(owner, keras.Function)]
        inner = [name for name in self.path.split("/") if name not in outer]
        return "/".join([*outer, *inner])

    @property
    def around(self) -> tuple[Any, ...]:
        """Its layer, and what is around that inside the model."""
        return (self.layer, *self.owners[1:])

    @property
    def layer_path(self) -> str:
        """Path of the owning layer's scope, such as `"lstm/lstm_cell"`."""
        return self.path.rpartition("/")[0]

    @property
    def shape(self) -> Shape:
        """Shape of the variable."""
        return tuple(int(size) for size in self.variable.shape)

    @property
    def is_float(self) -> bool:
        """Whether it holds real numbers; quantized codes and counters do not."""
        return bool(
            keras.backend.is_float_dtype(keras.backend.standardize_dtype(self.variable.dtype))
        )


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
    layers = _backend.flat_layers(model)
    owners: dict[int, tuple[Any, ...]] = {}
    for outer in layers:
        for inner in _backend.flat_layers(outer)[1:]:
            owners[id(inner)] = (*owners.get(id(inner), ()), outer)
    for layer in layers:
        for slot in _slots_of(layer):
            known = found.get(id(slot.variable))
            if known is None or slot.initializer is not None:  # a wrapper, then the wrapped layer
                found[id(slot.variable)] = replace(slot, owners=owners.get(id(layer), ()))
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
        raise TypeError(
            f"`model` must be a Keras model or layer. Received: {kind_in_words(model)}. "
            f"{_backend.way_to_a_model(model)}".rstrip()
        )
    unbuilt = _unbuilt(_backend.flat_layers(model)[1:])
    # A container of built models, with a `train_step` of its own, may never be built itself.
    if (model.built and model.variables) or (not unbuilt and (model.built or model.variables)):
        return
    if model.variables:
        raise ValueError(
            f"A part of the model {model.name!r} has no weights yet: {_some(unbuilt)}. Call it, "
            "or the model, on a batch first; or pass, one by one, the parts that are built."
        )
    raise ValueError(
        f"The model {model.name!r} has no weights yet. Build it first: call it on a batch, "
        f"`model.build(input_shape)`, or start it with `keras.Input`. Received: {model}."
    )


def warn_of_unbuilt(model: Any) -> None:
    """Warns of layers that have no weights yet, which their first call will make.

    Args:
        model: A model that `require_built` lets pass.
    """
    names = _unbuilt(_backend.flat_layers(model))
    if names:
        warnings.warn(
            f"Layers of {model.name!r} are not built and have no weights yet: {_some(names)}. "
            "They were left out. If the model uses them, call it on a batch first.",
            stacklevel=3,
        )


def _unbuilt(layers: list[Any]) -> list[str]:
    return [*dict.fromkeys(layer.name for layer in layers if waits_for_weights(layer))]


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if names[SHOWN:] else "")


def _slots_of(layer: Any) -> Iterator[Slot]:
    declared: list[Any] | None = None
    own = _backend.own_variables(layer)
    for position, variable in enumerate(own):
        role = str(variable.name)
        kind = weight_kind(layer, variable)
        if kind == "state":
            yield Slot(variable, layer, role, kind, None, "statistics of the data (`adapt`)")
            continue
        codes = Slot(variable, layer, role, kind, None, f"{variable.dtype}: not a drawn weight")
        if not codes.is_float:
            yield codes
            continue
        initializer = _kept_initializer(layer, variable, role)
        note = ""
        if initializer is None:
            if declared is None:
                declared = _backend.declared_initializers(layer)
            initializer = declared[position] if declared else None
        if initializer is None:
            note = (
                f"{type(layer).__name__} kept no initializer for it and cannot be rebuilt from "
                "its config"
            )
        yield Slot(variable, layer, role, kind, initializer, note)
    for variable in _backend.seed_states(layer):
        yield Slot(variable, layer, str(variable.name), "seed", None, _RANDOM_STATE)


def _kept_initializer(layer: Any, variable: Any, role: str) -> Any | None:
    """The initializer that `layer` kept for `variable`, adjusted as in its `build`."""
    if role == "bias" and getattr(layer, "unit_forget_bias", False):
        size = layer.units if hasattr(layer, "units") else layer.filters
        return ForgetBias(layer.bias_initializer, int(size))
    initializer = initializer_of(layer, variable)
    return with_einsum_axes(initializer, layer, variable) if role == "kernel" else initializer


def with_einsum_axes(initializer: Any, layer: Any, variable: Any) -> Any:
    """`initializer`, told which kernel axes of an `EinsumDense` are summed, as its `build` does.

    Args:
        initializer: Any initializer; only a `VarianceScaling` that takes axes, and has none, is
            changed.
        layer: Any layer; only `EinsumDense` matters.
        variable: Its kernel.
    """
    given = [getattr(initializer, name, ()) for name in ("input_axes", "output_axes")]
    scaled = isinstance(initializer, keras.initializers.VarianceScaling)
    if kind_of(layer).family != "einsum" or not scaled or None not in given:
        return initializer
    axes = kernel_axes(layer, "kernel", tuple(variable.shape))
    told = copy.copy(initializer)
    told.input_axes = list(axes.inputs)
    told.output_axes = sorted((*axes.outputs, *axes.batch))
    return told


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
