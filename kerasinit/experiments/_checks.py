"""All mistakes of a spec at once, before anything trains."""

from __future__ import annotations

import json
import reprlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._numbers import LARGEST, SMALLEST, is_finite
from kerasinit._typing import Config
from kerasinit.experiments import _builders, _data
from kerasinit.experiments._known_names import (
    MODEL_RULES,
    activation_names,
    initializer_classes,
    initializer_names,
)
from kerasinit.models._near_names import near

MOST_SEEDS = 1_000_000  # listed one by one
LARGEST_WHOLE = 2**31  # seeds and sizes are int32 on some backend


def plain(value: Any) -> Any:
    """Values as JSON has them: the scalars and arrays of numpy as Python's numbers and lists."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def plain_initializer(entry: Any) -> Any:
    """An entry of `initializers` as plain values: instances become labelled configs."""
    if isinstance(entry, Mapping):
        return {
            key: plain_initializer(value) if key == "initializer" else plain(value)
            for key, value in entry.items()
        }
    if isinstance(entry, keras.initializers.Initializer):
        config = keras.initializers.serialize(entry)
        if isinstance(config, Mapping):
            name = config.get("registered_name") or config["class_name"]
            return plain({"label": _instance_label(name, config["config"]), **config})
        return config
    return plain(entry)


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


def rules_of(entries: Sequence[Any]) -> dict[str, Any]:
    """Label of every entry of `initializers` -> what it asks for."""
    return {label_of(entry): rule_of(entry) for entry in entries}


def message(found: Sequence[str]) -> str:
    """One text for all mistakes."""
    count = f"{len(found)} mistake{'s' if len(found) > 1 else ''}"
    return f"The spec has {count}:\n" + "\n".join(f"- {mistake}" for mistake in found)


def mistakes(values: Config) -> list[str]:
    """Everything that is wrong with the values of a spec, each with its key."""
    return [*_numbers(values), *_parts(values), *_initializers(values["initializers"])]


def _numbers(values: Config) -> Iterator[str]:
    def wrong(key: str, what: str) -> str:
        return f"{key} must be {what}. Received: {reprlib.repr(values[key])}."

    for key in ("epochs", "batch_size"):
        if not _whole(values[key], 1):
            yield wrong(key, "a whole number from 1 on")
    if not _whole(values["shuffle_seed"], 0):
        yield wrong("shuffle_seed", "a whole number")
    for key in ("depths", "widths"):
        if not values[key] or not all(_whole(value, 1) for value in values[key]):
            yield wrong(key, "whole numbers from 1 on")
    rates = values["learning_rates"]
    if not rates or not all(is_finite(rate) and SMALLEST <= rate <= LARGEST for rate in rates):
        yield wrong("learning_rates", f"positive numbers, from {SMALLEST:g} to {LARGEST:g}")
    seeds = values["seeds"]
    if not isinstance(seeds, list) or not seeds or not all(_whole(seed, 0) for seed in seeds):
        yield wrong("seeds", f"a number from 1 to {MOST_SEEDS}, or a list of whole numbers")
    if not (is_finite(values["target"]) and 0 < values["target"] <= 1):
        yield wrong("target", "an accuracy in (0, 1]")
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
            known = isinstance(name, str) and callable(keras.activations.get(name))
        except (ValueError, TypeError):
            known = False
        if not known:
            yield f"activations: unknown activation {name!r}. {near(name, activation_names())}"
    if strange := _unfit("optimizer", values["optimizer"]):
        yield strange
        return
    try:
        keras.optimizers.get(values["optimizer"])
    except Exception as error:  # noqa: BLE001 - a config runs code of any class
        yield f"optimizer: {_backend.cause_of(error)}"


def _initializers(entries: Sequence[Any]) -> Iterator[str]:
    if not entries:
        yield "initializers must name at least one."
    labels = [label_of(entry) for entry in entries]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield f"initializers: the label {label!r} stands for more than one. Give each a 'label'."
    for entry in entries:
        rule = rule_of(entry)
        if strange := _unfit("initializers", rule):
            yield strange
            continue
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


def _unfit(key: str, value: Any) -> str:
    """Why `value` cannot stand in a spec, which is a text that imports nothing; empty if it can."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        shown = reprlib.repr(value)
        return f"{key} must hold names, finite numbers and configs of them. Received: {shown}."
    foreign = [module for module in _modules(value) if module not in sys.modules]
    if foreign:
        return (
            f"{key}: a config names the module {foreign[0]!r}, which a spec does not import. "
            "Register the class with `keras.saving.register_keras_serializable`, and import its "
            "module before."
        )
    return ""


def _modules(value: Any) -> Iterator[str]:
    """The modules that a config names, at any depth."""
    if isinstance(value, Mapping):
        if isinstance(value.get("module"), str) and value["module"] != "builtins":
            yield value["module"]
        for part in value.values():
            yield from _modules(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _modules(part)


def _instance_label(name: str, config: Mapping[str, Any]) -> str:
    kept = [f"{key}={value}" for key, value in config.items() if value is not None]
    return f"{name}({', '.join(kept)})"


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < LARGEST_WHOLE
