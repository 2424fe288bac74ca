"""Where each weighted layer stands in its model, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


def place_of(layer: Any, graph: Graph | None) -> Place:
    """The place of `layer` in `graph`; only its own activation where there is no graph."""
    own = own_activation(layer)
    calls = graph.calls_of(layer) if graph is not None else ()
    if graph is None or not calls:
        return Place(activation=own)
    met: dict[str, list[Any]] = {"activation": [], "norm": [], "add": [], "before add": []}
    seen: set[int] = set()
    for value in (value for call in calls for value in call.outputs):
        for what, one in _met(value, graph, seen, passed=own):
            met[what].append(one)
    first = {what: next(iter(found), None) for what, found in met.items()}
    return Place(
        calls,
        own or first["activation"],
        first["norm"],
        tuple(met["add"]),
        first["before add"],
        any(is_last((call,), graph) for call in calls),
    )


def _met(
    value: int, graph: Graph, seen: set[int], *, passed: Any | None, after_norm: bool = False
) -> Iterator[tuple[str, Any]]:
    """What the signal meets on its ways, each with its kind, up to the next weighted layers."""
    if value in seen:
        return
    seen.add(value)
    for call in graph.readers.get(value, ()):
        acts, normalizes = _calls.activation_of(call), is_norm(call.operation)
        if acts is not None:
            yield "activation", acts
        elif normalizes:
            yield "norm", call.operation
            if passed is not None:
                continue
        elif _calls.is_add(call):
            if not after_norm:
                yield from (("add", call), ("before add", passed))
        elif not _calls.carries(call, value, graph):
            continue
        for made in call.outputs:
            yield from _met(
                made,
                graph,
                seen,
                passed=acts if passed is None else passed,
                after_norm=after_norm or normalizes,
            )


def residual_adds(graph: Graph) -> tuple[GraphCall, ...]:
    """The adds that join a branch with the skip around it, in the order of the model.

    The branch must end in weights: a mask or a position bias that is added to scores ends in none.
    """
    adds = [call for call in graph.calls if _calls.is_add(call)]
    blends = {id(found) for add in adds for found in _blend(add, graph)}
    return tuple(add for add in adds if id(add) not in blends and _is_residual(add, graph))


def _blend(add: GraphCall, graph: Graph) -> tuple[GraphCall, ...]:
    """The add and the difference of a blend, `x + share * (y - x)`, which is bounded as it is."""
    for value in add.inputs:
        call = _calls.source_of(value, graph)
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
    branches = [(add, made_in_branches(add, graph), start_of(add, graph)) for add in adds]

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
    call = _calls.source_of(value, graph)
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


def branches_into(add: GraphCall, graph: Graph) -> int:
    """How many branches an add joins: also those whose sum it adds."""
    count = 0
    for value in set(add.inputs) - {skip_of(add, graph)}:
        end = _calls.source_of(value, graph)
        if end is not None and _calls.is_add(end) and skip_of(end, graph) is None:
            count += branches_into(end, graph)
        else:
            count += 1
    return count


def made_in_branches(add: GraphCall, graph: Graph) -> frozenset[int]:
    """The values that the branches of an add make, from the input on."""
    skip = skip_of(add, graph)
    if skip is None:
        return frozenset()
    return frozenset().union(*map(graph.ancestors, add.inputs)) - graph.ancestors(skip)
