"""Plain values as TOML, for specs that people copy out of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(values: Mapping[str, Any]) -> str:
    """The TOML text of a plain dict; entries that are None are left out, as TOML has no null.

    >>> print(to_toml({"epochs": 3, "initializers": ["zeros"], "optimizer": {"name": "sgd"}}))
    epochs = 3
    initializers = ["zeros"]
    <BLANKLINE>
    [optimizer]
    name = "sgd"
    """
    return "\n".join(_lines(values, ())).strip()


def _lines(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    scalars = {k: v for k, v in values.items() if v is not None and not isinstance(v, Mapping)}
    tables = {k: v for k, v in values.items() if isinstance(v, Mapping)}
    lines = [f"{_key(name)} = {_value(value)}" for name, value in scalars.items()]
    for name, table in tables.items():
        inner = (*path, name)
        lines += ["", f"[{'.'.join(map(_key, inner))}]", *_lines(table, inner)]
    return lines


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    # A TOML basic string is a JSON string, but for how it writes out what cannot be seen.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        items = [_value(item) for item in value if item is not None]
        line = "[" + ", ".join(items) + "]"
        return line if len(line) <= 90 else "[\n  " + ",\n  ".join(items) + ",\n]"
    return repr(value)  # TOML writes inf, nan, integers and floats as Python does
