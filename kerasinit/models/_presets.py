"""Published starts for residual networks, on the branches that the graph shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kerasinit import initializers
from kerasinit.layers import attention_part, is_cell, is_norm, kind_of
from kerasinit.models._best_practice import choice_of
from kerasinit.models._draw import Choice
from kerasinit.models._graph import Graph, GraphCall
from kerasinit.models._kept import own_choice
from kerasinit.models._kernels import kernel_choice
from kerasinit.models._scene import Scene
from kerasinit.models._skips import branch_calls
from kerasinit.models._slots import Slot

GPT_STD = 0.02  # Radford et al., 2019, GPT-2 code: every weight
VIT_STD = 0.02  # timm vision_transformer.py, init_weights_vit_timm
ATTENTION_DEPTH = 4  # layers that Fixup counts for an attention (Fixup issue 8)
T_FIXUP_ENCODER = 0.67  # Huang et al., 2020, T-Fixup code: times N**-1/4


@dataclass(frozen=True)
class Branch:
    """One residual branch.

    Args:
        number: Its number, from 0, in the order of the model.
        kernels: Its kernels, in the order in which they act.
        last: The kernels of its last weighted layer.
        norm: The norm after its last weighted layer; None where there is none.
        attention: Whether it holds an attention.
        decoder: Whether it belongs to the decoder of an encoder-decoder.
    """

    number: int
    kernels: tuple[Slot, ...]
    last: tuple[Slot, ...]
    norm: Any | None
    attention: bool
    decoder: bool

    @property
    def depth(self) -> int:
        """Weighted layers, as Fixup counts them."""
        layers = {id(slot.layer) for slot in self.kernels if not attention_part(slot.layer)}
        return len(layers) + ATTENTION_DEPTH * self.attention


@dataclass(frozen=True)
class Branches:
    """The residual branches of a model.

    Args:
        all: Every branch.
        scene: The model.
    """

    all: tuple[Branch, ...]
    scene: Scene

    def of(self, slot: Slot) -> Branch | None:
        """The branch that holds a kernel."""
        return next((b for b in self.all if any(slot is one for one in b.kernels)), None)

    def blocks(self, *, decoder: bool) -> int:
        """Transformer blocks of the encoder (or of the only stack) or of the decoder."""
        branches = [branch for branch in self.all if branch.decoder == decoder]
        attention = sum(branch.attention for branch in branches)
        if not attention:
            return len(branches)
        return math.ceil(attention / 2) if decoder else attention  # self- and cross-attention

    @property
    def has_decoder(self) -> bool:
        """Whether the model is an encoder-decoder."""
        return any(branch.decoder for branch in self.all)


def preset_choices(name: str, scene: Scene) -> list[Choice]:
    """One choice per variable after a published scheme.

    Args:
        name: One of `PRESETS`.
        scene: The model.

    Raises:
        ValueError: If no residual branches can be found.
    """
    branches = find_branches(scene, name)
    rule = PRESETS[name]
    return [scene.kept.get(id(slot.variable)) or rule(slot, branches) for slot in scene.slots]


def find_branches(scene: Scene, name: str) -> Branches:
    """The residual branches of a model.

    Raises:
        ValueError: If there are none, or the graph is not known.
    """
    if scene.streams is None:
        raise ValueError(
            f"The rules {name!r} need the residual branches, but the `call` of "
            f"{scene.model.name!r} could not be traced: {scene.why_unread} Use None, or "
            "(path regex, initializer) rules. Nothing was changed."
        )
    graph, adds = scene.streams.graph, scene.streams.outer_adds
    if not scene.adds:
        raise ValueError(
            f"The rules {name!r} need residual branches (`x + f(x)`), but {scene.model.name!r} "
            "has no add that joins a branch with the skip around it. Use None. "
            "Nothing was changed."
        )
    decoder = _decoder_adds(adds, graph)
    found = [
        branch
        for number, add in enumerate(adds)
        if (branch := _branch(number, add, scene, graph, add in decoder)) is not None
    ]
    if not found:
        raise ValueError(
            f"The rules {name!r} need kernels on the residual branches, but those of "
            f"{scene.model.name!r} have none. Use None. Nothing was changed."
        )
    return Branches(tuple(found), scene)


def _branch(
    number: int, add: GraphCall, scene: Scene, graph: Graph, decoder: bool
) -> Branch | None:
    calls = tuple(branch_calls(add, graph))
    order = {id(call.operation): position for position, call in enumerate(calls)}
    inside = [
        (order[id(scene.owner(slot.layer))], slot)
        for slot in scene.slots
        if slot.kind == "kernel" and id(scene.owner(slot.layer)) in order
    ]
    if not inside:
        return None
    inside.sort(key=lambda pair: pair[0])
    end = inside[-1][0]
    kernels = tuple(slot for _, slot in inside)
    ends = [s for at, s in inside if at == end and attention_part(s.layer) in ("", "output")]
    # Of a block that is read as one call, or a separable layer, the last kernel acts last; a cell
    # adds up what its kernels make.
    last = tuple(ends if ends and is_cell(ends[-1].layer) else ends[-1:])
    norms = [call.operation for call in calls[end + 1 :] if is_norm(call.operation)]
    attention = any(kind_of(call.operation).family == "attention" for call in calls)
    norm = norms[-1] if norms else None
    return Branch(number, kernels, last, norm, attention, decoder)


def _decoder_adds(adds: tuple[GraphCall, ...], graph: Graph) -> tuple[GraphCall, ...]:
    """Residual adds of the decoder: those that the memory of a cross-attention does not need."""
    memories = [
        call.inputs[1]
        for call in graph.calls
        if kind_of(call.operation).family == "attention"
        and len(call.inputs) > 1
        and call.inputs[0] != call.inputs[1]
    ]
    if not memories:
        return ()
    encoder = frozenset().union(*(graph.ancestors(memory) for memory in memories))
    return tuple(add for add in adds if not set(add.outputs) & encoder)


def _residual(slot: Slot, branches: Branches) -> Choice:
    count = len(branches.all)
    factor = count**-0.5
    for branch in branches.all:
        if any(slot is one for one in branch.last) and branch.norm is None:
            base = kernel_choice(slot, branches.scene)
            reason = f"last layer of one of {count} residual branches: times 1/sqrt({count})"
            return Choice(slot, base.initializer, reason, scale=factor)
        if slot.layer is branch.norm and slot.role in ("gamma", "scale"):
            reason = f"norm at the end of one of {count} residual branches: 1/sqrt({count})"
            return Choice(slot, keras.initializers.Constant(factor), reason)
    return choice_of(slot, branches.scene)


def _fixup(slot: Slot, branches: Branches) -> Choice:
    zeros = keras.initializers.Zeros()
    branch = branches.of(slot)
    if branch is None:
        if slot.kind == "kernel" and branches.scene.place(slot.layer).output:
            return Choice(slot, zeros, "fixup: the classifier starts at zero")
        if slot.kind == "kernel":
            he = initializers.HeNormal(mode="fan_out")
            return Choice(slot, he, "fixup: outside the branches, He")
        return own_choice(slot)
    if any(slot is one for one in branch.last):
        return Choice(slot, zeros, "fixup: the last layer of a branch starts at zero")
    count, depth = len(branches.all), max(2, branch.depth)
    factor = count ** (-1 / (2 * depth - 2))
    reason = f"fixup: {count} branches of {depth} layers, He times L**(-1/(2m-2)) = {factor:.4g}"
    return Choice(slot, initializers.HeNormal(mode="fan_out"), reason, scale=factor)


def _gpt(slot: Slot, branches: Branches) -> Choice:
    normal = keras.initializers.RandomNormal(0.0, GPT_STD)
    branch = branches.of(slot)
    if branch is not None and any(slot is one for one in branch.last):
        count = len(branches.all)
        reason = f"gpt: residual projection, N(0, {GPT_STD}) / sqrt({count})"
        return Choice(slot, normal, reason, scale=count**-0.5)
    if slot.kind in ("kernel", "embedding"):
        return Choice(slot, normal, f"gpt: N(0, {GPT_STD})")
    return own_choice(slot)


def _deepnorm(slot: Slot, branches: Branches) -> Choice:
    branch = branches.of(slot)
    if branch is None or attention_part(slot.layer) in ("query", "key"):
        if slot.kind != "kernel":
            return own_choice(slot)
        return Choice(slot, initializers.XavierNormal(), "deepnorm: gain 1 here")
    alpha, beta = deepnorm_factors(
        branches.blocks(decoder=False),
        branches.blocks(decoder=True) if branches.has_decoder else 0,
        in_decoder=branch.decoder,
    )
    reason = f"deepnorm: beta = {beta:.4g}; the model must scale this skip by alpha = {alpha:.4g}"
    return Choice(slot, initializers.XavierNormal(gain=beta), reason)


def deepnorm_factors(
    encoder: int,
    decoder: int = 0,
    *,
    in_decoder: bool = False,
) -> tuple[float, float]:
    """Skip factor alpha and weight factor beta of DeepNorm.

    Args:
        encoder: Blocks of the encoder, or of the only stack.
        decoder: Blocks of the decoder; 0 for a single stack.
        in_decoder: Whether the factors are those of the decoder.

    Source: Wang et al., 2022, https://arxiv.org/abs/2203.00555, torchscale code

    >>> [round(factor, 4) for factor in deepnorm_factors(12)]
    [2.2134, 0.3195]
    """
    if not decoder:
        return (2 * encoder) ** 0.25, (8 * encoder) ** -0.25
    if in_decoder:
        return (3 * decoder) ** 0.25, (12 * decoder) ** -0.25
    size = (encoder**4 * decoder) ** (1 / 16)
    return 0.81 * size, 1.15 / size


def _t_fixup(slot: Slot, branches: Branches) -> Choice:
    blocks = max(1, branches.blocks(decoder=False))
    if slot.kind == "embedding":
        size = slot.shape[-1]
        normal = keras.initializers.RandomNormal(0.0, size**-0.5)
        factor = (9 * blocks) ** -0.25
        return Choice(slot, normal, f"t-fixup: N(0, 1/{size}) (9N)**-1/4", scale=factor)
    branch = branches.of(slot)
    if branch is None or attention_part(slot.layer) in ("query", "key"):
        if slot.kind != "kernel":
            return own_choice(slot)
        return Choice(slot, initializers.XavierUniform(), "t-fixup: Xavier, gain 1 here")
    factor = T_FIXUP_ENCODER * blocks**-0.25
    if branch.decoder:
        factor = (9 * branches.blocks(decoder=True)) ** -0.25
    if attention_part(slot.layer) == "value":
        factor *= math.sqrt(2)
    return Choice(
        slot, initializers.XavierUniform(), f"t-fixup: Xavier times {factor:.4g}", scale=factor
    )


def _vit(slot: Slot, branches: Branches) -> Choice:
    if slot.kind != "kernel":
        return own_choice(slot)
    if kind_of(slot.layer).family == "convolution":
        patches = initializers.LecunNormal(truncate=2.0)
        return Choice(slot, patches, "vit: patch projection, LeCun normal")
    normal = keras.initializers.RandomNormal(0.0, VIT_STD)
    return Choice(slot, normal, f"vit: N(0, {VIT_STD})")


PRESETS: dict[str, Callable[[Slot, Branches], Choice]] = {
    "deepnorm": _deepnorm,
    "fixup": _fixup,
    "gpt": _gpt,
    "residual": _residual,
    "t-fixup": _t_fixup,
    "vit": _vit,
}
