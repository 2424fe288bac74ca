"""Where each weighted layer stands in its model, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kerasinit.layers import is_norm, is_table, kind_of, mixes, own_activation
from kerasinit.models import _calls
from kerasinit.models._graph import Graph, GraphCall


@dataclass(frozen=True)
class Place:
    """What one weighted layer reads and what follows it.

    Args:
        calls: Its calls in the graph; empty where the graph is not known.
        activation: The activation that really follows; None where there is none.
        norm: The norm that follows before the next weighted layer; None where there is none.
        adds: The residual adds that its output reaches with no weighted layer or norm between.
        before_add: The activation on the way to the first of them; None where there is none.
        output: Whether the output of one of its calls leaves the model and no weighted layer reads
            it on any way.
    """

    calls: tuple[GraphCall, ...] = ()
    activation: Any | None = None
    norm: Any | None = None
    adds: tuple[GraphCall, ...] = ()
    before_add: Any | None = None
    output: bool = False


@dataclass
class _Findings:
    activations: list[Any] = field(default_factory=list)
    norms: list[Any] = field(default_factory=list)
    adds: list[GraphCall] = field(default_factory=list)
    before_adds: list[Any | None] = field(default_factory=list)


def place_of(layer: Any, graph: Graph | None) -> Place:
    """The place of `layer` in `graph`; only its own activation where there is no graph."""
    own = own_activation(layer)
    calls = graph.calls_of(layer) if graph is not None else ()
    if graph is None or not calls:
        return Place(activation=own)
    found = _Findings()
    seen: set[int] = set()
    for call in calls:
        for value in call.outputs:
            _follow(value, graph, found, seen, passed=own)
    activation = own or next(iter(found.activations), None)
    return Place(
        calls,
        activation,
        next(iter(found.norms), None),
        tuple(found.adds),
        next(iter(found.before_adds), None),
        any(is_last((call,), graph) for call in calls),
    )


def _follow(
    value: int,
    graph: Graph,
    found: _Findings,
    seen: set[int],
    *,
    passed: Any | None = None,
    after_norm: bool = False,
) -> None:
    if value in seen:
        return
    seen.add(value)
    for call in graph.readers.get(value, ()):
        acts, normalizes = _calls.activation_of(call), is_norm(call.operation)
        if acts is not None:
            found.activations.append(acts)
        elif normalizes:
            found.norms.append(call.operation)
            if passed is not None:
                continue
        elif _calls.is_add(call):
            if not after_norm:
                found.adds.append(call)
                found.before_adds.append(passed)
        elif not _calls.carries(call, value, graph):
            continue
        for made in call.outputs:
            _follow(
                made,
                graph,
                found,
                seen,
                passed=acts if passed is None else passed,
                after_norm=after_norm or normalizes,
            )


def residual_adds(graph: Graph) -> tuple[GraphCall, ...]:
    """The adds that join a branch with the skip around it, in the order of the model.

    The branch must end in weights: a mask or a position bias that is added to scores ends in none.
    """
    blends = [found for call in graph.calls for found in _blend(call, graph)]
    known = {id(call) for call in blends}
    return tuple(
        call
        for call in graph.calls
        if _calls.is_add(call) and id(call) not in known and _is_residual(call, graph)
    )


def _blend(add: GraphCall, graph: Graph) -> tuple[GraphCall, ...]:
    """The add and the difference of a blend, `x + share * (y - x)`, which is bounded as it is."""
    if not _calls.is_add(add):
        return ()
    for value in add.inputs:
        call = source_of(value, graph)
        if call is None:
            continue
        is_scaled = kind_of(call.operation).name == "Multiply"
        before = [graph.maker.get(one) for one in call.inputs] if is_scaled else []
        for found in (call, *before):
            if found is None or kind_of(found.operation).name != "Subtract":
                continue
            if set(found.inputs) & (set(add.inputs) - {value}):
                return add, found
    return ()


def _is_residual(add: GraphCall, graph: Graph) -> bool:
    skip = skip_of(add, graph)
    if skip is None or _is_gated(skip, graph):
        return False
    return any(_comes_of_weights(value, graph) for value in add.inputs if value != skip)


def nesting(adds: tuple[GraphCall, ...], graph: Graph) -> dict[int, frozenset[int]]:
    """Identity of a residual add -> the adds in whose branches, from their skips on, it lies."""
    branches = [(add, _made_in_branch(add, graph), start_of(add, graph)) for add in adds]

    def around(add: GraphCall) -> Iterator[int]:
        (value,) = add.outputs
        for other, inside, start in branches:
            if other is not add and value in inside and start in graph.ancestors(value):
                yield id(other)

    return {id(add): frozenset(around(add)) for add in adds}


def start_of(add: GraphCall, graph: Graph) -> int | None:
    """The value that skip and branch of an add are made from, before it is scaled or projected."""
    value = skip_of(add, graph)
    branch = frozenset().union(*(graph.ancestors(one) for one in add.inputs if one != value))
    while value is not None and value not in branch:
        call = graph.maker.get(value)
        if call is None or not (_calls.is_transparent(call, graph) or mixes(call.operation)):
            break
        value = call.inputs[0]
    return value


def _is_gated(value: int, graph: Graph) -> bool:
    """Whether a signal scales a value, as `(1 - t) * x` in a highway, which bounds the stream."""
    call = source_of(value, graph)
    if call is None or kind_of(call.operation).name != "Multiply":
        return False
    return len(set(call.inputs)) > 1


def _comes_of_weights(value: int, graph: Graph) -> bool:
    """Whether nothing but what keeps or bounds the signal lies between a value and a kernel."""
    waiting, seen = [value], {value}
    while waiting:
        call = graph.maker.get(waiting.pop())
        if call is None:
            continue
        if mixes(call.operation) and not is_table(call.operation):
            return True
        goes_on = (
            _calls.is_add(call) or _calls.activation_of(call) is not None or is_norm(call.operation)
        )
        found = {one for one in call.inputs if goes_on or _calls.carries(call, one, graph)} - seen
        seen |= found
        waiting.extend(found)
    return False


def is_last(calls: tuple[GraphCall, ...], graph: Graph) -> bool:
    """Whether what `calls` make leaves the model, and no weighted layer reads it on the way."""
    made = {value for call in calls for value in call.outputs}
    return not made.isdisjoint(graph.leaving) and made.isdisjoint(graph.weighed)


def skip_of(add: GraphCall, graph: Graph) -> int | None:
    """Which input of an add is the skip: what the others, its branches, go around.

    All of them are made of one value. The skip is that value, perhaps scaled, or its projection by
    one layer, and each branch has more weighted layers. A skip has the shape of the sum: what is
    spread over it (a time, a query among keys) carries no stream.
    """
    values = list(dict.fromkeys(add.inputs))
    common = frozenset.intersection(*map(graph.ancestors, values))
    if len(values) < 2 or not common:
        return None
    passed = _passed(values, common, graph)
    skip, *branches = sorted(values, key=lambda value: passed[value])
    if passed[skip] > 1 or passed[skip] == passed[branches[0]]:
        return None
    return skip if _calls.may_be_equal(graph.shape[skip], add.shapes[0]) else None


def _passed(values: list[int], starts: frozenset[int], graph: Graph) -> dict[int, int]:
    """Value -> weighted layers on its shortest way from some earlier values."""
    passed = dict.fromkeys(starts, 0)
    between = frozenset().union(*map(graph.ancestors, values)) - starts
    for call in graph.in_order(between):
        if not passed.keys().isdisjoint(call.inputs):
            passed.update(dict.fromkeys(call.outputs, _calls.weights_passed(call, passed)))
    return passed


def source_of(value: int, graph: Graph) -> GraphCall | None:
    """The call that made a value, before it was scaled, dropped or reshaped; None for an input."""
    call = graph.maker.get(value)
    while call is not None and _calls.is_transparent(call, graph):
        call = graph.maker.get(call.inputs[0])
    return call


def branches_into(add: GraphCall, graph: Graph) -> int:
    """How many branches a residual add joins: also those whose sum it adds."""
    skip = skip_of(add, graph)
    waiting = [value for value in dict.fromkeys(add.inputs) if value != skip]
    count = 0
    while waiting:
        call = source_of(waiting.pop(), graph)
        if call is not None and _calls.is_add(call) and skip_of(call, graph) is None:
            waiting.extend(call.inputs)
        else:
            count += 1
    return count


def branch_calls(add: GraphCall, graph: Graph) -> tuple[GraphCall, ...]:
    """The calls of the branches that end in a residual add, from the input on."""
    return graph.in_order(_made_in_branch(add, graph))


def _made_in_branch(add: GraphCall, graph: Graph) -> frozenset[int]:
    """The values that the branches of an add make."""
    skip = skip_of(add, graph)
    if skip is None:
        return frozenset()
    return frozenset().union(*map(graph.ancestors, add.inputs)) - graph.ancestors(skip)
