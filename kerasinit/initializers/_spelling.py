"""How an initializer is spelled: its own name in Python's errors, its arguments in `repr`."""

from __future__ import annotations

from types import FunctionType
from typing import Any


def renamed(constructor: Any, cls: type) -> Any:
    """A copy of an inherited constructor under the name of the class that inherits it."""
    if not isinstance(constructor, FunctionType):
        return constructor
    own = FunctionType(
        constructor.__code__,
        constructor.__globals__,
        constructor.__name__,
        constructor.__defaults__,
        constructor.__closure__,
    )
    own.__kwdefaults__ = constructor.__kwdefaults__
    own.__annotations__ = constructor.__annotations__
    own.__qualname__ = f"{cls.__qualname__}.__init__"
    return own


def short(value: Any) -> str:
    """An argument in a few characters, without addresses."""
    text = repr(value)
    if text.startswith("<"):
        return str(getattr(value, "__name__", f"{type(value).__name__}(...)"))
    return text


def is_same(value: Any, default: Any) -> bool:
    """Whether an argument holds its default; arrays never count as the same."""
    return value is default or (type(value) is type(default) and bool(value == default))
