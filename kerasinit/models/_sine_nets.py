"""Layers around periodic activations: the law of Siren, with the frequency of the function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasinit import initializers
from kerasinit._numbers import LARGEST, SMALLEST
from kerasinit.layers import activation_name, angular_frequency, is_one_matrix
from kerasinit.models import _calls
from kerasinit.models._calls import source_of
from kerasinit.models._draw import Choice
from kerasinit.models._graph import Graph
from kerasinit.models._kept import own_choice
from kerasinit.models._places import place_of
from kerasinit.models._slots import Slot

# What Yeom et al., 2025, https://arxiv.org/abs/2410.04779, multiply all weights but the last
# layer's by, in their code for a picture of 512 x 512 pixels.
SCALED_GAIN = 2.5


@dataclass(frozen=True)
class _Sine:
    """A periodic activation, `sin(omega x)`, and what it is called."""

    name: str
    omega: float


def sine_choices(
    slots: tuple[Slot, ...], graph: Graph | None, *, gain: float = 1.0
) -> dict[int, Choice]:
    """Identity of a variable -> its choice, for layers before and after a sine.

    Args:
        slots: The variables of a model.
        graph: Its graph; None where it cannot be read.
        gain: Factor on the weights of layers that a sine follows.
    """
    kernels = [slot for slot in slots if slot.kind == "kernel"]
    if graph is None:
        return {}
    layers = {id(slot.layer): slot.layer for slot in kernels if is_one_matrix(slot.layer)}
    known: dict[int, tuple[Any, float | None]] = {}
    after = {key: _after(layer, graph, known) for key, layer in layers.items()}
    before = {key: _before(layer, graph, after) for key, layer in layers.items()}
    found = {}
    for slot in slots:
        key = id(slot.layer)
        sine = after.get(key) or before.get(key)
        if sine is None:
            continue
        if slot.kind != "kernel" or isinstance(slot.initializer, initializers.Siren):
            found[id(slot.variable)] = own_choice(slot)
        else:
            own = gain if after.get(key) else 1.0
            found[id(slot.variable)] = _kernel(slot, sine, own, is_first=before[key] is None)
    return found


def _kernel(slot: Slot, sine: _Sine, gain: float, *, is_first: bool) -> Choice:
    hidden = initializers.Siren(omega=sine.omega, gain=gain)
    fan_in = initializers.fans(slot.layer, slot.variable).fan_in
    # Of a slow sine the first layer needs no other law than the rest to fill a period.
    first = initializers.Siren(first=True, omega=sine.omega, gain=gain)
    is_first = is_first and first.limit(fan_in) > hidden.limit(fan_in)
    where = "reads the coordinates" if is_first else "keeps the argument of each sine normal"
    reason = f"{sine.name} is a sine of omega {sine.omega:.4g}: Siren, {where}"
    return Choice(slot, first if is_first else hidden, reason)


def _after(layer: Any, graph: Graph, known: dict[int, tuple[Any, float | None]]) -> _Sine | None:
    """The sine that the outputs of a layer go through.

    Args:
        layer: A layer.
        graph: The graph of its model.
        known: Identity of an activation -> it, and its frequency if it is a sine; grows.
    """
    place = place_of(layer, graph)
    activation = place.activation
    if id(activation) not in known:
        known[id(activation)] = activation, angular_frequency(activation)
    return _sine(activation, known[id(activation)][1], place.number)


def _before(layer: Any, graph: Graph, after: dict[int, _Sine | None]) -> _Sine | None:
    """The sine that the inputs of a layer come through."""
    for call in graph.calls_of(layer):
        for value in call.inputs:
            source = source_of(value, graph)
            if source is None:
                continue
            known = after.get(id(source.operation))
            if known is not None:
                return known
            applied = _calls.activation_of(source)
            if applied is not None:
                number = _calls.scaled_by(source.inputs[0], graph)
                found = _sine(applied, angular_frequency(applied), number)
                if found is not None:
                    return found
    return None


def _sine(activation: Any, frequency: float | None, number: float) -> _Sine | None:
    """A sine of `number` times the signal; None of what is no sine, or one that no weights suit."""
    omega = abs(number) * (frequency or 0.0)
    is_usual = SMALLEST <= omega <= LARGEST
    return _Sine(activation_name(activation), omega) if is_usual else None
