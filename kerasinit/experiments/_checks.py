"""All mistakes of a spec at once, before anything trains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from kerasinit import _backend
from kerasinit._typing import Config
from kerasinit.experiments import _builders, _data
from kerasinit.experiments._known_names import (
    MODEL_RULES,
    activation_names,
    initializer_classes,
    initializer_names,
)
from kerasinit.models._near_names import near


def plain_initializer(entry: Any) -> Any:
    """An entry of `initializers` as plain values: instances become labelled configs."""
    if isinstance(entry, Mapping):
        entry = dict(entry)
        if "initializer" in entry:
            entry["initializer"] = plain_initializer(entry["initializer"])
        return entry
    if isinstance(entry, keras.initializers.Initializer):
        config = keras.initializers.serialize(entry)
        if isinstance(config, Mapping):
            name = config.get("registered_name") or config["class_name"]
            return {"label": _instance_label(name, config["config"]), **config}
        return config
    return entry


def label_of(entry: Any) -> str:
    """What an entry of `initializers` is called in tables."""
    if isinstance(entry, Mapping):
        inner = entry.get("initializer", entry.get("class_name"))
        return str(entry.get("label") or (inner if isinstance(inner, str) else label_of(inner)))
    return str(entry)


def rule_of(entry: Any) -> Any:
    """What an entry of `initializers` asks for: a name or a config, without its label."""
    if isinstance(entry, Mapping):
        if "initializer" in entry:
            return rule_of(entry["initializer"])
        return {key: value for key, value in entry.items() if key != "label"}
    return entry


def message(found: Sequence[str]) -> str:
    """One text for all mistakes."""
    count = f"{len(found)} mistake{'s' if len(found) > 1 else ''}"
    return f"The spec has {count}:\n" + "\n".join(f"- {mistake}" for mistake in found)


def listed(text: str) -> list[str]:
    """The mistakes in a text that `message` made."""
    return [line.removeprefix("- ") for line in text.split("\n")[1:]]


def mistakes(values: Config) -> list[str]:
    """Everything that is wrong with the values of a spec, each with its key."""
    return [*_numbers(values), *_parts(values), *_initializers(values["initializers"])]


def _numbers(values: Config) -> Iterator[str]:
    for key in ("epochs", "batch_size"):
        if not _whole(values[key], 1):
            yield f"{key} must be a whole number from 1 on. Received: {values[key]!r}."
    if not _whole(values["shuffle_seed"], 0):
        yield f"shuffle_seed must be a whole number. Received: {values['shuffle_seed']!r}."
    for key in ("depths", "widths"):
        bad = [value for value in values[key] if not _whole(value, 1)]
        if bad or not values[key]:
            yield f"{key} must be whole numbers from 1 on. Received: {values[key]!r}."
    rates = values["learning_rates"]
    if not rates or not all(_number(rate) and 0 < rate < math.inf for rate in rates):
        yield f"learning_rates must be positive numbers. Received: {rates!r}."
    seeds = values["seeds"]
    if not isinstance(seeds, list) or not seeds or not all(_whole(seed, 0) for seed in seeds):
        yield f"seeds must be a number from 1 on, or a list of whole numbers. Received: {seeds!r}."
    if not (_number(values["target"]) and 0 < values["target"] <= 1):
        yield f"target must be an accuracy in (0, 1]. Received: {values['target']!r}."
    for key, entries in values.items():
        if isinstance(entries, list) and key != "initializers":
            twice = sorted({repr(entry) for entry in entries if entries.count(entry) > 1})
            if twice:
                yield f"{key} names {', '.join(twice)} more than once."


def _parts(values: Config) -> Iterator[str]:
    for key in ("models", "data", "activations"):
        if not values[key]:
            yield f"{key} must name at least one. Received: {values[key]!r}."
    for name in values["models"]:
        try:
            _builders.find(str(name))
        except ValueError as error:
            yield f"models: {error}"
    for name in values["data"]:
        try:
            _data.require(str(name))
        except (ValueError, ImportError) as error:
            yield f"data: {error}"
    for name in values["activations"]:
        try:
            keras.activations.get(name)
        except (ValueError, TypeError):
            names = activation_names()
            yield f"activations: unknown activation {name!r}. {near(name, names)}"
    try:
        keras.optimizers.get(values["optimizer"])
    except (ValueError, TypeError, KeyError) as error:
        yield f"optimizer: {_backend.cause_of(error)}"


def _initializers(entries: Sequence[Any]) -> Iterator[str]:
    if not entries:
        yield "initializers must name at least one."
    labels = [label_of(entry) for entry in entries]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield f"initializers: the label {label!r} stands for more than one. Give each a 'label'."
    for entry in entries:
        rule = rule_of(entry)
        if rule in MODEL_RULES:
            continue
        try:
            found = keras.initializers.get(rule)
        except Exception as error:  # noqa: BLE001 - a config runs code of any class
            yield _bad_initializer(rule, error)
            continue
        if not callable(found):
            yield f"initializers: {rule!r} is not an initializer."


def _bad_initializer(rule: Any, error: Exception) -> str:
    names = initializer_names()
    if isinstance(rule, str):
        return f"initializers: unknown initializer {rule!r}. {near(rule, names)}"
    if isinstance(rule, Mapping) and isinstance(rule.get("class_name"), str):
        known = initializer_classes()
        if rule["class_name"] not in known:
            return (
                f"initializers: unknown class_name {rule['class_name']!r}. "
                f"{near(rule['class_name'], known)}"
            )
    return f"initializers: {rule!r} does not make an initializer: {_backend.cause_of(error)}"


def _instance_label(name: str, config: Mapping[str, Any]) -> str:
    kept = [f"{key}={value}" for key, value in config.items() if value is not None]
    return f"{name}({', '.join(kept)})"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
