"""Which initializer a rule gives to which variable."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kerasinit.models._describe import describe
from kerasinit.models._draw import Choice
from kerasinit.models._slots import Slot


@dataclass(frozen=True)
class InitializerRule:
    """One (pattern, initializer) pair.

    Args:
        pattern: A regular expression searched in variable paths, or a layer class. It means
            kernels (and, for a class, embeddings); a regular expression that names another
            variable (`"bias"`) means that one.
        initializer: The initializer for the matching variables.
    """

    pattern: str | type
    initializer: Any

    def matches(self, slot: Slot) -> bool:
        """Whether this rule is about `slot`."""
        if isinstance(self.pattern, type):
            return isinstance(slot.layer, self.pattern) and slot.kind in ("kernel", "embedding")
        meant = slot.kind == "kernel" or slot.role in self.pattern
        return meant and re.search(self.pattern, slot.path) is not None

    def __str__(self) -> str:
        return repr(self.pattern) if isinstance(self.pattern, str) else self.pattern.__name__


def to_initializer(identifier: Any) -> Any:
    """An initializer from a string, a config, an instance, a class or a function.

    Raises:
        ValueError: If `identifier` names no initializer.
    """
    initializer = keras.initializers.get(identifier)
    if initializer is None or not callable(initializer):
        raise ValueError(
            "An initializer must be a name, a config, an instance or a function "
            f"`(shape, dtype) -> tensor`. Received: {identifier!r}."
        )
    return initializer


def is_rule_list(rules: Any) -> bool:
    """Whether `rules` is a sequence of pairs, as against one initializer for all kernels."""
    return isinstance(rules, Sequence) and not isinstance(rules, (str, bytes))


def parse(rules: Sequence[Any]) -> tuple[InitializerRule, ...]:
    """Rules from (path regex or layer class, initializer) pairs.

    Raises:
        ValueError: If an entry is no such pair, or a regular expression does not compile.
    """
    parsed = []
    for entry in rules:
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 2:
            raise ValueError(
                "`rules` must be a list of (path regex or layer class, initializer) pairs. "
                f"Received the entry: {entry!r}."
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
        parsed.append(InitializerRule(pattern, to_initializer(identifier)))
    if not parsed:
        raise ValueError("`rules` is an empty list. Pass None for the best practice.")
    return tuple(parsed)


def choose(slots: Iterable[Slot], rules: Sequence[Any]) -> list[Choice]:
    """One choice per slot: the first rule that matches it, else the layer's own initializer.

    Raises:
        ValueError: If a rule matches no variable, or only variables of earlier rules.
    """
    slots = list(slots)
    parsed = parse(rules)
    hits = dict.fromkeys(range(len(parsed)), 0)
    choices = []
    for slot in slots:
        matching = [position for position, rule in enumerate(parsed) if rule.matches(slot)]
        if not matching:
            choices.append(own_choice(slot))
            continue
        hits[matching[0]] += 1
        rule = parsed[matching[0]]
        choices.append(left_alone(slot) or Choice(slot, rule.initializer, f"rule {rule}"))
    for position, rule in enumerate(parsed):
        if not hits[position]:
            raise ValueError(_missed(rule, parsed[:position], slots))
    return choices


def _missed(rule: InitializerRule, earlier: tuple[InitializerRule, ...], slots: list[Slot]) -> str:
    meant = [slot for slot in slots if rule.matches(slot)]
    if meant:
        covering = [str(other) for other in earlier if any(other.matches(slot) for slot in meant)]
        return (
            f"The rule {rule} never applies: every variable it matches is taken by an earlier "
            f"rule ({', '.join(covering)}). Put the narrower rule first. Nothing was changed."
        )
    if isinstance(rule.pattern, type):
        present = sorted({type(slot.layer).__name__ for slot in slots})
        return (
            f"The rule {rule} matches no layer. Layers with variables: {', '.join(present)}. "
            "Nothing was changed."
        )
    paths = [slot.path for slot in slots]
    near = difflib.get_close_matches(rule.pattern, paths, n=3, cutoff=0.3) or paths[:3]
    return (
        f"The rule {rule} matches no variable path. Near matches: {', '.join(near)}. "
        "Nothing was changed."
    )


def choose_one(slots: Iterable[Slot], identifier: Any) -> list[Choice]:
    """The same initializer for every kernel; every other variable from its layer's own."""
    initializer = to_initializer(identifier)
    reason = f"{describe(initializer).partition('(')[0]} for every kernel"
    return [
        left_alone(slot) or Choice(slot, initializer, reason)
        if slot.kind == "kernel"
        else own_choice(slot)
        for slot in slots
    ]


def own_choice(slot: Slot) -> Choice:
    """The layer's own initializer, or the reason why the variable is left alone."""
    return left_alone(slot) or Choice(slot, slot.initializer, "the layer's own initializer")


def left_alone(slot: Slot) -> Choice | None:
    """The choice to change nothing, where the layer is frozen or nothing can be drawn."""
    if slot.frozen and slot.kind != "seed":
        return Choice(slot, None, f"frozen: {slot.layer.name!r} has trainable=False")
    if slot.kind in ("seed", "state") or (slot.initializer is None and slot.kind != "kernel"):
        return Choice(slot, None, slot.note)
    if slot.initializer is None and slot.note.endswith("not a drawn weight"):
        return Choice(slot, None, slot.note)
    return None
