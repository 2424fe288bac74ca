"""A built model as the rules see it: its variables, its graph, what its author fixed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.layers import is_closed, is_gating, is_unknown, kind_of, own_activation
from kerasinit.models import _calls
from kerasinit.models._draw import Choice
from kerasinit.models._graph import Graph, GraphCall, UnreadableError, read_graph
from kerasinit.models._kept import kept_choices, start_size
from kerasinit.models._odd_part_rule import SHALLOW, odd_part_choices
from kerasinit.models._places import Place, place_of
from kerasinit.models._sine_nets import sine_choices
from kerasinit.models._slots import Slot, slots
from kerasinit.models._stacks import StackRole, roles
from kerasinit.models._streams import Streams
from kerasinit.models._sums import summed_kernels
from kerasinit.models._ways import hidden_layers

# Hidden layers below which a network needs no gain for its activations. Up to there a signal
# shrinks by little, and the smaller function generalizes better (U-Net, coordinates, graphs, in
# tests/benchmarks/never_worse.py; Chizat et al., 2019, https://arxiv.org/abs/1812.07956).
NEEDS_GAIN = 6


@dataclass(frozen=True)
class Scene:
    """A model as the rules see it.

    Args:
        model: The built model.
        slots: Its variables.
        is_part: Whether it is a part of a model that is not read as a whole.
    """

    model: Any
    slots: tuple[Slot, ...]
    is_part: bool = False

    @cached_property
    def graph(self) -> Graph | None:
        """Its graph; None where it cannot be read."""
        return self._reading[0]

    @property
    def why_unread(self) -> str:
        """Why there is no graph; empty where there is one."""
        return self._reading[1]

    @cached_property
    def _reading(self) -> tuple[Graph | None, str]:
        """The graph, or why there is none."""
        try:
            return read_graph(self.model), ""
        except UnreadableError as error:
            return None, str(error)

    @cached_property
    def kept(self) -> dict[int, Choice]:
        """Identity of a variable -> the choice to let it start as its author fixed it."""
        return kept_choices(self.slots, lambda: self.graph, self.owner)

    @cached_property
    def owners(self) -> dict[int, Any]:
        """Identity of a layer -> the layer that is called in the graph for it."""
        if self.graph is None:
            return {}
        called = {
            id(call.operation): call.operation
            for call in self.graph.calls
            if isinstance(call.operation, keras.layers.Layer)
        }
        found = dict(called)
        for owner in called.values():
            for layer in _backend.flat_layers(owner):
                found.setdefault(id(layer), owner)
        return found

    def owner(self, layer: Any) -> Any:
        """The layer of the graph that holds `layer`; itself where it is called directly."""
        return self.owners.get(id(layer), layer)

    def place(self, layer: Any) -> Place:
        """Place of a layer in the graph; through its owner where that is read as one call.

        Of a layer inside a block that could not be opened nothing is known but its activation.
        """
        owner = self.owner(layer)
        if owner is layer:
            return place_of(layer, self.graph)
        own = own_activation(layer)
        if not is_closed(owner):
            return Place(activation=own)
        place = place_of(owner, self.graph)
        return place if own is None else replace(place, activation=own)

    def is_understood(self, slot: Slot) -> bool:
        """Whether it is known what a kernel does: not of a layer that somebody wrote, unread."""
        if not is_unknown(slot.layer) or slot.initializer is None:
            return True
        return self.graph is not None and id(slot.layer) in self.graph.matrices

    def unread(self, layer: Any) -> str:
        """Why the place of a layer is not known."""
        if self.graph is None:
            return f"no graph could be read: {self.why_unread}"
        owner = self.owner(layer)
        if owner is layer:
            return "no call of it leads from an input of the model to an output"
        return f"inside {owner.name!r}: {self.graph.unread.get(id(owner), 'read as one call')}"

    def reaches(self, layer: Any) -> bool:
        """Whether an input of the model reaches a layer, or one inside it."""
        return any(id(one) in self.owners for one in _backend.flat_layers(layer))

    @property
    def unread_blocks(self) -> list[Any]:
        """The layers of the graph that could not be opened."""
        unread = {} if self.graph is None else self.graph.unread
        return [layer for layer in _backend.flat_layers(self.model) if id(layer) in unread]

    @cached_property
    def streams(self) -> Streams | None:
        """Its residual streams; None where its graph cannot be read."""
        return None if self.graph is None else Streams(self.graph)

    @property
    def adds(self) -> tuple[GraphCall, ...]:
        """Residual adds of the model."""
        return () if self.streams is None else self.streams.adds

    def branches_beside(self, layer: Any) -> int:
        """Branches of the stream on which `layer` ends one, its own included; 0 if it ends none."""
        place = self.place(layer)
        return 0 if self.streams is None else self.streams.branches_beside(place, place.adds)

    def branches_gated(self, layer: Any) -> int:
        """Branches of the stream on which `layer` multiplies one, that included; 0 if none."""
        place = self.place(layer)
        return 0 if self.streams is None else self.streams.branches_beside(place, place.gated)

    def kernels_summed(self, layer: Any) -> int:
        """Kernels whose results are added to each other and to no stream, that of `layer` too."""
        return self._summed.get(id(layer), 1)

    @cached_property
    def _summed(self) -> dict[int, int]:
        return {} if self.graph is None else summed_kernels(self.graph, self.adds)

    def is_in_short_branch(self, layer: Any, *, behind_norm: bool = False) -> bool:
        """Whether `layer` lies in a short residual branch (behind a norm)."""
        if self.streams is None:
            return False
        return self.streams.is_in_short_branch(self.place(layer), behind_norm=behind_norm)

    def start_of_factors(self, layer: Any) -> float:
        """Size, at most 1, of the weights that multiply what `layer` makes before it is added.

        At their start: of a LayerScale, a ReZero. 1 where there are none.
        """
        sizes = (self._start_size(factor) for factor in self.place(layer).factors)
        return math.prod(min(1.0, size) for size in sizes)

    def _start_size(self, factor: Any) -> float:
        """Root mean square of a weight at its start; 1 of a tensor that is no weight."""
        for slot in self.slots:
            if factor is slot.variable or factor is slot.variable.value:
                return start_size(slot)
        return 1.0

    def is_gate(self, layer: Any) -> bool:
        """Whether the sigmoid (or softmax) of `layer` scales another signal, as in a GLU."""
        place = self.place(layer)
        if not is_gating(place.activation):
            return False
        made = {value for call in place.calls for value in call.outputs}
        return any(self._scales(value, made) for value in made)

    def _scales(self, value: int, made: set[int]) -> bool:
        graph = self.graph
        if graph is None:
            return False
        for call in graph.readers.get(value, ()):
            if kind_of(call.operation).name == "Multiply" and len(set(call.inputs)) == 2:
                # `x * sigmoid(x)` is an activation, made by hand.
                if not made & (set(call.inputs) - {value}):
                    return True
            elif _calls.activation_of(call) or _calls.is_transparent(call, graph):
                if self._scales(call.outputs[0], made):
                    return True
        return False

    @cached_property
    def fixed_layers(self) -> frozenset[int]:
        """Identities of the layers whose kernel keeps values of its author's, other than zero."""
        return frozenset(
            id(slot.layer)
            for slot in self.slots
            if slot.kind == "kernel"
            and (kept := self.kept.get(id(slot.variable))) is not None
            and not kept.is_zero
        )

    @cached_property
    def roles(self) -> dict[int, StackRole]:
        """Identity of a layer -> its role in a plain stack."""
        return {} if self.graph is None else roles(self.graph, self.fixed_layers)

    @cached_property
    def _hidden_layers(self) -> dict[int, int]:
        return {} if self.graph is None else hidden_layers(self.graph)

    def hidden_layers(self, layer: Any) -> int | None:
        """Hidden layers of the network around a layer, by its shortest way; None if not known."""
        return self._hidden_layers.get(id(self.owner(layer)))

    @cached_property
    def stack_choices(self) -> dict[int, Choice]:
        """Identity of a variable -> its choice by the odd-part rule, or by that of sine nets."""
        shallow = {"mirror": SHALLOW, "bias": SHALLOW if self.adds else 1}
        odd = odd_part_choices(self.roles, self.slots, shallow=shallow)
        return odd | sine_choices(self.slots, self.graph)


def scene_of(model: Any) -> Scene:
    """The scene of a built model.

    Raises:
        ValueError: If the model is not built.
    """
    return Scene(model, slots(model))
