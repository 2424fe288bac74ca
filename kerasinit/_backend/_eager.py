"""What TensorFlow and torch have in common: operations run at once, and train the variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasinit._backend._arrays import numpy_of


def wait_for(tensors: Any) -> None:
    """By copying them."""
    for tensor in keras.tree.flatten(tensors):
        if keras.ops.is_tensor(tensor):
            numpy_of(tensor)


def synchronise(model: Any) -> None:
    """Nothing to do: `fit` trains the variables."""


def note_state(model: Any, held: tuple[Any, ...]) -> None:
    """Nothing to do: the variables hold their values."""


def seed_tensor(seed: Any) -> Any:
    """As it is: nothing is compiled."""
    return seed


def run_once(function: Callable[[], Any]) -> Any:
    """As it is."""
    return function()


def run_for_shapes(function: Callable[[], Any]) -> Any:
    """All of it: a trace would cost more."""
    return function()


def parts_of(replicas: int, replica_bytes: int) -> tuple[int, int]:
    """One part."""
    return 1, replicas


def split_step(result: Any) -> tuple[Any, tuple[Any, ...]]:
    """Only logs."""
    return result, ()


def join_step(logs: Any, rest: tuple[Any, ...]) -> Any:
    """Only logs."""
    return logs


def step_state(model: Any, arguments: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """The variables hold their values."""
    return []


def entry_name() -> str:
    """`apply`, which `apply_gradients` calls, too."""
    return "apply"
