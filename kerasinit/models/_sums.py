"""Sums of what several kernels make, with no stream among them: skip outputs, several inputs."""

from __future__ import annotations

from collections.abc import Iterable

from kerasinit.layers import kind_of, own_activation
from kerasinit.models import _calls
from kerasinit.models._graph import Graph, GraphCall

WEIGHTED = ("dense", "einsum", "convolution", "transposed")  # families of one kernel


def summed_kernels(graph: Graph, residual: Iterable[GraphCall]) -> dict[int, int]:
    """Identity of a layer -> how many kernels make the largest sum that its own has a part in.

    Only of sums of nothing else: each part is what a kernel gives, before any activation or norm.
    Variances add up: the sum of K parts has K times the variance of one.

    Args:
        graph: The graph of a model.
        residual: Its residual adds, which join a branch with a stream.
    """
    joined = {id(call) for call in residual}
    parts: dict[int, tuple[GraphCall, ...]] = {}  # value -> the calls whose results it is a sum of
    found: dict[int, int] = {}
    for call in graph.calls:
        if _is_kernel(call, graph):
            parts[call.outputs[0]] = (call,)
        elif _calls.is_add(call):
            made = [parts.get(value, ()) for value in dict.fromkeys(call.inputs)]
            summed = tuple(part for some in made for part in some)
            if id(call) in joined or not all(made) or not _is_side_by_side(summed, graph):
                continue
            is_halved = _is_halved(call, graph)
            parts[call.outputs[0]] = () if is_halved else summed
            for part in summed:
                key = id(part.operation)
                found[key] = 1 if is_halved else max(len(summed), found.get(key, 1))
        elif _passes_on(call, graph):
            parts.update(dict.fromkeys(call.outputs, parts.get(call.inputs[0], ())))
    return found


def _is_kernel(call: GraphCall, graph: Graph) -> bool:
    layer = call.operation
    has_one = kind_of(layer).family in WEIGHTED or id(layer) in graph.matrices
    return has_one and own_activation(layer) is None and len(call.outputs) == 1


def _passes_on(call: GraphCall, graph: Graph) -> bool:
    """Whether a call gives its input, or parts of it, at the size that it has."""
    is_part = kind_of(call.operation).family == "part"
    is_as_large = not call.halves and not call.factors
    return is_as_large and (is_part or _calls.is_transparent(call, graph))


def _is_side_by_side(summed: tuple[GraphCall, ...], graph: Graph) -> bool:
    """Whether no kernel of a sum reads what another one of it gives: that would be a stream."""
    made = {value for part in summed for value in part.outputs}
    return all(made.isdisjoint(graph.ancestors(value)) for part in summed for value in part.inputs)


def _is_halved(add: GraphCall, graph: Graph) -> bool:
    """Whether whatever reads a sum scales it down, as in `(x + y) / 2`."""
    readers = graph.readers.get(add.outputs[0], ())
    return bool(readers) and all(call.halves for call in readers)
