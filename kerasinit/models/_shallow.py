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
from kerasinit.models._builtin import keras_fans, keras_variance
from kerasinit.models._draw import Choice
from kerasinit.models._odd_part_rule import START_GAIN
from kerasinit.models._scene import NEEDS_GAIN, Scene
from kerasinit.models._slots import Slot

HE = (keras.initializers.HeNormal, keras.initializers.HeUniform)
PER_INPUT = (initializers.HeNormal, initializers.LecunNormal)  # their size goes by inputs alone
ROUNDING = 9  # decimal places to which gains are the same


def shallow_choice(slot: Slot, scene: Scene) -> Choice | None:
    """The choice for a hidden kernel; None where the network is deep, or no gain is at stake."""
    if not _is_shallow(slot, scene):
        return None
    activation = scene.place(slot.layer).activation
    name, gain = activation_name(activation), _calls.gain_of(activation)
    own_gain = own_stack_gain(slot, scene)
    is_own = _is_dense_stack(slot, scene) and own_gain == _scaled_gain(slot)
    if is_own and _calls.is_rectifier(activation):
        # Larger weights are quicker under plain gradient descent, smaller ones under Adam.
        reason = f"{_stack(slot, scene)}: its own initializer is as good for {name}"
        return Choice(slot, slot.initializer, reason)
    if gain <= 1.0:
        return None
    if _starts_near_a_line(slot, scene):
        reason = f"{_stack(slot, scene)}, first: from a tenth of its inputs' mean square {name} "
        kernel = initializers.Orthogonal(gain=START_GAIN)
        return Choice(slot, kernel, f"{reason}is nearly a line")
    if type(slot.initializer) in HE and own_gain == 1.0:
        return Choice(slot, initializers.HeNormal(gain=gain), f"He for {name}, as its author chose")
    reason = f"too shallow to need a gain for {name}"
    if id(slot.layer) not in scene.roles:
        hidden = scene.hidden_layers(slot.layer)
        reason = f"only {hidden} hidden on the shortest way, {reason}"
        return Choice(slot, initializers.XavierNormal(), reason)
    if not _calls.is_rectifier(activation):  # smooth ones are lines near 0
        own_gain = max(1.0, own_gain)
    if own_gain != 1.0:
        reason = f"{whose_gain(slot, own_gain)} that for {name}"
    reason = f"{_stack(slot, scene)}, {reason}"
    return Choice(slot, initializers.Orthogonal(gain=min(gain, own_gain)), reason)


def own_stack_gain(slot: Slot, scene: Scene) -> float:
    """Gain of a kernel's own scaled initializer in a shallow stack of `Dense` layers; else 1.

    At least Glorot's where that is below 1, and at most He's.
    """
    own = _scaled_gain(slot)
    if own is None or not _is_dense_stack(slot, scene):
        return 1.0
    fan_in, fan_out = keras_fans(slot)
    least = min(1.0, math.sqrt(2 * fan_in / (fan_in + fan_out)))
    return min(max(round(least, ROUNDING), own), round(math.sqrt(2.0), ROUNDING))


def at_most_own(slot: Slot, scene: Scene, choice: Choice) -> Choice:
    """No larger a first `Dense` layer on data than its author's; Keras' own shrinks as it widens.

    What it makes too large, the branches and sums of a network without norms keep.
    """
    drawn: Any = choice.initializer
    own, graph = _scaled_gain(slot), scene.graph
    if own is None or graph is None or kind_of(slot.layer).name != "Dense":
        return choice
    if type(drawn) not in PER_INPUT or drawn.gain <= own or scene.place(slot.layer).output:
        return choice
    calls = graph.calls_of(slot.layer)
    has_norm = any(is_norm(call.operation) for call in graph.calls)
    if has_norm or not calls or not all(map(graph.reads_data, calls)):
        return choice
    smaller = type(drawn)(gain=own)
    return replace(choice, initializer=smaller, reason=f"{choice.reason}; no larger than its own")


def whose_gain(slot: Slot, gain: float) -> str:
    """Where what `own_stack_gain` found comes from, in words."""
    is_own = (_scaled_gain(slot) or 0.0) >= gain
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


def _starts_near_a_line(slot: Slot, scene: Scene) -> bool:
    """Whether a kernel is the first of a shallow stack of `Dense` layers, smooth, on data."""
    if not _is_dense_stack(slot, scene):
        return False
    role = scene.roles[id(slot.layer)]
    is_first = role.before is None and role.reads_data
    return is_first and not _calls.is_rectifier(scene.place(slot.layer).activation)


def _scaled_gain(slot: Slot) -> float | None:
    """The gain at which a kernel's own scaled initializer draws; None by any other."""
    own = slot.initializer
    if not isinstance(own, keras.initializers.VarianceScaling):
        return None
    return round(math.sqrt(keras_variance(own, slot) * keras_fans(slot)[0]), ROUNDING)


def _stack(slot: Slot, scene: Scene) -> str:
    hidden = scene.hidden_layers(slot.layer)
    way = " on the shortest way" if len(scene.roles) != (hidden or 0) + 1 else ""
    return f"plain stack, only {hidden} hidden{way}"
