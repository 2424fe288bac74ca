"""Which initializer a rule gives to which variable."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kerasinit.models._describe import describe
from kerasinit.models._draw import Choice
from kerasinit.models._kept import is_drawable, own_choice
from kerasinit.models._near_names import loadable_names, near
from kerasinit.models._scene import Scene
from kerasinit.models._schemes import SCHEMES
from kerasinit.models._slots import Slot


@dataclass(frozen=True)
class InitializerRule:
    """One (pattern, initializer) pair.

    Args:
        pattern: A regular expression searched in variable paths, or the name of a layer or model
            around the variable; or a layer class: that of the layer, or of one around it
            (`LSTM`, `Bidirectional`, `MultiHeadAttention`). It means kernels; for a class, and
            where it spells the name of the layer, embeddings; a regular expression that names
            another variable (`"bias"`) means that one; one that finds nothing else (`"norm/"`)
            means every trained variable that it finds.
        initializer: The initializer for the matching variables; None keeps what they hold.
    """

    pattern: str | type
    initializer: Any

    def matches(self, slot: Slot) -> bool:
        """Whether this rule is about `slot`."""
        keeps = self.initializer is None  # then all that the pattern finds
        if isinstance(self.pattern, type):
            found = any(isinstance(layer, self.pattern) for layer in slot.around)
            return found and (keeps or slot.kind in ("kernel", "embedding"))
        embedding = slot.kind == "embedding" and slot.layer.name in self.pattern
        meant = keeps or slot.kind == "kernel" or embedding or slot.role in self.pattern
        return meant and self.finds(slot)

    def finds(self, slot: Slot) -> bool:
        """Whether the path of `slot` fits the expression, or that is the name of what is around."""
        if not isinstance(self.pattern, str):
            return False
        # The variables of a graph's layers have no name of a model that holds the graph.
        names = [layer.name for layer in slot.around]
        return self.pattern in names or bool(re.search(self.pattern, slot.path))

    def names(self, slot: Slot) -> bool:
        """Whether this rule spells out the layer of `slot`, or a role that few variables have."""
        if not isinstance(self.pattern, str):
            return False
        layer = slot.layer_path.rpartition("/")[2]
        return layer in self.pattern or (slot.kind == "other" and slot.role in self.pattern)

    def __str__(self) -> str:
        return repr(self.pattern) if isinstance(self.pattern, str) else self.pattern.__name__


def to_initializer(identifier: Any, argument: str = "An initializer") -> Any:
    """An initializer from a string, a config, an instance, a class or a function.

    Args:
        identifier: What the user passed.
        argument: What the user passed it as, for the message.

    Raises:
        ValueError: If `identifier` names no initializer.
    """
    try:
        initializer = keras.initializers.get(identifier)
    except (ValueError, TypeError) as error:
        raise ValueError(_unknown(identifier, argument)) from error
    if initializer is None or not callable(initializer):
        raise ValueError(_unknown(identifier, argument))
    return initializer


def _unknown(identifier: Any, argument: str) -> str:
    scheme = f", or a scheme ({', '.join(SCHEMES)})" if argument == "`rules`" else ""
    text = (
        f"{argument} must be a name, a config, an instance or a function "
        f"`(shape, dtype) -> tensor`{scheme}. Received: {identifier!r}."
    )
    if isinstance(identifier, type) and issubclass(identifier, keras.layers.Layer):
        name = identifier.__name__
        return f"{text} A rule for a layer class is a pair: `[({name}, initializer)]`."
    if isinstance(identifier, int):
        return f"{text} A seed goes into `seed=`: `initialize(model, seed={identifier!r})`."
    if isinstance(identifier, Mapping) and "class_name" not in identifier:
        pairs = ", ".join(f"({_name(key)}, {value!r})" for key, value in identifier.items())
        return f"{text} Several rules are a list of pairs, the first match counts: [{pairs}]."
    given = identifier.get("class_name") if isinstance(identifier, Mapping) else identifier
    known = [*SCHEMES, *loadable_names()]
    return f"{text} {near(given, known)}" if isinstance(given, str) else text


def _name(pattern: Any) -> str:
    return pattern.__name__ if isinstance(pattern, type) else repr(pattern)


def is_rule_list(rules: Any) -> bool:
    """Whether `rules` is a sequence of pairs, as against one initializer for all kernels."""
    return isinstance(rules, Sequence) and not isinstance(rules, (str, bytes))


def split(rules: Sequence[Any]) -> tuple[Sequence[Any], str | None]:
    """The pairs of a list of rules, and the scheme that its last entry names for all the rest."""
    if rules and isinstance(rules[-1], str) and rules[-1] in SCHEMES:
        return rules[:-1], rules[-1]
    return rules, None


def parse(rules: Sequence[Any]) -> tuple[InitializerRule, ...]:
    """Rules from (path regex or layer class, initializer) pairs.

    Raises:
        ValueError: If an entry is no such pair, or a regular expression does not compile.
    """
    parsed = []
    for entry in rules:
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 2:
            raise ValueError(
                "`rules` must be a list of (path regex or layer class, initializer) pairs, of "
                "which the last may be the name of a scheme for all the rest. "
                f"Received the entry: {entry!r}.{_as_scheme(entry, rules)}"
            )
        pattern, identifier = entry
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"The rule {pattern!r} is not a regular expression: {error}."
                ) from error
        elif not (isinstance(pattern, type) and issubclass(pattern, keras.layers.Layer)):
            raise ValueError(
                "A rule starts with a regular expression for variable paths or a layer class. "
                f"Received: {pattern!r}."
            )
        initializer = None if identifier is None else to_initializer(identifier)
        parsed.append(InitializerRule(pattern, initializer))
    if not parsed:
        raise ValueError("`rules` is an empty list. Pass None for the best practice.")
    return tuple(parsed)


def _as_scheme(entry: Any, rules: Sequence[Any]) -> str:
    if len(rules) == 2 and all(isinstance(one, str) for one in rules):
        return f" One pair is a list of one, too: `[{tuple(rules)!r}]`."
    return f" {near(entry, SCHEMES)}" if isinstance(entry, str) else ""


def matched(scene: Scene, rules: Sequence[Any]) -> frozenset[int]:
    """Identities of the variables that rules are about."""
    return frozenset().union(*(_meant(rule, scene.slots) for rule in parse(rules)))


def choose(scene: Scene, rules: Sequence[Any], rest: Sequence[Choice]) -> list[Choice]:
    """One choice per variable: by the first rule that matches it.

    Args:
        scene: The model.
        rules: Pairs as for `parse`.
        rest: One choice per variable, for those that no rule means.

    Raises:
        ValueError: If a rule matches no variable, or only variables of earlier rules; or if it
            keeps none of the kernels that it finds, since a wider rule has taken them.
    """
    parsed = parse(rules)
    meant = [_meant(rule, scene.slots) for rule in parsed]
    hits = dict.fromkeys(range(len(parsed)), 0)
    choices = []
    for slot, other in zip(scene.slots, rest, strict=True):
        first = next((i for i, found in enumerate(meant) if id(slot.variable) in found), None)
        if first is None:
            choices.append(other)
            continue
        hits[first] += 1
        rule, kept = parsed[first], scene.kept.get(id(slot.variable))
        if rule.initializer is None:
            choices.append(Choice(slot, None, f"rule {rule} keeps it"))
        elif kept is None:
            choices.append(Choice(slot, rule.initializer, f"rule {rule}"))
        elif rule.names(slot) and is_drawable(slot):
            reason = f"rule {rule} names it, against: {kept.reason}"
            choices.append(Choice(slot, rule.initializer, reason))
        else:
            choices.append(kept)
    for position in range(len(parsed)):
        if not hits[position] or _keeps_nothing(position, parsed, meant, scene.slots):
            raise ValueError(_missed(position, parsed, meant, scene.slots))
    return choices


def _keeps_nothing(
    position: int,
    rules: tuple[InitializerRule, ...],
    meant: list[set[int]],
    slots: Sequence[Slot],
) -> bool:
    """Whether a rule that should keep kernels keeps none: a rule for more than these took them."""
    found = meant[position]
    kernels = {id(slot.variable) for slot in slots if slot.kind == "kernel"} & found
    if rules[position].initializer is not None or not kernels:
        return False
    earlier = meant[:position]
    is_taken = kernels <= set().union(*earlier)
    return is_taken and any(other & kernels and not other <= found for other in earlier)


def _meant(rule: InitializerRule, slots: Sequence[Slot]) -> set[int]:
    """Identities of the variables that a rule is about."""
    found = {id(slot.variable) for slot in slots if rule.matches(slot)}
    return found or {
        id(slot.variable) for slot in slots if rule.finds(slot) and slot.variable.trainable
    }


def _missed(
    position: int,
    rules: tuple[InitializerRule, ...],
    meant: list[set[int]],
    slots: Sequence[Slot],
) -> str:
    rule = rules[position]
    if meant[position]:
        covering = [str(rules[i]) for i in range(position) if meant[i] & meant[position]]
        what = "kernel" if rule.initializer is None else "variable"
        return (
            f"The rule {rule} never applies: every {what} it matches is taken by an earlier "
            f"rule ({', '.join(covering)}). Put the narrower rule first. Nothing was changed."
        )
    if isinstance(rule.pattern, type):
        weighted = [slot for slot in slots if slot.kind in ("kernel", "embedding")]
        around = {type(one).__name__ for slot in weighted for one in slot.around}
        return (
            f"The rule {rule} matches no layer. Layers with variables: "
            f"{', '.join(sorted(around))}. Nothing was changed."
        )
    paths = [slot.path for slot in slots]
    close = difflib.get_close_matches(rule.pattern, paths, n=3, cutoff=0.3) or paths[:3]
    return (
        f"The rule {rule} matches no variable path. Near matches: {', '.join(close)}. "
        "Nothing was changed."
    )


def choose_one(scene: Scene, identifier: Any) -> list[Choice]:
    """The same initializer for every kernel; every other variable from its layer's own."""
    initializer = to_initializer(identifier, "`rules`")
    reason = f"{describe(initializer).partition('(')[0]} for every kernel"
    return [
        scene.kept.get(id(slot.variable)) or Choice(slot, initializer, reason)
        if slot.kind == "kernel"
        else own_choice(slot)
        for slot in scene.slots
    ]
