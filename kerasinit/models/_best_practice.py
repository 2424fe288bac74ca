"""The best practice: the right initializer for each layer's place in the graph, with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerasinit import initializers
from kerasinit.layers import (
    activation_name,
    acts_in_gates,
    attention_part,
    is_cell,
    is_norm,
    kind_of,
    role_of,
)
from kerasinit.models import _calls
from kerasinit.models._builtin import keras_fans, keras_variance
from kerasinit.models._draw import Choice
from kerasinit.models._kept import own_choice
from kerasinit.models._parts import parts_of_container
from kerasinit.models._scene import NEEDS_GAIN, Scene
from kerasinit.models._slots import ForgetBias, Slot
from kerasinit.signals._elementwise import elementwise_shape

HE = (keras.initializers.HeNormal, keras.initializers.HeUniform)
ORTHOGONAL = (keras.initializers.Orthogonal, initializers.Orthogonal)
PER_INPUT = (initializers.HeNormal, initializers.LecunNormal)  # their size goes by inputs alone
ROUNDING = 9  # decimal places to which gains are the same
SMALL = 0.5  # gain of an output up to which its author made it small: policies have 0.01
NOTHING_COMMON = 1e-6  # share of a mean square that is rounding
OFF = -4.0  # bias of a rectifier that 3 of 100,000 standard normal pre-activations lift above 0


def best_choices(scene: Scene) -> list[Choice]:
    """One choice per variable of a model.

    Args:
        scene: The built model.
    """
    found = by_variable(parts_of_container(scene), best_choices)
    return [
        found.get(id(slot.variable)) or scene.kept.get(id(slot.variable)) or choice_of(slot, scene)
        for slot in scene.slots
    ]


def by_variable(
    parts: Iterable[Scene], choose: Callable[[Scene], list[Choice]]
) -> dict[int, Choice]:
    """Identity of a variable -> its choice within its part.

    Args:
        parts: Parts of a model.
        choose: What chooses for one part.
    """
    return {id(choice.slot.variable): choice for part in parts for choice in choose(part)}


def orthogonal_choices(scene: Scene) -> list[Choice]:
    """An orthogonal start for data-driven scaling; all that is no kernel as in `best_choices`."""
    reason = "orthogonal start, then scaled on the data (LSUV)"
    choices = []
    for slot in scene.slots:
        kept = scene.kept.get(id(slot.variable))
        choice = kept or _alone(slot, scene)
        if kept is None and slot.kind == "kernel" and not is_cell(slot.layer):
            choice = Choice(slot, initializers.Orthogonal(), reason)
        choices.append(choice)
    return choices


def choice_of(slot: Slot, scene: Scene) -> Choice:
    """The best practice for one variable.

    Args:
        slot: The variable.
        scene: Its model.
    """
    if slot.kind == "kernel" and scene.place(slot.layer).output and _is_small(slot.initializer):
        return Choice(slot, slot.initializer, "the model's output, which its author made small")
    special = scene.stack_choices.get(id(slot.variable))
    if special is not None:
        if slot.kind == "kernel" and scene.branches_beside(slot.layer):
            end = _branch_end(slot, special.initializer, scene)
            reason = f"{end.reason}; {special.reason}"
            return replace(special, scale=special.scale * end.scale, reason=reason)
        return special
    return _alone(slot, scene)


def _is_small(own: Any) -> bool:
    """Whether an initializer is told a size far below that of unit gain, as for policies in PPO."""
    gain = getattr(own, "gain", 1.0) if isinstance(own, ORTHOGONAL) else 1.0
    if type(own) is keras.initializers.VarianceScaling:
        gain = math.sqrt(own.scale)
    return isinstance(gain, (int, float)) and gain <= SMALL


def _alone(slot: Slot, scene: Scene) -> Choice:
    if slot.kind == "bias" and kind_of(slot.layer).name == "LSTMCell":
        bias = ForgetBias(slot.layer.bias_initializer, int(slot.layer.units))
        return Choice(slot, bias, "the forget gate of an LSTM starts open, at one")
    if slot.kind == "bias" and _keeps_off(slot, scene):
        zeros = keras.initializers.Zeros()
        return Choice(slot, zeros, "its own bias would keep every unit off: zero")
    if slot.kind == "embedding":
        return Choice(
            slot, slot.initializer, "one row is read at a time: embeddings keep their scale"
        )
    if slot.kind == "norm" and slot.initializer is not None and is_norm(slot.layer):
        is_off = slot.role == "gamma" and type(slot.initializer) is keras.initializers.Zeros
        reason = "zero on purpose: a norm that lets nothing through at first"
        return Choice(slot, slot.initializer, reason if is_off else "a norm starts as the identity")
    if slot.kind != "kernel":
        return own_choice(slot)
    return kernel_choice(slot, scene)


def _keeps_off(slot: Slot, scene: Scene) -> bool:
    """Whether a constant bias starts a rectifier where no usual input turns it on."""
    own: Any = slot.initializer
    if type(own) is not keras.initializers.Constant or np.ndim(own.value) or own.value > OFF:
        return False
    shape = elementwise_shape(scene.place(slot.layer).activation)
    return shape is not None and shape.has_off_state


def kernel_choice(slot: Slot, scene: Scene) -> Choice:
    """The initializer of a kernel that is in no deep plain stack.

    Args:
        slot: A kernel.
        scene: Its model.
    """
    choice = _by_place(slot, scene)
    drawn: Any = choice.initializer
    own = slot.initializer
    if not isinstance(own, ORTHOGONAL) or own is drawn or type(drawn) not in PER_INPUT:
        return choice
    # Of the same size; flows, for one, invert what they multiply by.
    reason = f"{choice.reason}; orthogonal, as its author chose"
    return replace(choice, initializer=initializers.Orthogonal(gain=drawn.gain), reason=reason)


def _by_place(slot: Slot, scene: Scene) -> Choice:
    owner = scene.owner(slot.layer)
    role = role_of(slot.layer, slot.variable)
    if role == "recurrent":
        reason = "recurrent: orthogonal gate by gate keeps the state's length over time"
        return Choice(slot, initializers.Orthogonal(), reason)
    if acts_in_gates(owner) or acts_in_gates(slot.layer):
        return Choice(slot, initializers.XavierUniform(), "into recurrent gates, fans per gate")
    if not scene.is_understood(slot):
        reason = f"what {slot.layer.name!r} does with it is not known: its own initializer"
        return Choice(slot, slot.initializer, reason)
    place = scene.place(slot.layer)
    if role == "depthwise" and kind_of(slot.layer).family == "separable":
        reason = "depthwise half of a separable layer: no activation follows, gain 1"
        return Choice(slot, initializers.LecunNormal(), reason)
    if kind_of(owner).family == "attention":
        return _attention_choice(slot, scene)
    if scene.is_gate(slot.layer):
        return Choice(slot, initializers.XavierUniform(), "a gate, no activation: opens half")
    name = activation_name(place.activation)
    gain = _calls.gain_of(place.activation)
    if scene.branches_beside(slot.layer):
        is_head = place.output and place.before_add is None  # what follows acts on the sum
        return _branch_end(slot, initializers.HeNormal(gain=1.0 if is_head else gain), scene)
    hidden = scene.hidden_layers(slot.layer)
    is_shallow = hidden is not None and hidden < NEEDS_GAIN and not scene.adds
    is_stack = id(slot.layer) in scene.roles and not scene.adds
    by_own = is_shallow and is_stack and _is_dense(scene)
    own_gain = _own_gain(slot) if by_own else 1.0
    if place.output:
        whose = f"the output of {scene.model.name!r}" if scene.is_part else "the model's output"
        size = "unit variance at any width"
        if own_gain != 1.0:
            size = f"{_whose_gain(slot, own_gain)} sqrt(2)"
        reason = f"{whose}: {size}"
        return Choice(slot, initializers.LecunNormal(gain=own_gain), reason)
    if place.norm is not None:
        kind = type(place.norm).__name__
        reason = f"a {kind} follows and sets the scale: He for {name}, fans of the layer"
        return Choice(slot, initializers.HeNormal(gain=gain), reason)
    if by_own and _calls.is_rectifier(place.activation) and own_gain == _scaled_gain(slot):
        # Larger weights are quicker under plain gradient descent, smaller ones under Adam.
        reason = f"{_shallow_stack(slot, scene)}: its own initializer is as good for {name}"
        return Choice(slot, slot.initializer, reason)
    if is_shallow and gain > 1.0:
        return _shallow_choice(slot, scene, own_gain)
    if is_stack:
        reason = f"plain stack without mirrored blocks: orthogonal for {name}"
        return Choice(slot, initializers.Orthogonal(gain=gain), reason)
    if scene.graph is None or not place.calls:
        reason = f"alone ({scene.unread(slot.layer)}): He for its activation, {name}"
        return Choice(slot, initializers.HeNormal(gain=gain), reason)
    return Choice(slot, initializers.HeNormal(gain=gain), f"{name} follows: He for {name}")


def _shallow_choice(slot: Slot, scene: Scene, own_gain: float) -> Choice:
    """A hidden kernel of a network with few hidden layers, which needs less than He's gain."""
    activation = scene.place(slot.layer).activation
    name, gain = activation_name(activation), _calls.gain_of(activation)
    hidden = scene.hidden_layers(slot.layer)
    if type(slot.initializer) in HE and own_gain == 1.0:
        return Choice(slot, initializers.HeNormal(gain=gain), f"He for {name}, as its author chose")
    reason = f"too shallow to need a gain for {name}"
    if id(slot.layer) not in scene.roles:
        reason = f"only {hidden} hidden on the shortest way, {reason}"
        return Choice(slot, initializers.XavierNormal(), reason)
    if not _calls.is_rectifier(activation):  # smooth ones are lines near 0
        own_gain = max(1.0, own_gain)
    if own_gain != 1.0:
        reason = f"{_whose_gain(slot, own_gain)} that for {name}"
    reason = f"{_shallow_stack(slot, scene)}, {reason}"
    return Choice(slot, initializers.Orthogonal(gain=min(gain, own_gain)), reason)


def _shallow_stack(slot: Slot, scene: Scene) -> str:
    hidden = scene.hidden_layers(slot.layer)
    way = " on the shortest way" if len(scene.roles) != (hidden or 0) + 1 else ""
    return f"plain stack, only {hidden} hidden{way}"


def _is_dense(scene: Scene) -> bool:
    """Whether a model has no other kernels than those of `Dense`."""
    kernels = [slot for slot in scene.slots if slot.kind == "kernel"]
    return all(kind_of(slot.layer).name == "Dense" for slot in kernels)


def _scaled_gain(slot: Slot) -> float | None:
    """The gain at which a kernel's own scaled initializer draws; None by any other."""
    own = slot.initializer
    if not isinstance(own, keras.initializers.VarianceScaling):
        return None
    return round(math.sqrt(keras_variance(own, slot) * keras_fans(slot)[0]), ROUNDING)


def _own_gain(slot: Slot) -> float:
    """That gain, but at least Glorot's where that is below 1, and at most He's; 1 by any other."""
    own = _scaled_gain(slot)
    if own is None:
        return 1.0
    fan_in, fan_out = keras_fans(slot)
    least = min(1.0, math.sqrt(2 * fan_in / (fan_in + fan_out)))
    return min(max(round(least, ROUNDING), own), round(math.sqrt(2.0), ROUNDING))


def _whose_gain(slot: Slot, gain: float) -> str:
    """Where what `_own_gain` found comes from, in words."""
    is_own = (_scaled_gain(slot) or 0.0) >= gain
    return f"the gain of {'its own initializer' if is_own else '`glorot_uniform`'}, at most"


def _attention_choice(slot: Slot, scene: Scene) -> Choice:
    if attention_part(slot.layer) != "output":
        return Choice(slot, initializers.XavierUniform(), "attention projection, fans per head")
    if scene.branches_beside(slot.layer):
        return _branch_end(slot, initializers.XavierUniform(), scene)
    follows = "" if scene.place(slot.layer).norm is None else ", a norm follows"
    return Choice(slot, initializers.XavierUniform(), f"attention output{follows}")


def _branch_end(slot: Slot, initializer: Any, scene: Scene) -> Choice:
    count = scene.branches_beside(slot.layer)
    last = scene.place(slot.layer).before_add
    common = _calls.common_share(last)
    scale = (count * (1 + (count - 1) * common)) ** -0.5
    reason = f"ends one of {count} residual branches: times 1/sqrt({count}) bounds the stream"
    if count > 1 and common > NOTHING_COMMON:
        reason = (
            f"ends one of {count} residual branches, whose {activation_name(last)} has a mean that "
            f"adds up: times {scale:.4g} bounds the stream"
        )
    start = scene.start_of_factors(slot.layer)
    if start <= scale and start < 1.0:
        reason = f"ends one of {count} residual branches, whose own factor, {start:.2g} at first, "
        return Choice(slot, initializer, f"{reason}bounds the stream")
    if start < 1.0:
        reason = f"{reason}, with its own factor, {start:.2g} at first"
    return Choice(slot, initializer, reason, scale=scale / start)
