"""How many hidden layers a signal passes at least: what decides whether it needs their gain."""

from __future__ import annotations

from kerasinit.layers import is_norm, kind_of, mixes
from kerasinit.models._graph import Graph, GraphCall


def hidden_layers(graph: Graph) -> dict[int, int]:
    """Identity of a layer -> hidden layers of the network around it, by its shortest way.

    That is the fewest weighted layers, without the last, from an input, or from the last norm, to
    an output, or to the next norm: what adds or joins two signals is as deep as the less deep of
    them. Of the outputs that a layer reaches, the deepest counts.

    Args:
        graph: The graph of a model.
    """
    passed = dict.fromkeys(graph.inputs, 0)
    for call in graph.calls:
        passed.update(dict.fromkeys(call.outputs, _passed(call, passed)))
    deepest = {value: passed.get(value, 0) for value in graph.outputs}
    found: dict[int, int] = {}
    for call in reversed(graph.calls):
        reached = [deepest[value] for value in call.outputs if value in deepest]
        if reached:
            most = max(reached)
            if is_norm(call.operation):
                # The network before it ends here; its last layer is hidden where more follow.
                most = _passed_before(call, passed) + (most > 0)
            deepest.update({value: max(most, deepest.get(value, 0)) for value in call.inputs})
            key = id(call.operation)
            found[key] = max(most - 1, found.get(key, 0))
    return found


def _passed(call: GraphCall, passed: dict[int, int]) -> int:
    """Weighted layers behind the results of a call, on their shortest way."""
    if is_norm(call.operation):
        return 0
    return _passed_before(call, passed) + mixes(call.operation)


def _passed_before(call: GraphCall, passed: dict[int, int]) -> int:
    joins = kind_of(call.operation).family == "add" or kind_of(call.operation).name == "Concatenate"
    before = [passed[value] for value in call.inputs if value in passed]
    return (min if joins else max)(before, default=0)
