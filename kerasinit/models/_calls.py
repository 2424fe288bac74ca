"""What one call of a model's graph does to a signal."""

from __future__ import annotations

from typing import Any

import keras

from kerasinit import theory
from kerasinit.layers import (
    applied_activation,
    is_gating,
    is_norm,
    kind_of,
    mixes,
    own_activation,
)
from kerasinit.models._functions import function_of
from kerasinit.models._graph import Graph, GraphCall
from kerasinit.theory._lengths import is_homogeneous

# What gives some of the values as they are, or puts them beside others, or adds them up.
PARTS = ("GetItem", "Split", "Concatenate", "Stack", "Sum")


def activation_of(call: GraphCall) -> Any | None:
    """The activation that a call applies to each entry; None where the call is something else."""
    if len(call.inputs) != 1:
        return None
    if call.rectifies:
        return keras.activations.relu
    return applied_activation(call.operation) or function_of(call.operation)


def gain_of(activation: Any | None) -> float:
    """Gain that keeps the mean square through an activation; 1 where it is not elementwise."""
    if activation is None:
        return 1.0
    try:
        return theory.gain(activation)
    except ValueError:
        return 1.0


def is_rectifier(activation: Any | None) -> bool:
    """Whether an activation is one line below 0 and another above: its input's size is no matter.

    >>> import keras
    >>> is_rectifier(keras.activations.leaky_relu), is_rectifier(keras.activations.gelu)
    (True, False)
    >>> is_rectifier(lambda x: keras.ops.maximum(x, 0))
    True
    """
    if activation is None:
        return False
    try:
        return is_homogeneous(theory.resolve(activation))
    except ValueError:
        return False


def common_share(activation: Any | None) -> float:
    """Share of the mean square after an activation that is its mean, from 0 to 1.

    The results of several branches have it in common: it adds up, where the rest averages out.
    """
    if activation is None or is_gating(activation):
        return 0.0
    try:
        return 1 - (theory.gain(activation) / theory.gain(activation, moment="centered")) ** 2
    except ValueError:
        return 0.0


def is_add(call: GraphCall) -> bool:
    """Whether a call adds two or more values of the model."""
    if kind_of(call.operation).family != "add":
        return False
    return isinstance(call.operation, keras.layers.Layer) or len(set(call.inputs)) > 1


def is_transparent(call: GraphCall, graph: Graph) -> bool:
    """Whether a call passes the signal on, so that what follows it follows the layer before it.

    So does a layer that nobody here knows if it has no kernel and keeps the shape: stochastic
    depth, a scale for each channel.
    """
    operation = call.operation
    family = kind_of(operation).family
    if family == "channelwise":
        return True
    if len(call.inputs) != 1 or len(call.outputs) != 1:
        return False
    if family in ("shape", "scale"):
        return True
    unknown = family == "other" and isinstance(operation, keras.layers.Layer)
    if not unknown or mixes(operation) or own_activation(operation) is not None:
        return False
    if is_norm(operation):
        return False
    return may_be_equal(graph.shape[call.inputs[0]][1:], call.shapes[0][1:])


def carried(value: int, graph: Graph) -> int:
    """The value that a scaled, dropped or reshaped one was made from."""
    maker = graph.maker.get(value)
    while maker is not None and is_transparent(maker, graph):
        value = maker.inputs[0]
        maker = graph.maker.get(value)
    return value


def source_of(value: int, graph: Graph) -> GraphCall | None:
    """The call that made a value, before it was scaled, dropped or reshaped; None for an input."""
    return graph.maker.get(carried(value, graph))


def scaled_by(value: int, graph: Graph) -> float:
    """The number by which what a layer made was multiplied; what was added to it is none."""
    found, maker = 1.0, graph.maker.get(value)
    while maker is not None and (is_transparent(maker, graph) or _is_shifted(maker)):
        found *= maker.number
        maker = graph.maker.get(maker.inputs[0])
    return found


def weighted_source(value: int, graph: Graph) -> GraphCall | None:
    """The call that made a value, before its activation, too; None for an input."""
    call = source_of(value, graph)
    while call is not None and activation_of(call) is not None and not mixes(call.operation):
        call = source_of(call.inputs[0], graph)
    return call


def carries(call: GraphCall, value: int, graph: Graph) -> bool:
    """Whether `value` goes on in what a call makes: as it is, in part, shifted, or gated."""
    if is_transparent(call, graph):
        return True
    kind = kind_of(call.operation)
    if kind.name in PARTS:
        return True
    if kind.family == "add":
        return len(call.inputs) == 1  # the rest is a weight or a constant
    return value == carried_factor(call, graph)


def carried_factor(call: GraphCall, graph: Graph) -> int | None:
    """Which factor of a product of two signals goes on; None of any other call.

    That which no sigmoid made. Of two such `f(x)` in `x + f(x) * g(c)`, where the product is added
    to what it was made from; not what is spread over the other, nor what is one at first, as in
    `h * (1 + g(c))`; then what has more weighted layers of its own.
    """
    if kind_of(call.operation).name != "Multiply" or len(set(call.inputs)) != 2:
        return None
    signals = [one for one in dict.fromkeys(call.inputs) if not is_share(one, graph)]
    if len(signals) < 2 or _is_of_itself(signals, graph):
        return next(iter(signals), None)
    above = {value: graph.ancestors(value) for value in signals}
    streamed = _on_stream(call, above, graph)
    if streamed is not None:
        return streamed

    def likely(value: int) -> tuple[bool, bool, int]:
        (other,) = set(signals) - {value}
        is_spread = not may_be_equal(graph.shape[value], call.shapes[0])
        return (
            not is_spread,
            not _is_shifted(source_of(value, graph)),
            graph.work(above[value] - above[other]),
        )

    return max(signals, key=likely)


def _on_stream(call: GraphCall, above: dict[int, frozenset[int]], graph: Graph) -> int | None:
    """Which factor of a product is made from what the product, or what is made of it, is added to.

    Args:
        call: The product.
        above: Factor -> every value that it was made from.
        graph: The graph of the model.
    """
    made = set(call.outputs)
    for later in graph.calls:
        if made.isdisjoint(later.inputs):
            continue
        if is_add(later):
            skips = {carried(value, graph) for value in later.inputs if value not in made}
            found = [value for value, values in above.items() if not values.isdisjoint(skips)]
            if found:
                return found[0] if len(found) == 1 else None
        made.update(later.outputs)
    return None


def opens(call: GraphCall, value: int, graph: Graph) -> bool:
    """Whether `value` is `g` in a product `f * g` in which `f` goes on: a gate.

    Not `sigmoid(g)`, which starts at one half, nor `1 + g`, which starts at one.
    """
    scaled = carried_factor(call, graph)
    if scaled is None or value == scaled or _is_of_itself([*call.inputs], graph):
        return False
    return not is_share(value, graph) and not _is_shifted(source_of(value, graph))


def _is_of_itself(signals: list[int], graph: Graph) -> bool:
    """Whether one of some signals is made from another one, as in `x * gate(x)`."""
    return any(
        value in graph.ancestors(other) for value in signals for other in signals if other != value
    )


def _is_shifted(call: GraphCall | None) -> bool:
    """Whether a call adds a weight or a constant."""
    return call is not None and kind_of(call.operation).family == "add" and len(call.inputs) == 1


def is_share(value: int, graph: Graph) -> bool:
    """Whether a sigmoid or a softmax made a value."""
    call = source_of(value, graph)
    if call is None:
        return False
    return is_gating(activation_of(call) or own_activation(call.operation))


def may_be_equal(first: tuple[int | None, ...], second: tuple[int | None, ...]) -> bool:
    """Whether two shapes are equal where both are known."""
    if len(first) != len(second):
        return False
    return all(
        one == other or None in (one, other) for one, other in zip(first, second, strict=True)
    )
