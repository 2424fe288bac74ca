"""Which layers stand in one model with the layer that is being built.

No model exists yet while its layers are built one by one. What they have in common is the graph of
symbolic tensors, the layer around them, or the config that both are read from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import keras

from kerasinit._backend._keras import flat_layers, open_scopes


def layers_of_same_model() -> Iterator[Any]:
    """Layers of the model that the layer being built will be in, as far as it exists by now.

    Reads the arguments of the running `Layer.__call__`, `KerasTensor._keras_history`, and what
    `functional_from_config` and `Sequential.from_config` have made so far.
    """
    found = [caller for _, caller in open_scopes()[:1] if caller is not None]
    for frame in _frames_of_keras():
        local = frame.f_locals
        match frame.f_code.co_name:
            case "__call__" if isinstance(local.get("self"), keras.layers.Layer):
                found += _connected(keras.tree.flatten((local.get("args"), local.get("kwargs"))))
            case "functional_from_config":
                found += local.get("created_layers", {}).values()
            case "from_config" if isinstance(local.get("model"), keras.Sequential):
                found.append(local["model"])
    for operation in found:
        if isinstance(operation, keras.layers.Layer):
            yield from flat_layers(operation)


def scope_of_running_model() -> list[tuple[str, Any]]:
    """Name and model of the method of Keras that runs, such as `predict`; empty if none does.

    JAX' `predict` fills what its trace has registered when no name scope is open any more.
    """
    owners = (frame.f_locals.get("self") for frame in _frames_of_keras())
    model = next((one for one in owners if isinstance(one, keras.Model)), None)
    return [] if model is None else [(model.name, model)]


def _frames_of_keras() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("keras."):
            yield frame
        frame = frame.f_back


def _connected(tensors: Iterable[Any]) -> list[Any]:
    """Every operation of the graph that symbolic tensors belong to."""
    symbolic = [tensor for tensor in tensors if isinstance(tensor, keras.KerasTensor)]
    histories = [getattr(tensor, "_keras_history", None) for tensor in symbolic]
    waiting = [history.operation for history in histories if history is not None]
    found = {id(operation): operation for operation in waiting}
    while waiting:
        operation = waiting.pop()
        above = [node.parent_nodes for node in getattr(operation, "_inbound_nodes", ())]
        below = list(getattr(operation, "_outbound_nodes", ()))
        for node in [node for nodes in [*above, below] for node in nodes]:
            if id(node.operation) not in found:
                found[id(node.operation)] = node.operation
                waiting.append(node.operation)
    return list(found.values())
