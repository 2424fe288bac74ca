"""Networks of policies and values: near-uniform actions at first, and values of unit scale."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import keras

from kerasinit import initializers
from kerasinit.layers import activation_name, kind_of
from kerasinit.models._best_practice import best_choices, by_variable
from kerasinit.models._draw import Choice
from kerasinit.models._graph import Graph
from kerasinit.models._parts import uncalled_parts
from kerasinit.models._scene import Scene
from kerasinit.models._slots import Slot

HIDDEN_GAIN = math.sqrt(2)
HEAD_GAIN = {"policy": 0.01, "value": 1.0}
PLAIN = ("dense", "einsum", "convolution", "transposed")
WORDS = {  # of names, in lower case; how heads are called in published code
    "policy": "policy policies actor action actions logits pi mu mean std sigma logstd".split(),
    "value": "value values critic baseline return returns q q1 q2 qvalue qvalues v vf".split(),
}
POLICY_ACTIVATIONS = ("softmax", "log_softmax", "tanh")


def actor_critic_choices(scene: Scene, given: frozenset[int] = frozenset()) -> list[Choice]:
    """One choice per variable: orthogonal, of gain sqrt(2) below the heads, with zero biases.

    Recurrent layers, attentions, embeddings and norms start as in the best practice.

    Args:
        scene: The model.
        given: Identities of variables whose start is given: these heads need not be told.

    Raises:
        ValueError: If a head cannot be told to be one of a policy or of a value.

    Source: the gains of OpenAI's baselines (`a2c/utils.py`, `common/policies.py`); that a small
    policy head matters: Andrychowicz et al., 2021, section 3.2, https://arxiv.org/abs/2006.05990
    """
    parts = by_variable(uncalled_parts(scene), lambda part: _of_network(part, given))
    is_container = scene.graph is None and bool(parts)
    rest = best_choices(scene) if is_container else _of_network(scene, given)
    return [parts.get(id(choice.slot.variable), choice) for choice in rest]


def _of_network(scene: Scene, given: frozenset[int]) -> list[Choice]:
    if scene.graph is None:
        raise ValueError(
            f"The rules 'rl' need the heads, but the `call` of {scene.model.name!r} could not be "
            f"traced: {scene.why_unread} Use (path regex, initializer) rules. Nothing was changed."
        )
    heads = _heads(scene, given)
    return [_chosen(choice, scene, heads) for choice in best_choices(scene)]


def _chosen(choice: Choice, scene: Scene, heads: dict[int, tuple[str, str]]) -> Choice:
    slot = choice.slot
    if id(slot.variable) in scene.kept or not _is_plain(slot, scene):
        return choice
    if slot.kind == "bias":
        return Choice(slot, keras.initializers.Zeros(), "rl: biases start at zero")
    if slot.kind != "kernel":
        return choice
    if id(slot.layer) not in heads:
        hidden = initializers.Orthogonal(gain=HIDDEN_GAIN, scaled=False)
        return Choice(slot, hidden, "rl: below the heads, orthogonal times sqrt(2)")
    head, why = heads[id(slot.layer)]
    gain = HEAD_GAIN[head]
    what = "actions near uniform" if head == "policy" else "values of unit scale"
    reason = f"rl: {head} head ({why}), gain {gain:g}: {what} at first"
    return Choice(slot, initializers.Orthogonal(gain=gain, scaled=False), reason)


def _is_plain(slot: Slot, scene: Scene) -> bool:
    """Whether a layer is no part of an attention or of a recurrent layer."""
    return all(kind_of(one).family in PLAIN for one in (slot.layer, scene.owner(slot.layer)))


def _heads(scene: Scene, given: frozenset[int]) -> dict[int, tuple[str, str]]:
    """Identity of a layer that makes an output -> `"policy"` or `"value"`, and why."""
    ends = [
        slot
        for slot in scene.slots
        if slot.kind == "kernel" and _is_plain(slot, scene) and scene.place(slot.layer).output
    ]
    found: dict[int, tuple[str, str]] = {}
    unsure: list[Slot] = []
    for slot in ends:
        told = _by_name(slot, scene) or _by_activation(slot, scene)
        if told:
            found[id(slot.layer)] = told
        else:
            unsure.append(slot)
    alone = scene.graph is not None and _is_one_each(ends, scene, scene.graph)
    for slot in unsure:
        told = _by_units(slot, ends) if alone else None
        others = {found[id(one.layer)][0] for one in ends if id(one.layer) in found}
        if told is None and alone and len(ends) == 2 and len(others) == 1:
            (other,) = others
            told = ("value" if other == "policy" else "policy", f"the other is the {other} head")
        if told:
            found[id(slot.layer)] = told
        elif id(slot.variable) not in given:
            raise ValueError(
                f"The rules 'rl' cannot tell whether {slot.path!r}, of {slot.shape[-1]} units, "
                "makes a policy or a value. Name its layer so (`name='policy'`, `name='value'`), "
                f"or give its start: `[({slot.layer.name!r}, "
                "kerasinit.Orthogonal(gain=0.01)), 'rl']`. Nothing was changed."
            )
    if not ends:
        inside = "".join(f" Not read {scene.unread(one)}." for one in _unread_layers(scene)[:1])
        raise ValueError(
            f"The rules 'rl' need a Dense or convolution layer that makes an output, but "
            f"{scene.model.name!r} has none.{inside} Nothing was changed."
        )
    return found


def _unread_layers(scene: Scene) -> list[Any]:
    """Layers with kernels inside blocks that could not be opened."""
    kernels = [slot.layer for slot in scene.slots if slot.kind == "kernel"]
    blocks = {id(block) for block in scene.unread_blocks}
    return [layer for layer in kernels if id(scene.owner(layer)) in blocks]


def _by_name(slot: Slot, scene: Scene) -> tuple[str, str] | None:
    """What the name of a layer, or of one around it, says; the nearest that says one thing."""
    around = [slot.layer, *reversed(slot.owners), scene.model]
    for name in dict.fromkeys(str(layer.name) for layer in around):
        words = _words(name)
        said = [head for head, known in WORDS.items() if words & set(known)]
        if len(said) == 1:
            return said[0], f"the name {name!r}"
    return None


def _words(name: str) -> set[str]:
    """Words of a name in snake or camel case, in lower case: `critic2` is one, `v2` no `v`."""
    found = re.findall(r"([A-Z]?[a-z]+|[A-Z]+(?![a-z]))(\d*)", name)
    return {(word if len(word) > 1 else word + number).lower() for word, number in found}


def _by_activation(slot: Slot, scene: Scene) -> tuple[str, str] | None:
    activation: Any = scene.place(slot.layer).activation
    if activation is None or activation_name(activation) not in POLICY_ACTIVATIONS:
        return None
    return "policy", f"its {activation_name(activation)}"


def _by_units(slot: Slot, ends: Iterable[Slot]) -> tuple[str, str] | None:
    """One unit beside heads of more is a value, and the other way round; one unit alone, too."""
    others = [one.shape[-1] for one in ends if one.layer is not slot.layer]
    if slot.shape[-1] == 1 and all(units > 1 for units in others):
        return "value", "one unit"
    if slot.shape[-1] > 1 and others and all(units == 1 for units in others):
        return "policy", f"{slot.shape[-1]} units beside one of a value"
    return None


def _is_one_each(ends: list[Slot], scene: Scene, graph: Graph) -> bool:
    """Whether each head makes an output of its own: those of a dueling network make one."""
    seen: set[int] = set()
    for slot in ends:
        made = {value for call in scene.place(slot.layer).calls for value in call.outputs}
        reached = graph.reached(made, without=()) & set(graph.outputs)
        if reached & seen:
            return False
        seen |= reached
    return True
