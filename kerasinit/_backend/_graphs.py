"""The graph of a model, as Keras keeps it."""

from __future__ import annotations

from typing import Any

import keras
from keras.src.models.functional import Functional
from keras.src.ops.function import map_graph


def graph_calls(inputs: Any, outputs: Any) -> list[tuple[Any, Any, list[Any], list[Any]]]:
    """The calls that lead from `inputs` to `outputs`, in an order in which they can run.

    Each is (operation, symbolic arguments, input tensors, output tensors). Reads
    `keras.src.ops.function.map_graph` and `keras.src.ops.node.Node`.

    Args:
        inputs: Keras tensors, any nested structure.
        outputs: Keras tensors, any nested structure.
    """
    nodes = map_graph(keras.tree.flatten(inputs), keras.tree.flatten(outputs))[1]
    return [
        (node.operation, node.arguments, node.arguments.keras_tensors, node.outputs)
        for depth in sorted(nodes, reverse=True)
        for node in nodes[depth]
        if node.operation is not None and not node.is_input
    ]


def functional_ends(model: Any) -> tuple[Any, Any] | None:
    """Input and output Keras tensors of a Functional or built Sequential model; None for others.

    Reads `Sequential._functional`, `Functional._inputs` and `Functional._outputs`.
    """
    functional = getattr(model, "_functional", None) or model
    if not isinstance(functional, Functional):
        return None
    return functional._inputs, functional._outputs
