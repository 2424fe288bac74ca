"""The layer that is being built, as Keras keeps it while it builds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.backend.common.name_scope import current_path, name_scope
from keras.src.models.functional import Functional


def building_layer() -> Any | None:
    """The layer whose name scope is open, or None outside a layer.

    Keras opens a name scope whose `caller` is the layer while the layer builds; the stack lies in
    `keras.src.backend.common.global_state` under `"name_scope_stack"`.
    """
    stack = global_state.get_global_attribute("name_scope_stack")
    return getattr(stack[-1], "caller", None) if stack else None


def building_path() -> str:
    """Path of the open name scope, such as `"lstm/lstm_cell"`; empty outside a layer."""
    return str(current_path())


@contextlib.contextmanager
def layer_scope(layer: Any, path: str) -> Iterator[None]:
    """Makes `layer` look like the layer being built at `path`, for draws after the build.

    Args:
        layer: A built Keras layer.
        path: Path of the layer's variables without the variable's own name,
            such as `"lstm/lstm_cell"`.
    """
    parent, _, last = path.rpartition("/")
    with name_scope(last or layer.name, caller=layer, deduplicate=False, override_parent=parent):
        yield


def open_scopes() -> list[tuple[str, Any]]:
    """Name and caller of every open name scope, outermost first (see `building_layer`)."""
    stack = global_state.get_global_attribute("name_scope_stack")
    return [(scope.name, scope.caller) for scope in stack or ()]


def is_graph_model(layer: Any) -> bool:
    """Whether `layer` is a Sequential or Functional model (`keras.src.models.Functional`)."""
    return isinstance(layer, (Functional, keras.Sequential))


def in_stateless_scope() -> bool:
    """Whether Keras is tracing: a new variable gets its value later (`StatelessScope`)."""
    return global_state.get_global_attribute("stateless_scope") is not None


def deferred_variable() -> Any | None:
    """The variable that is being filled after a trace has ended, or None.

    A layer that is built while a subclassed model is traced only registers its variables; Keras
    fills them afterwards (`initialize_all_variables`), under the name scope of the outer model.
    They wait in `keras.src.backend.common.global_state` under `"uninitialized_variables"`.
    """
    if in_stateless_scope():
        return None
    waiting = global_state.get_global_attribute("uninitialized_variables")
    for variable in waiting or ():
        if variable._value is None:
            return variable
    return None
