"""The odd-part orthogonal rule on a whole model: a kernel and a bias for each role."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import keras

from kerasinit import initializers, theory
from kerasinit.initializers._mirrors import Mirrors
from kerasinit.models._builtin import scaled_gain
from kerasinit.models._draw import Choice
from kerasinit.models._plan import NO_BIAS
from kerasinit.models._slots import Slot
from kerasinit.models._stacks import StackRole

# Entries of a dense kernel above which its factorization would cost more than the model's build
# (VGG16: 25,088 x 4,096), and holding it twice too much memory. The columns of so many random
# numbers are orthogonal but for their noise.
LARGE = 2**22
# Hidden layers below which mirrored blocks, which halve the width at the start, gain nothing:
# on 3 hidden layers of width 64 a unit-gain orthogonal start is as good (digits, SGD, see
# tests/benchmarks/depth_signal.py).
SHALLOW = 4
# A start near a line: deep stacks learn smooth targets from there 1.2 to 4 times as well as from a
# rougher function, and digits as well (tests/benchmarks/smooth.py). So those that read data start
# as stacks of at least so many hidden layers, whose point is nearer to a line,
LEAST_DEPTH = 50
# and at a tenth of the data's mean square, where the point leaves the length free: its length is 1.
# Rectifiers have no line there; from a smaller output they learn as well or better. Not the
# deepest: 50 layers of ReLU end at 0.78 to 0.98 then under momentum 0.01, else at 0.97 to 0.985.
START_GAIN = math.sqrt(0.1)
DEEPEST = 30
# Growth of the squared gradient over a stack of SELU, up to which it needs no pairs: 50 layers.
# They would only make its weights small (gain 0.41), which RMSprop moves too far: accuracy 0.32
# there, 0.97 without them (tests/benchmarks/one_call.py rates).
GROWTH = 32.0
ALIKE = "is the same for x and -x"  # its even part, which makes all inputs of a deep net look alike


def odd_part_choices(
    roles: dict[int, StackRole], slots: tuple[Slot, ...], *, shallow: dict[str, int]
) -> dict[int, Choice]:
    """Identity of a variable -> its choice, for the kernels and biases of deep plain stacks.

    Args:
        roles: Roles by the identity of the layer.
        slots: The variables of the model.
        shallow: Kind (`OddPartPoint.kind`) -> hidden layers below which the rule is not used.
    """
    by_layer: dict[int, dict[str, Slot]] = {}
    for slot in slots:
        by_layer.setdefault(id(slot.layer), {})[slot.role] = slot
    found: dict[int, Choice] = {}
    if _normalize_themselves(roles, by_layer):
        return found
    for key, role in roles.items():
        if role.depth >= shallow["mirror" if _is_mirrored(role) else "bias"]:
            for choice in _choices(role, by_layer[key]):
                found[id(choice.slot.variable)] = choice
    return found


def _normalize_themselves(
    roles: dict[int, StackRole], by_layer: dict[int, dict[str, Slot]]
) -> bool:
    """Whether dense layers keep zero mean and unit variance by their activation alone (SELU)."""
    for key, role in roles.items():
        activation = role.after or role.before
        if activation is None or len(by_layer[key]["kernel"].shape) > 2:
            return False
        if any(abs(theory.gain(activation, kept) - 1) > 0.01 for kept in ("forward", "centered")):
            return False
        if theory.gain(activation, "backward") ** (-2 * role.depth) > GROWTH:
            return False
    return True


def _is_mirrored(role: StackRole) -> bool:
    return _is_paired(role.before, role) or _is_paired(role.after, role)


def _choices(role: StackRole, slots: dict[str, Slot]) -> Iterator[Choice]:
    if role.before is None and len(slots["kernel"].shape) > 2:
        yield _first_convolution(role, slots["kernel"])
    else:
        yield _hidden_kernel(role, slots["kernel"])
    if "bias" in slots:
        yield _bias(role, slots["bias"])


def _first_convolution(role: StackRole, slot: Slot) -> Choice:
    """All taps of a first convolution: its few input channels alone would be a thin signal."""
    point = _point(role.after, role)
    kernel = initializers.Orthogonal(gain=math.sqrt(point.length))
    mirrors = Mirrors(columns=True) if point.kind == "mirror" else None
    return Choice(slot, kernel, _reason(role), mirrors=mirrors)


def _hidden_kernel(role: StackRole, slot: Slot) -> Choice:
    initializer, scale = _kernel(role)
    if role.before is None:
        scale = _first_scale(role, slot)
    rows, columns = _is_paired(role.before, role), _is_paired(role.after, role)
    reason = _reason(role)
    if len(slot.shape) == 2 and math.prod(slot.shape) > LARGE:
        blocks = Mirrors(rows, columns, role.pixels if rows else 1)
        std = initializer.scale * scale / math.sqrt(blocks.drawn(slot.shape)[0])
        normal = keras.initializers.RandomNormal(stddev=std)
        reason += "; so large that normal blocks are as good as orthogonal ones, and quick"
        return Choice(slot, normal, reason, mirrors=blocks, in_pieces=True)
    mirrors = Mirrors(pixels=role.pixels) if rows and role.pixels > 1 else None
    return Choice(slot, initializer, reason, scale=scale, mirrors=mirrors)


def _is_paired(activation: theory.Activation | None, role: StackRole) -> bool:
    return activation is not None and _point(activation, role).kind == "mirror"


def _point(activation: Any, role: StackRole) -> theory.OddPartPoint:
    return theory.odd_part(activation, _depth(role))


def _depth(role: StackRole) -> int:
    return max(role.depth, LEAST_DEPTH) if role.reads_data else role.depth


def _keeps_own_size(role: StackRole) -> bool:
    """Whether a first layer on data is as large as its author's: one of few, which train anyway."""
    return role.before is None and role.reads_data and role.depth < SHALLOW


def _starts_small(role: StackRole) -> bool:
    """Whether a first layer on data, or several of it, starts at a tenth of its mean square."""
    if not (role.reads_data or role.joins_data) or role.depth > DEEPEST:
        return False
    return _point(role.after, role).length == 1.0


def _first_scale(role: StackRole, slot: Slot) -> float:
    """Factor on the kernel of a first layer."""
    if _keeps_own_size(role):
        return min(1.0, scaled_gain(slot) or 1.0) / math.sqrt(_point(role.after, role).length)
    return START_GAIN if _starts_small(role) else 1.0


def _bias(role: StackRole, slot: Slot) -> Choice:
    if role.before is not None:
        point = _point(role.before, role)
        if point.kind == "bias" and point.offset:
            bias = initializers.OddPartBias(activation=role.before, depth=_depth(role))
            reason = f"cancels the mean of {role.before.name}: -{point.offset:.4g} x column sums"
            return Choice(slot, bias, reason)
    return Choice(slot, keras.initializers.Zeros(), NO_BIAS)


def _kernel(role: StackRole) -> tuple[Any, float]:
    """Initializer and factor: from the length at `before` to the length at `after`."""
    kernel = functools.partial(initializers.OddPart, depth=_depth(role))
    if role.before is None:
        return kernel(activation=role.after, paired_inputs=False), 1.0
    before = _point(role.before, role)
    if role.after is None:
        return kernel(activation=role.before, paired_outputs=False), 1.0
    after = _point(role.after, role)
    step = math.sqrt(after.length / before.length)
    if before.kind == after.kind:
        return kernel(activation=role.before), step
    if before.kind == "mirror":
        return kernel(activation=role.before, paired_outputs=False), step
    # Rows as they are, columns in pairs: a first layer whose inputs have been through `before`.
    factor = before.gain / math.sqrt(before.length)
    return kernel(activation=role.after, paired_inputs=False), factor


def _reason(role: StackRole) -> str:
    hidden = f"{role.depth} hidden layer{'s' * (role.depth > 1)}"
    text = f"plain stack, {hidden}, {role.name}{_smallness(role)}: {_cancelled(role)}"
    if role.pixels > 1:
        text += f"; pairs kept through the flattening of {role.pixels} pixels"
    return text


def _smallness(role: StackRole) -> str:
    """How small a first layer on data starts, in words."""
    if role.before is not None:
        return ""
    if _keeps_own_size(role):
        return ", no larger than by its own initializer"
    if _starts_small(role):
        return ", from a tenth of its inputs' mean square"
    is_nearer = _depth(role) > role.depth and _point(role.after, role).length < 1.0
    return f", as small as in {LEAST_DEPTH} layers, near a line" if is_nearer else ""


def _cancelled(role: StackRole) -> str:
    """What becomes of the even parts of the activations around a layer."""
    around = [one for one in (role.after, role.before) if one is not None]
    for activation in around:
        if _is_paired(activation, role):
            return f"mirrored pairs cancel the part of {activation.name} that {ALIKE}"
    for activation in around:
        if _point(activation, role).offset:
            whose = "the next layer's" if activation is role.after else "its"
            return f"{whose} bias cancels the part of {activation.name} that {ALIKE}"
    return f"{around[0].name} has no part that {ALIKE}"
