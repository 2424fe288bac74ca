"""Sums of what several kernels make, with no stream among them: skip outputs, several inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    found: dict[int, int] = {}
    joined = frozenset(id(call) for call in residual)
    for call, summed in _sums_of_kernels(graph, joined):
        is_halved = _is_halved(call, graph)
        for part in summed:
            key = id(part.operation)
            found[key] = 1 if is_halved else max(len(summed), found.get(key, 1))
    return found


def plain_sums(graph: Graph) -> frozenset[int]:
    """Identities of adds that are no residual ones: of kernels that none is the skip of.

    Of two as deep as each other (GraphSAGE), or of three and more, added at once or one by one:
    what nothing but the next add reads is no stream (skip outputs of a WaveNet).

    Args:
        graph: The graph of a model.
    """
    sums = {id(call): summed for call, summed in _sums_of_kernels(graph, frozenset())}
    found: dict[int, bool] = {}
    for call in reversed([call for call in graph.calls if id(call) in sums]):
        readers = graph.readers.get(call.outputs[0], ())
        is_in_larger = len(readers) == 1 and found.get(id(readers[0]), False)
        is_many = len(sums[id(call)]) > 2
        found[id(call)] = is_in_larger or is_many or _are_as_deep(call, graph)
    return frozenset(key for key, is_plain in found.items() if is_plain)


def _are_as_deep(call: GraphCall, graph: Graph) -> bool:
    """Whether two values that are added have as many weighted layers of their own."""
    if len(set(call.inputs)) < 2:  # one value is added to itself
        return False
    first, second = (graph.ancestors(value) for value in dict.fromkeys(call.inputs))
    return graph.work(first - second) == graph.work(second - first)


def _sums_of_kernels(
    graph: Graph, joined: frozenset[int]
) -> Iterator[tuple[GraphCall, tuple[GraphCall, ...]]]:
    """Each add of what kernels give alone, side by side, and the calls of all those kernels.

    Args:
        graph: The graph of a model.
        joined: Identities of adds to leave out.
    """
    parts: dict[int, tuple[GraphCall, ...]] = {}  # value -> the calls whose results it is a sum of
    for call in graph.calls:
        if _is_kernel(call, graph):
            parts[call.outputs[0]] = (call,)
        elif _calls.is_add(call):
            made = [parts.get(value, ()) for value in dict.fromkeys(call.inputs)]
            summed = tuple(part for some in made for part in some)
            if id(call) in joined or not all(made) or not _is_side_by_side(summed, graph):
                continue
            parts[call.outputs[0]] = () if _is_halved(call, graph) else summed
            yield call, summed
        elif _passes_on(call, graph):
            parts.update(dict.fromkeys(call.outputs, parts.get(call.inputs[0], ())))


def _is_kernel(call: GraphCall, graph: Graph) -> bool:
    layer = call.operation
    has_one = kind_of(layer).family in WEIGHTED or id(layer) in graph.matrices
    return has_one and own_activation(layer) is None and len(call.outputs) == 1


def _passes_on(call: GraphCall, graph: Graph) -> bool:
    """Whether a call gives its input, or parts of it, at the size that it has."""
    family = kind_of(call.operation).family
    is_part = family == "part" or (family == "add" and len(call.inputs) == 1)  # or a constant
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
