"""Where each weighted layer stands in its model, and what follows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
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
        factors: Weights, and other tensors, by which the signal is multiplied on that way.
        output: Whether the output of one of its calls leaves the model and no weighted layer reads
            it on any way.
    """

    calls: tuple[GraphCall, ...] = ()
    activation: Any | None = None
    norm: Any | None = None
    adds: tuple[GraphCall, ...] = ()
    before_add: Any | None = None
    factors: tuple[Any, ...] = ()
    output: bool = False


@dataclass
class _Findings:
    activations: list[Any] = field(default_factory=list)
    norms: list[Any] = field(default_factory=list)
    adds: list[GraphCall] = field(default_factory=list)
    before_adds: list[Any | None] = field(default_factory=list)
    factors: list[tuple[Any, ...]] = field(default_factory=list)


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
        next(iter(found.factors), ()),
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
    factors: tuple[Any, ...] = (),
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
                found.factors.append(factors)
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
                factors=factors + call.factors,
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
    branches = []
    for add in adds:
        skip = skip_of(add, graph)
        if skip is not None:
            inside = [graph.ancestors(end) for end in add.inputs if end != skip]
            branches.append((add, _carried(skip, graph), inside, graph.ancestors(skip)))

    def around(add: GraphCall) -> Iterator[int]:
        (value,) = add.outputs
        above = graph.ancestors(value)
        for other, start, inside, before in branches:
            in_branch = any(value in one for one in inside) and value not in before
            if other is not add and in_branch and start in above:
                yield id(other)

    return {id(add): frozenset(around(add)) for add in adds}


def branches_along(
    adds: tuple[GraphCall, ...], around: dict[int, frozenset[int]], graph: Graph
) -> dict[int, int]:
    """Identity of a residual add -> adds on the longest way through it, those of one nesting.

    The way is that of the stream, from skip to skip, and starts anew after a norm (Conformer).

    Args:
        adds: The residual adds, in the order of the graph.
        around: See `nesting`.
        graph: The graph of the model.
    """
    alike: dict[frozenset[int], list[GraphCall]] = defaultdict(list)
    for add in adds:
        alike[around[id(add)]].append(add)

    above = _adds_above(adds, graph)

    def lead(first: GraphCall, last: GraphCall) -> bool:
        return id(first) in above[id(last)]

    found: dict[int, int] = {}
    for stream in alike.values():
        before: list[int] = []
        after: list[int] = []
        for add in stream:
            ways = [n for one, n in zip(stream, before, strict=False) if lead(one, add)]
            before.append(1 + max(ways, default=0))
        for add in reversed(stream):
            ways = [n for one, n in zip(reversed(stream), after, strict=False) if lead(add, one)]
            after.append(1 + max(ways, default=0))
        for add, up, down in zip(stream, before, reversed(after), strict=True):
            found[id(add)] = up + down - 1
    return found


def _adds_above(adds: tuple[GraphCall, ...], graph: Graph) -> dict[int, frozenset[int]]:
    """Identity of a residual add -> those that its skip is made from, with no norm between."""
    known, found = {id(add) for add in adds}, {}
    above: dict[int, frozenset[int]] = {}
    nothing: frozenset[int] = frozenset()
    for call in graph.calls:
        here = nothing
        if not is_norm(call.operation):
            here = here.union(*(above.get(value, nothing) for value in call.inputs))
        if id(call) in known:
            skip = skip_of(call, graph)
            found[id(call)] = nothing if skip is None else above.get(skip, nothing)
            here |= {id(call)}
        above.update((value, here) for value in call.outputs)
    return found


def _carried(value: int, graph: Graph) -> int:
    """The value that a scaled, dropped or reshaped one was made from."""
    maker = graph.maker.get(value)
    while maker is not None and _calls.is_transparent(maker, graph):
        value = maker.inputs[0]
        maker = graph.maker.get(value)
    return value


def _is_gated(value: int, graph: Graph) -> bool:
    """Whether a signal scales a value, as `(1 - t) * x` in a highway, which bounds the stream."""
    call = source_of(value, graph)
    if call is None or kind_of(call.operation).name != "Multiply":
        return False
    return len(set(call.inputs)) > 1


def is_halved(add: GraphCall, skip: int, graph: Graph) -> bool:
    """Whether a sum, as `(x + y) / 2`, or each of its parts is scaled down, so that it keeps size.

    Args:
        add: An add of a skip and a branch.
        skip: Number of the skip.
        graph: The graph of the model.
    """
    after = [call for value in add.outputs for call in graph.readers.get(value, ())]
    if after and all(call.halves for call in after):
        return True
    makers = [graph.maker.get(value) for value in add.inputs]
    if not all(maker is not None and maker.halves for maker in makers):
        return False
    return len(graph.readers[graph.maker[skip].inputs[0]]) > 1  # the branch reads the whole


def most_in_a_row(adds: Sequence[GraphCall], graph: Graph) -> int:
    """How many of some adds lie one behind the other, at most.

    Args:
        adds: Some adds, in the order of the graph.
        graph: The graph of a model.
    """
    counts: list[int] = []
    for number, add in enumerate(adds):
        before = {value for made in add.outputs for value in graph.ancestors(made)}
        behind = [counts[n] for n in range(number) if before & {*adds[n].outputs}]
        counts.append(1 + max(behind, default=0))
    return max(counts, default=0)


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
    """Which input of an add is the skip: the one that the longer branch was made from."""
    values = list(dict.fromkeys(add.inputs))
    if len(values) != 2:
        return None
    first, second = (graph.ancestors(value) for value in values)
    if not first & second:
        return None
    # The skip is the input itself, perhaps scaled, perhaps with other branches added by now, or (a
    # projection) the side with fewer weighted layers, or else with fewer calls.
    sides = [_length(own, graph) for own in (first - second, second - first)]
    streams = [value for value in values if _is_stream(value, first & second, graph)]
    if len(streams) == 1:
        skip = streams[0]
    elif sides[0] == sides[1]:
        return None
    else:
        skip = values[0] if sides[0] < sides[1] else values[1]
    # What is spread over the sum (a time, a query among keys) carries no stream, and is no
    # branch of what has as many weights.
    alike = values if sides[0][0] == sides[1][0] else [skip]
    same = all(_calls.may_be_equal(graph.shape[value], add.shapes[0]) for value in alike)
    return skip if same else None


def _is_stream(value: int, common: frozenset[int], graph: Graph) -> bool:
    """Whether a value is one of some others, perhaps scaled, or a sum in which one of them is."""
    waiting, seen = [value], {value}
    while waiting:
        value = waiting.pop()
        if value in common:
            return True
        call = graph.maker.get(value)
        if call is not None and (_calls.is_add(call) or _calls.is_transparent(call, graph)):
            waiting += set(call.inputs) - seen
            seen |= set(call.inputs)
    return False


def _length(values: frozenset[int], graph: Graph) -> tuple[int, int]:
    """Weighted layers, and calls, that make some values."""
    calls = {id(call): call for value in values if (call := graph.maker.get(value)) is not None}
    return sum(mixes(call.operation) for call in calls.values()), len(calls)


def source_of(value: int, graph: Graph) -> GraphCall | None:
    """The call that made a value, before it was scaled, dropped or reshaped; None for an input."""
    call = graph.maker.get(value)
    while call is not None and _calls.is_transparent(call, graph):
        call = graph.maker.get(call.inputs[0])
    return call


def branch_calls(call: GraphCall, graph: Graph) -> Iterator[GraphCall]:
    """The calls of the branch that ends in the add `call`, from the input on."""
    skip = skip_of(call, graph)
    if skip is None:
        return
    (end,) = (value for value in dict.fromkeys(call.inputs) if value != skip)
    inside = graph.ancestors(end) - graph.ancestors(skip)
    for candidate in graph.calls:
        if set(candidate.outputs) & inside:
            yield candidate
