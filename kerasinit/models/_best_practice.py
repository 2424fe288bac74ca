"""The best practice: the right initializer for each layer's place in the graph, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras

from kerasinit import _backend, initializers
from kerasinit.layers import (
    activation_name,
    acts_in_gates,
    attention_part,
    is_cell,
    is_norm,
    kind_of,
    own_activation,
    role_of,
)
from kerasinit.models import _calls
from kerasinit.models._draw import Choice
from kerasinit.models._graph import Graph, GraphCall, read_graph
from kerasinit.models._odd_part_rule import odd_part_choices
from kerasinit.models._places import Place, place_of, residual_adds, skip_of
from kerasinit.models._rules import left_alone, own_choice
from kerasinit.models._slots import ForgetBias, Slot
from kerasinit.models._stacks import StackRole, roles

# Hidden layers below which mirrored blocks, which halve the width at the start, gain nothing:
# on 3 hidden layers of width 64 a unit-gain orthogonal start is as good (digits, SGD, see
# tests/benchmarks/depth_signal.py).
SHALLOW = 4


@dataclass(frozen=True)
class Scene:
    """A model as the rules see it.

    Args:
        model: The built model.
        slots: Its variables.
        graph: Its graph; None where it cannot be read.
    """

    model: Any
    slots: tuple[Slot, ...]
    graph: Graph | None

    @cached_property
    def owners(self) -> dict[int, Any]:
        """Identity of a layer -> the layer that is called in the graph for it."""
        if self.graph is None:
            return {}
        found: dict[int, Any] = {}
        for call in self.graph.calls:
            if isinstance(call.operation, keras.layers.Layer):
                for layer in _backend.flat_layers(call.operation):
                    found.setdefault(id(layer), call.operation)
        return found

    def owner(self, layer: Any) -> Any:
        """The layer of the graph that holds `layer`; itself where it is called directly."""
        return self.owners.get(id(layer), layer)

    def place(self, layer: Any) -> Place:
        """Place of the layer whose own activation counts, in the graph through its owner."""
        owner = self.owner(layer)
        place = place_of(owner, self.graph)
        own = own_activation(layer)
        if own is None or owner is layer:
            return place
        return Place(place.calls, own, place.norm, place.adds, place.output, place.into)

    @cached_property
    def adds(self) -> tuple[GraphCall, ...]:
        """Residual adds of the model."""
        return () if self.graph is None else residual_adds(self.graph)

    def ends_branch(self, layer: Any) -> bool:
        """Whether `layer` ends a residual branch on a stream that no norm bounds."""
        if self.graph is None or not self.adds or self.stream_is_normalized:
            return False
        place = self.place(layer)
        values = {value for call in place.calls for value in call.outputs}
        for add in place.adds:
            skip = skip_of(add, self.graph)
            if skip is not None and not values & self.graph.ancestors(skip):
                return True
        return False

    @cached_property
    def stream_is_normalized(self) -> bool:
        """Whether what the skips carry comes out of a norm (post-norm Transformers)."""
        if self.graph is None:
            return False
        skips = [skip_of(add, self.graph) for add in self.adds]
        makers = [self.graph.maker.get(skip) for skip in skips if skip is not None]
        return any(maker is not None and is_norm(maker.operation) for maker in makers)

    @cached_property
    def roles(self) -> dict[int, StackRole]:
        """Identity of a layer -> its role in a plain stack."""
        return {} if self.graph is None else roles(self.graph)

    @cached_property
    def stack_choices(self) -> dict[int, Choice]:
        """Identity of a variable -> its choice by the odd-part rule."""
        shallow = {"mirror": SHALLOW, "bias": SHALLOW if self.adds else 1}
        return odd_part_choices(self.roles, self.slots, shallow=shallow)


def scene_of(model: Any, slots: tuple[Slot, ...]) -> Scene:
    """The scene of a built model: its variables and its graph."""
    return Scene(model, slots, read_graph(model))


def best_choices(scene: Scene) -> list[Choice]:
    """One choice per variable of a model.

    Args:
        scene: The built model.
    """
    return [left_alone(slot) or choice_of(slot, scene) for slot in scene.slots]


def orthogonal_choices(scene: Scene) -> list[Choice]:
    """An orthogonal start for data-driven scaling; all that is no kernel as in `best_choices`."""
    reason = "orthogonal start, then scaled on the data (LSUV)"
    choices = []
    for slot in scene.slots:
        choice = left_alone(slot) or _alone(slot, scene)
        if choice.changes and slot.kind == "kernel" and not is_cell(slot.layer):
            choice = Choice(slot, initializers.Orthogonal(), reason)
        choices.append(choice)
    return choices


def choice_of(slot: Slot, scene: Scene) -> Choice:
    """The best practice for one variable.

    Args:
        slot: The variable.
        scene: Its model.
    """
    special = scene.stack_choices.get(id(slot.variable))
    if special is not None:
        if slot.kind == "kernel" and scene.ends_branch(slot.layer):
            return replace(special, scale=special.scale * len(scene.adds) ** -0.5)
        return special
    return _alone(slot, scene)


def _alone(slot: Slot, scene: Scene) -> Choice:
    if slot.kind == "bias" and kind_of(slot.layer).name == "LSTMCell":
        bias = ForgetBias(slot.layer.bias_initializer, int(slot.layer.units))
        return Choice(slot, bias, "the forget gate of an LSTM starts open, at one")
    if slot.kind == "embedding":
        return Choice(
            slot, slot.initializer, "one row is read at a time: embeddings keep their scale"
        )
    if slot.kind == "norm" and slot.initializer is not None:
        return Choice(slot, slot.initializer, "a norm starts as the identity")
    if slot.kind != "kernel":
        return own_choice(slot)
    return kernel_choice(slot, scene)


def kernel_choice(slot: Slot, scene: Scene) -> Choice:
    """The initializer of a kernel that is in no deep plain stack.

    Args:
        slot: A kernel.
        scene: Its model.
    """
    owner = scene.owner(slot.layer)
    role = role_of(slot.layer, slot.variable)
    if role == "recurrent":
        reason = "recurrent: orthogonal gate by gate keeps the state's length over time"
        return Choice(slot, initializers.Orthogonal(), reason)
    if acts_in_gates(owner) or acts_in_gates(slot.layer):
        return Choice(slot, initializers.XavierUniform(), "into recurrent gates, fans per gate")
    place = scene.place(slot.layer)
    if role == "depthwise" and kind_of(slot.layer).family == "separable":
        reason = "depthwise half of a separable layer: no activation follows, gain 1"
        return Choice(slot, initializers.LecunNormal(), reason)
    if kind_of(owner).family == "attention":
        return _attention_choice(slot, scene)
    name = activation_name(place.activation)
    gain = _calls.gain_of(place.activation)
    if place.output:
        reason = "the model's output: unit variance at any width"
        return Choice(slot, initializers.LecunNormal(), reason)
    if scene.ends_branch(slot.layer):
        return _branch_end(slot, initializers.HeNormal(gain=gain), scene)
    if place.norm is not None:
        kind = type(place.norm).__name__
        reason = f"a {kind} follows and sets the scale: He for {name}, fans of the layer"
        return Choice(slot, initializers.HeNormal(gain=gain), reason)
    stack = scene.roles.get(id(slot.layer))
    if stack is not None and not scene.adds:
        reason = (
            f"plain stack, only {stack.depth} hidden, too shallow to need mirrored blocks: "
            f"orthogonal for {name}"
        )
        return Choice(slot, initializers.Orthogonal(gain=gain), reason)
    if scene.graph is None or not place.calls:
        reason = f"alone (no graph could be read): He for its activation, {name}"
        return Choice(slot, initializers.HeNormal(gain=gain), reason)
    return Choice(slot, initializers.HeNormal(gain=gain), f"{name} follows: He for {name}")


def _attention_choice(slot: Slot, scene: Scene) -> Choice:
    if attention_part(slot.layer) != "output":
        return Choice(slot, initializers.XavierUniform(), "attention projection, fans per head")
    if scene.ends_branch(slot.layer):
        return _branch_end(slot, initializers.XavierUniform(), scene)
    return Choice(slot, initializers.XavierUniform(), "attention output, a norm follows")


def _branch_end(slot: Slot, initializer: Any, scene: Scene) -> Choice:
    count = max(1, len(scene.adds))
    reason = f"ends one of {count} residual branches: times 1/sqrt({count}) bounds the stream"
    return Choice(slot, initializer, reason, scale=count**-0.5)
