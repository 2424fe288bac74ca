"""Plain stacks: weighted layers joined by nothing but elementwise activations, and their roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kerasinit import theory
from kerasinit.layers import (
    is_channels_first,
    is_one_matrix,
    kind_of,
    own_activation,
    pixels_merged,
    variable_of,
)
from kerasinit.models import _calls
from kerasinit.models._graph import Graph, GraphCall

BOTTLENECK = 5  # times narrower than both its neighbours


@dataclass(frozen=True)
class StackRole:
    """The place of one layer in a plain stack.

    Args:
        layer: A Dense or convolution layer.
        before: The activation its inputs went through in the stack; None for a first layer.
        after: The activation its outputs go through in the stack; None for a last layer.
        depth: Hidden layers of the stack.
        pixels: Pixels that a flattening laid side by side on its input axis.
        reads_data: Whether the first layer of the stack is no convolution and nothing but norms is
            trained above it (`Graph.reads_data`).
        joins_data: Whether that layer reads several inputs side by side, a dense layer behind each.
    """

    layer: Any
    before: theory.Activation | None
    after: theory.Activation | None
    depth: int
    pixels: int = 1
    reads_data: bool = False
    joins_data: bool = False

    @property
    def name(self) -> str:
        """`"first"`, `"hidden"` or `"last"` layer of the stack."""
        if self.before is None:
            return "first"
        return "last" if self.after is None else "hidden"


@dataclass(frozen=True)
class _Link:
    reader: GraphCall
    activation: theory.Activation
    pixels: int


def roles(graph: Graph, fixed: frozenset[int] = frozenset()) -> dict[int, StackRole]:
    """Identity of a layer -> its role, for the layers of plain stacks.

    A layer passes its signal on to a stack if every path from its output leads through one and
    the same elementwise activation, and otherwise only through what keeps channels apart, into
    plain Dense and convolution layers. A layer that is called twice ends a stack.

    Args:
        graph: The graph of the model.
        fixed: Identities of layers whose kernel is not drawn: they are in no stack.
    """
    plain = [call for call in graph.calls if _is_plain(call, graph, fixed)]
    known = frozenset(map(id, plain))
    links = {id(call): links for call in plain if (links := _links(call, graph, known))}
    fed_by: dict[int, tuple[GraphCall, _Link]] = {}
    for call in plain:
        for link in links.get(id(call), ()):
            fed_by[id(link.reader)] = (call, link)
    above: dict[int, int] = {}  # hidden layers up to and with this one
    for call in plain:
        feeder = fed_by.get(id(call))
        above[id(call)] = (id(call) in links) + (above[id(feeder[0])] if feeder else 0)
    below: dict[int, int] = {}  # hidden layers after this one
    for call in reversed(plain):
        readers = [id(link.reader) for link in links.get(id(call), ())]
        below[id(call)] = max(((one in links) + below[one] for one in readers), default=0)
    found: dict[int, StackRole] = {}
    for call in plain:
        feeder, outgoing = fed_by.get(id(call)), links.get(id(call))
        if feeder is None and outgoing is None:
            continue
        found[id(call.operation)] = StackRole(
            call.operation,
            feeder[1].activation if feeder else None,
            outgoing[0].activation if outgoing else None,
            above[id(call)] + below[id(call)],
            feeder[1].pixels if feeder else 1,
            found[id(feeder[0].operation)].reads_data if feeder else _is_dense_on_data(call, graph),
            feeder is None and _joins_data(call, graph),
        )
    return found


def _is_dense_on_data(call: GraphCall, graph: Graph) -> bool:
    kernel = variable_of(call.operation, "kernel")
    return kernel is not None and len(kernel.shape) == 2 and graph.reads_data(call)


def _joins_data(call: GraphCall, graph: Graph) -> bool:
    join = _calls.source_of(call.inputs[0], graph)
    if join is None or kind_of(join.operation).name != "Concatenate":
        return False
    makers = [_calls.weighted_source(value, graph) for value in join.inputs]
    return all(one is None or _is_dense_on_data(one, graph) for one in makers)


def _is_plain(call: GraphCall, graph: Graph, fixed: frozenset[int]) -> bool:
    layer = call.operation
    if not is_one_matrix(layer) or is_channels_first(layer) or len(graph.calls_of(layer)) != 1:
        return False
    return id(layer) not in fixed


def _links(call: GraphCall, graph: Graph, plain: frozenset[int]) -> tuple[_Link, ...] | None:
    own = own_activation(call.operation)
    found = []
    try:
        activation = None if own is None else theory.resolve(own)
        for reader, follower, pixels in _paths(call.outputs[0], graph, plain, activation, 1):
            found.append(_Link(reader, follower or theory.resolve(None), pixels))
        if not found or len({link.activation for link in found}) != 1:
            return None
        point = theory.odd_part(found[0].activation)
    except (_TornError, ValueError):
        return None
    if point.kind == "mirror" and _is_too_narrow(call, found, graph):
        return None
    needs_bias = point.kind == "bias" and point.offset != 0
    if needs_bias and not all(link.reader.operation.use_bias for link in found):
        return None
    return tuple(found)


def _is_too_narrow(call: GraphCall, links: Sequence[_Link], graph: Graph) -> bool:
    """Whether a layer has no units to pair: one alone, or those of a bottleneck.

    Pairs halve what passes: 8 units between layers of 64 would start as 4.
    """
    width = graph.shape[call.outputs[0]][-1] or 0
    before = graph.shape[call.inputs[0]][-1] or 0
    after = [graph.shape[link.reader.outputs[0]][-1] or 0 for link in links]
    return width < 2 or BOTTLENECK * width <= min(before, *after)


class _TornError(Exception):
    """A path leads somewhere else than into a plain layer."""


def _paths(
    value: int,
    graph: Graph,
    plain: frozenset[int],
    activation: theory.Activation | None,
    pixels: int,
) -> Iterator[tuple[GraphCall, theory.Activation | None, int]]:
    readers = graph.readers.get(value, ())
    if value in graph.outputs or not readers:
        raise _TornError
    for call in readers:
        if id(call) in plain:
            yield call, activation, pixels
            continue
        follower = _calls.activation_of(call)
        if follower is not None and activation is None:
            yield from _paths(call.outputs[0], graph, plain, theory.resolve(follower), pixels)
        elif _calls.is_transparent(call, graph):
            before, after = graph.shape[value], graph.shape[call.outputs[0]]
            merged = pixels_merged(call.operation, before, after)
            if merged is None or (merged > 1 and pixels > 1):
                raise _TornError
            yield from _paths(call.outputs[0], graph, plain, activation, pixels * merged)
        else:
            raise _TornError
