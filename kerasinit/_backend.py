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
from keras.src.backend.common import global_state
from keras.src.backend.common.name_scope import current_path, name_scope


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
    with name_scope(
        last or layer.name, caller=layer, deduplicate=False, override_parent=parent
    ):
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
