"""The choice for a kernel in no deep plain stack: by the first case that its place fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras

from kerasinit import _backend, initializers
from kerasinit.layers import (
    activation_name,
    acts_in_gates,
    attention_part,
    is_gating,
    is_running,
    kind_of,
    role_of,
)
from kerasinit.models import _calls
from kerasinit.models._branch_ends import branch_end, branch_gate
from kerasinit.models._builtin import scaled_gain
from kerasinit.models._draw import Choice
from kerasinit.models._kept import draws_orthogonal
from kerasinit.models._places import Place, leaves
from kerasinit.models._scene import Scene
from kerasinit.models._shallow import (
    PER_INPUT,
    at_most_own,
    own_stack_gain,
    shallow_choice,
    whose_gain,
    widening_gain,
)
from kerasinit.models._slots import Slot

ORTHOGONAL = (keras.initializers.Orthogonal, initializers.Orthogonal)


@dataclass(frozen=True)
class Kernel:
    """A kernel where it stands.

    Args:
        slot: The kernel.
        scene: Its model.
    """

    slot: Slot
    scene: Scene

    @property
    def layer(self) -> Any:
        """The layer that holds it."""
        return self.slot.layer

    @property
    def owner(self) -> Any:
        """The layer that the graph calls for it."""
        return self.scene.owner(self.layer)

    @property
    def role(self) -> str:
        """What its layer calls it."""
        return role_of(self.layer, self.slot.variable)

    @cached_property
    def place(self) -> Place:
        """What follows its layer."""
        return self.scene.place(self.layer)

    @property
    def activation(self) -> str:
        """Name of the activation that follows."""
        return activation_name(self.place.activation)

    @property
    def gain(self) -> float:
        """Gain that keeps the mean square through that activation."""
        return _calls.gain_of(self.place.activation)

    def drawn(self, initializer: Any, reason: str) -> Choice:
        """The choice of an initializer for it."""
        return Choice(self.slot, initializer, reason)


def kernel_choice(slot: Slot, scene: Scene) -> Choice:
    """The initializer of a kernel that is in no deep plain stack.

    Args:
        slot: A kernel.
        scene: Its model.
    """
    kernel = Kernel(slot, scene)
    answers = (case(kernel) for case in CASES)
    choice = next((answer for answer in answers if answer is not None), None)
    return _orthogonal_as_own(at_most_own(slot, scene, choice or _by_activation(kernel)))


def _orthogonal_as_own(choice: Choice) -> Choice:
    """The same size from orthogonal rows where the author chose them: flows invert the matrix."""
    drawn: Any = choice.initializer
    own = choice.slot.initializer
    if own is drawn or type(drawn) not in PER_INPUT:
        return choice
    if not (isinstance(own, ORTHOGONAL) or draws_orthogonal(choice.slot)):
        return choice
    reason = f"{choice.reason}; orthogonal, as its author chose"
    return replace(choice, initializer=initializers.Orthogonal(gain=drawn.gain), reason=reason)


def _recurrent(kernel: Kernel) -> Choice | None:
    if kernel.role != "recurrent":
        return None
    reason = "recurrent: orthogonal gate by gate keeps the state's length over time"
    return kernel.drawn(initializers.Orthogonal(), reason)


def _into_recurrent_gates(kernel: Kernel) -> Choice | None:
    if not (acts_in_gates(kernel.owner) or acts_in_gates(kernel.layer)):
        return None
    return kernel.drawn(initializers.XavierUniform(), "into recurrent gates, fans per gate")


def _of_unknown_use(kernel: Kernel) -> Choice | None:
    if kernel.scene.is_understood(kernel.slot):
        return None
    reason = "what its layer does with it is not known: its own initializer"
    return kernel.drawn(kernel.slot.initializer, reason)


def _depthwise_half(kernel: Kernel) -> Choice | None:
    if kernel.role != "depthwise" or kind_of(kernel.layer).family != "separable":
        return None
    reason = "depthwise half of a separable layer: no activation follows, gain 1"
    return kernel.drawn(initializers.LecunNormal(), reason)


def _attention(kernel: Kernel) -> Choice | None:
    if kind_of(kernel.owner).family != "attention":
        return None
    if attention_part(kernel.layer) != "output":
        return kernel.drawn(initializers.XavierUniform(), "attention projection, fans per head")
    if kernel.scene.branches_beside(kernel.layer):
        return branch_end(kernel.slot, initializers.XavierUniform(), kernel.scene)
    follows = "" if kernel.place.norm is None else ", a norm follows"
    return kernel.drawn(initializers.XavierUniform(), f"attention output{follows}")


def _gate(kernel: Kernel) -> Choice | None:
    if not kernel.scene.is_gate(kernel.layer):
        return None
    return kernel.drawn(initializers.XavierUniform(), "a gate, no activation: opens half")


def _gate_of_branch(kernel: Kernel) -> Choice | None:
    if not kernel.scene.branches_gated(kernel.layer):
        return None
    return branch_gate(kernel.slot, initializers.HeNormal(gain=1.0), kernel.scene)


def _branch_end(kernel: Kernel) -> Choice | None:
    if not kernel.scene.branches_beside(kernel.layer):
        return None
    is_head = kernel.place.output and kernel.place.before_add is None  # what follows is of the sum
    alone = initializers.HeNormal(gain=1.0 if is_head else kernel.gain)
    return branch_end(kernel.slot, alone, kernel.scene)


def _factor(kernel: Kernel) -> Choice | None:
    if not kernel.place.factor or kernel.slot.initializer is None:
        return None
    reason = "multiplied with what other kernels make, then an output: its own initializer"
    return kernel.drawn(kernel.slot.initializer, reason)


def _output(kernel: Kernel) -> Choice | None:
    if not kernel.place.output:
        return None
    scene = kernel.scene
    gain = own_stack_gain(kernel.slot, scene)
    whose = f"the output of {scene.model.name!r}" if scene.is_part else "the model's output"
    if scene.graph is not None and not leaves(kernel.place.calls, scene.graph):
        whose = f"the last kernel before {whose}"
    size = "unit variance at any width"
    if gain != 1.0:
        size = f"{whose_gain(kernel.slot, gain)} sqrt(2)"
    elif (gain := widening_gain(kernel.slot, scene)) < 1.0:
        size = "wider than the norm before it: the gain of its own initializer"
    return kernel.drawn(initializers.LecunNormal(gain=gain), f"{whose}: {size}")


def _before_norm(kernel: Kernel) -> Choice | None:
    """No gain: a norm lets any size through, but at one rate larger weights turn more slowly.

    No gain either where the size counts: of a sum, and while moving averages still are at 1.
    Source: Arora et al., 2018, https://arxiv.org/abs/1812.03981; `normed_mlp` of never_worse.py
    """
    norm = kernel.place.norm
    if norm is None:
        return None
    reason = f"a {type(norm).__name__} follows and sets the scale"
    averages = any(is_running(norm, variable) for variable in _backend.own_variables(norm))
    if averages or kernel.place.adds or scaled_gain(kernel.slot) is None:
        return kernel.drawn(initializers.LecunNormal(), f"{reason}: unit variance, no gain is due")
    return kernel.drawn(kernel.slot.initializer, f"{reason}: its own initializer fits the rate")


def _in_short_branch(kernel: Kernel) -> Choice | None:
    """No gain in a short branch: the smaller function does better on new data.

    Of a rectifier, which makes nothing simpler of a smaller input, only behind a norm. Most of what
    a sigmoid gives is its mean: without a gain, little else would be left.
    """
    activation = kernel.place.activation
    is_norm_due = _calls.is_rectifier(activation)
    if kernel.gain <= 1.0 or is_gating(activation):
        return None
    if not kernel.scene.is_in_short_branch(kernel.layer, behind_norm=is_norm_due):
        return None
    where = "behind a norm in a short residual branch" if is_norm_due else "short residual branch"
    return kernel.drawn(initializers.LecunNormal(), f"{where}: no gain for {kernel.activation}")


def _shallow(kernel: Kernel) -> Choice | None:
    return shallow_choice(kernel.slot, kernel.scene)


def _plain_stack(kernel: Kernel) -> Choice | None:
    if id(kernel.layer) not in kernel.scene.roles or kernel.scene.adds:
        return None
    reason = f"plain stack without mirrored blocks: orthogonal for {kernel.activation}"
    return kernel.drawn(initializers.Orthogonal(gain=kernel.gain), reason)


def _of_unknown_place(kernel: Kernel) -> Choice | None:
    if kernel.scene.graph is not None and kernel.place.calls:
        return None
    why = kernel.scene.unread(kernel.layer)
    reason = f"alone ({why}): He for its activation, {kernel.activation}"
    return kernel.drawn(initializers.HeNormal(gain=kernel.gain), reason)


def _by_activation(kernel: Kernel) -> Choice:
    name = kernel.activation
    reason = f"{name} follows: He for {name}"
    if name == "linear":
        follows = "an activation follows a part of it alone"
        reason = follows if kernel.place.is_parted else "no activation follows"
        reason = f"{reason}: keeps the variance of its input"
    return kernel.drawn(initializers.HeNormal(gain=kernel.gain), reason)


# In order: what a kernel is for comes before where it stands, and what bounds its signal (a sum,
# an output, a norm) before what its depth asks for. `_by_activation` is for all the rest.
CASES: tuple[Callable[[Kernel], Choice | None], ...] = (
    _recurrent,
    _into_recurrent_gates,
    _of_unknown_use,
    _depthwise_half,
    _attention,
    _gate,
    _branch_end,
    _gate_of_branch,
    _factor,
    _output,
    _before_norm,
    _in_short_branch,
    _shallow,
    _plain_stack,
    _of_unknown_place,
)
