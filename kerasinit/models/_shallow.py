"""Networks with few hidden layers: their kernels need less than the gain of their activations.

Up to there a signal shrinks by little. Of stacks of `Dense` layers the author's own scaled
initializer says how large a start is meant to be (tests/benchmarks/shallow.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras

from kerasinit import initializers
from kerasinit.layers import activation_name, is_norm, kind_of
from kerasinit.models import _calls
from kerasinit.models._builtin import ROUNDING, keras_fans, keras_variance, scaled_gain
from kerasinit.models._draw import Choice
from kerasinit.models._places import reads_norm
from kerasinit.models._scene import NEEDS_GAIN, Scene
from kerasinit.models._slots import Slot

HE = (keras.initializers.HeNormal, keras.initializers.HeUniform)
PER_INPUT = (initializers.HeNormal, initializers.LecunNormal)  # their size goes by inputs alone


def shallow_choice(slot: Slot, scene: Scene) -> Choice | None:
    """The choice for a hidden kernel; None where the network is deep, or no gain is at stake."""
    if not _is_shallow(slot, scene):
        return None
    activation = scene.place(slot.layer).activation
    name, gain = activation_name(activation), _calls.gain_of(activation)
    own_gain = own_stack_gain(slot, scene)
    is_own = _is_dense_stack(slot, scene) and own_gain == scaled_gain(slot)
    if is_own and _calls.is_rectifier(activation):
        # Larger weights are quicker under plain gradient descent, smaller ones under Adam.
        reason = f"{_stack(slot, scene)}: its own initializer is as good for {name}"
        return Choice(slot, slot.initializer, reason)
    if gain <= 1.0:
        return None
    if type(slot.initializer) in HE and own_gain == 1.0:
        return Choice(slot, initializers.HeNormal(gain=gain), f"He for {name}, as its author chose")
    reason = f"too shallow to need a gain for {name}"
    if id(slot.layer) not in scene.roles:
        hidden = scene.hidden_layers(slot.layer)
        reason = f"only {hidden} hidden on the shortest way, {reason}"
        return Choice(slot, initializers.XavierNormal(), reason)
    if not _calls.is_rectifier(activation):  # smooth ones are lines near 0
        # A first layer stays that small: smooth targets are learned up to three times as well so.
        own_gain = (min if _is_first_on_data(slot, scene) else max)(1.0, own_gain)
    if own_gain != 1.0:
        most = "1" if own_gain < 1.0 else f"that for {name}"
        reason = f"{whose_gain(slot, own_gain)} {most}"
    reason = f"{_stack(slot, scene)}, {reason}"
    return Choice(slot, initializers.Orthogonal(gain=min(gain, own_gain)), reason)


def own_stack_gain(slot: Slot, scene: Scene) -> float:
    """Gain of a kernel's own scaled initializer in a shallow stack of `Dense` layers; else 1.

    At least Glorot's where that is below 1, and at most He's.
    """
    own = scaled_gain(slot)
    if own is None or not _is_dense_stack(slot, scene):
        return 1.0
    fan_in, fan_out = keras_fans(slot)
    least = min(1.0, math.sqrt(2 * fan_in / (fan_in + fan_out)))
    return min(max(round(least, ROUNDING), own), round(math.sqrt(2.0), ROUNDING))


def widening_gain(slot: Slot, scene: Scene) -> float:
    """Gain, at most 1, of a kernel's own scaled initializer where it widens what a norm gives.

    Of outputs alone: the logits of a vocabulary, of many classes, the pixels of patches. From unit
    variance they ended higher on new data in each of 15 such networks; without a norm, where
    inputs may be small, lower in 2 of 3.
    """
    graph, initializer = scene.graph, slot.initializer
    fans = initializers.fans(slot.layer, slot.variable)
    is_scaled = isinstance(initializer, keras.initializers.VarianceScaling)
    if graph is None or not is_scaled or fans.fan_out <= fans.fan_in:
        return 1.0
    if not reads_norm(scene.place(slot.layer).calls, graph):
        return 1.0
    gain = math.sqrt(keras_variance(initializer, slot) * fans.fan_in)
    return min(1.0, round(gain, ROUNDING))


def at_most_own(slot: Slot, scene: Scene, choice: Choice) -> Choice:
    """No larger a first `Dense` layer than its author's, in a residual network without norms.

    Where it makes the stream from data, and widens it: what is too large there stays so, branch
    after branch.
    """
    drawn: Any = choice.initializer
    own, graph = scaled_gain(slot), scene.graph
    if own is None or graph is None or not scene.adds or kind_of(slot.layer).name != "Dense":
        return choice
    if type(drawn) not in PER_INPUT or drawn.gain <= own or scene.place(slot.layer).output:
        return choice
    calls = graph.calls_of(slot.layer)
    if not all(map(graph.reads_data, calls)) or any(is_norm(one.operation) for one in graph.calls):
        return choice
    if not graph.reached(graph.inputs, without=calls).isdisjoint(graph.outputs):  # in a branch
        return choice
    smaller = type(drawn)(gain=own)
    return replace(choice, initializer=smaller, reason=f"{choice.reason}; no larger than its own")


def whose_gain(slot: Slot, gain: float) -> str:
    """Where what `own_stack_gain` found comes from, in words."""
    is_own = (scaled_gain(slot) or 0.0) >= gain
    return f"the gain of {'its own initializer' if is_own else '`glorot_uniform`'}, at most"


def _is_shallow(slot: Slot, scene: Scene) -> bool:
    hidden = scene.hidden_layers(slot.layer)
    return hidden is not None and hidden < NEEDS_GAIN and not scene.adds


def _is_dense_stack(slot: Slot, scene: Scene) -> bool:
    """Whether a kernel is of a shallow plain stack in a model that has no other layers' kernels."""
    if not _is_shallow(slot, scene) or id(slot.layer) not in scene.roles:
        return False
    kernels = [slot for slot in scene.slots if slot.kind == "kernel"]
    return all(kind_of(slot.layer).name == "Dense" for slot in kernels)


def _is_first_on_data(slot: Slot, scene: Scene) -> bool:
    role = scene.roles[id(slot.layer)]
    return role.before is None and role.reads_data


def _stack(slot: Slot, scene: Scene) -> str:
    hidden = scene.hidden_layers(slot.layer)
    way = " on the shortest way" if len(scene.roles) != (hidden or 0) + 1 else ""
    return f"plain stack, only {hidden} hidden{way}"
