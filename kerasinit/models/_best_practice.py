"""The best practice: the right initializer for each layer's place in the graph, with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerasinit import initializers
from kerasinit.layers import is_cell, is_norm, kind_of
from kerasinit.models._branch_ends import branch_end, branch_gate
from kerasinit.models._builtin import given_std, keras_fans
from kerasinit.models._describe import describe
from kerasinit.models._draw import Choice
from kerasinit.models._kept import own_choice
from kerasinit.models._kernels import ORTHOGONAL, kernel_choice
from kerasinit.models._parts import parts_of_container
from kerasinit.models._plan import IDENTITY, OWN
from kerasinit.models._scene import Scene
from kerasinit.models._slots import ForgetBias, Slot
from kerasinit.signals._elementwise import elementwise_shape

TOLD = 0.025  # standard deviation of an output; Keras' defaults have 0.029 and 0.05
SMALL = 0.5  # gain of an output up to which its author made it small: policies have 0.01
OFF = -4.0  # bias of a rectifier that 3 of 100,000 standard normal pre-activations lift above 0

# Role of a weight of a norm -> what it starts from where the norm then changes nothing more.
IDENTITIES = {
    "gamma": keras.initializers.Ones,
    "scale": keras.initializers.Ones,
    "beta": keras.initializers.Zeros,
    "moving_mean": keras.initializers.Zeros,
    "moving_variance": keras.initializers.Ones,
}


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
    return _as_part_of_sum(_as_if_alone(slot, scene), scene)


def _as_part_of_sum(choice: Choice, scene: Scene) -> Choice:
    """The same, smaller where other kernels add as much: the sum is then of the size of one.

    Not where a norm follows the sum and hides its size, nor the author's own initializer.
    """
    slot, count = choice.slot, scene.kernels_summed(choice.slot.layer)
    if slot.kind != "kernel" or count == 1 or choice.initializer is slot.initializer:
        return choice
    if scene.place(slot.layer).norm is not None:
        return choice
    reason = f"{choice.reason}; {count} kernels are added: times 1/sqrt({count})"
    return replace(choice, scale=choice.scale * count**-0.5, reason=reason)


def _as_if_alone(slot: Slot, scene: Scene) -> Choice:
    if slot.kind == "kernel" and _is_end(slot, scene) and _is_small(slot, scene):
        what = "the model's output" if scene.place(slot.layer).output else "a factor of its output"
        return Choice(slot, slot.initializer, f"{what}, which its author made small")
    special = scene.stack_choices.get(id(slot.variable))
    if special is not None:
        if slot.kind != "kernel":
            return special
        if scene.branches_beside(slot.layer):
            end = branch_end(slot, special.initializer, scene)
        elif scene.branches_gated(slot.layer):
            end = branch_gate(slot, special.initializer, scene)
        else:
            return special
        reason = f"{end.reason}; {special.reason}"
        return replace(special, scale=special.scale * end.scale, reason=reason)
    return _alone(slot, scene)


def _is_small(slot: Slot, scene: Scene) -> bool:
    """Whether an initializer is told a size far below that of unit gain, as for policies in PPO.

    A standard deviation says so (0.003 in DDPG) where it is for outputs alone, 0.02 everywhere is
    a habit, and below Keras' defaults, which nobody chose.
    """
    own: Any = slot.initializer
    gain = getattr(own, "gain", 1.0) if isinstance(own, ORTHOGONAL) else 1.0
    if type(own) is keras.initializers.VarianceScaling:
        gain = math.sqrt(own.scale)
    std = given_std(own)
    if std is not None and std <= TOLD and not _is_of_hidden_layers(own, scene):
        gain = std * math.sqrt(keras_fans(slot)[0])
    return isinstance(gain, (int, float)) and gain <= SMALL


def _is_of_hidden_layers(own: Any, scene: Scene) -> bool:
    """Whether a kernel that is no output starts from the same initializer, whatever its seed."""
    name = describe(own)
    return any(
        describe(slot.initializer) == name
        for slot in scene.slots
        if slot.kind == "kernel" and not _is_end(slot, scene)
    )


def _is_end(slot: Slot, scene: Scene) -> bool:
    place = scene.place(slot.layer)
    return place.output or place.factor


def _alone(slot: Slot, scene: Scene) -> Choice:
    if slot.kind == "bias" and kind_of(slot.layer).name == "LSTMCell":
        bias = ForgetBias(slot.layer.bias_initializer, int(slot.layer.units))
        return Choice(slot, bias, "the forget gate of an LSTM starts open, at one")
    if slot.kind == "bias" and _keeps_off(slot, scene):
        zeros = keras.initializers.Zeros()
        return Choice(slot, zeros, "its own bias would keep every unit off: zero")
    # Not the second table of a `ReversibleEmbedding`: all its rows make logits, as a kernel does.
    if slot.kind == "embedding" and slot.role != "reverse_embeddings":
        return Choice(
            slot, slot.initializer, "one row is read at a time: embeddings keep their scale"
        )
    if slot.kind == "norm" and slot.initializer is not None and is_norm(slot.layer):
        return Choice(slot, slot.initializer, _start_of_norm(slot))
    if slot.kind != "kernel":
        return own_choice(slot)
    return kernel_choice(slot, scene)


def _start_of_norm(slot: Slot) -> str:
    """How a weight of a norm starts, by its initializer."""
    start = type(slot.initializer)
    if slot.role == "gamma" and start is keras.initializers.Zeros:
        return "zero on purpose: a norm that lets nothing through at first"
    return IDENTITY if start is IDENTITIES.get(slot.role) else OWN


def _keeps_off(slot: Slot, scene: Scene) -> bool:
    """Whether a constant bias starts a rectifier where no usual input turns it on."""
    own: Any = slot.initializer
    if type(own) is not keras.initializers.Constant or np.ndim(own.value) or own.value > OFF:
        return False
    shape = elementwise_shape(scene.place(slot.layer).activation)
    return shape is not None and shape.has_off_state
