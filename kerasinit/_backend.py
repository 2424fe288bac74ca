"""The one file that asks which backend runs, or reads what Keras keeps private.

Everything else is written with `keras.ops` and `keras.random`. Each function here names the
private attribute it reads; `tests/test_backend.py` fails the day Keras changes one of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.backend.common.name_scope import current_path, name_scope
from keras.src.backend.common.stateless_scope import StatelessScope


def name() -> str:
    """Name of the active backend: `"tensorflow"`, `"jax"` or `"torch"`."""
    return str(keras.config.backend())


# --- the layer that is being built ------------------------------------------------------------


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


# --- leaving a trace --------------------------------------------------------------------------


def evaluate(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    """Values of an elementwise `function`, computed at once even while a backend traces.

    Args:
        function: Takes and returns a tensor of the active backend (or a numpy array).
        values: Points to evaluate at, any shape, kept in their own dtype.
    """
    with _eager_scope():
        return np.asarray(keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(values))))


def _eager_scope() -> contextlib.AbstractContextManager[Any]:
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.init_scope()
    if name() == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    return contextlib.nullcontext()


# --- layers and their variables (room models) ---------------------------------------------------


def flat_layers(model: Any) -> list[Any]:
    """`model` and every layer below it, once each, depth first (reads `Layer._flatten_layers`)."""
    return list(model._flatten_layers(include_self=True))


def own_variables(layer: Any) -> list[Any]:
    """Variables that `layer` made itself, not through a sublayer.

    Reads `Layer._trainable_variables` and `Layer._non_trainable_variables`.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def seed_states(layer: Any) -> list[Any]:
    """State variables of the seed generators of `layer` (reads `Layer._seed_generators`)."""
    return [generator.state for generator in layer._seed_generators]


def output_spec(function: Callable[[], Any]) -> Any:
    """Shape and dtype of what `function` returns, without computing it.

    Reads `keras.src.backend.compute_output_spec`.
    """
    return backend.compute_output_spec(function)


def declared_initializers(layer: Any) -> list[Any] | None:
    """What `layer` gave to `add_weight` for each of its own variables, in their order.

    A copy made from the config is built in a stateless scope, where Keras variables keep their
    initializer (`Variable._initializer`) and allocate nothing. None if there is no such copy.
    """
    waiting = global_state.get_global_attribute("uninitialized_variables")
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with StatelessScope(initialize_variables=False):
            copy = type(layer).from_config(layer.get_config())
            if not copy.built:
                copy.build_from_config(layer.get_build_config())
            made = own_variables(copy)
            initializers = [variable._initializer for variable in made]
    except Exception:  # noqa: BLE001 - the code of any custom layer runs here
        return None
    finally:
        global_state.set_global_attribute("uninitialized_variables", waiting)
    if [tuple(v.shape) for v in made] != [tuple(v.shape) for v in own_variables(layer)]:
        return None
    return initializers


# --- variables that are filled after their layer was traced -----------------------------------


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
