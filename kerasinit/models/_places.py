"""Where each weighted layer stands in its model, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kerasinit.layers import is_norm, kind_of, own_activation
from kerasinit.models import _calls
from kerasinit.models._graph import Graph, GraphCall


@dataclass(frozen=True)
class Place:
    """What one weighted layer reads and what follows it.

    Args:
        calls: Its calls in the graph; empty where the graph is not known.
        activation: The activation that really follows, with no norm between; None where there is
            none, or where it follows a part of the output and another part goes on without.
        is_parted: Whether it is the latter: a GLU of one kernel.
        number: The number by which the signal is multiplied before that activation.
        norm: The norm that follows before the next weighted layer; None where there is none.
        adds: The residual adds that its output reaches with no weighted layer or norm between.
        gated: Those whose branch is multiplied by its output, as in `x + gate(c) * f(x)`.
        gates_in_part: Whether a part of its output does that: of shifts, scales and gates.
        before_add: The activation on the way to the first of them; None where there is none.
        factors: Weights, and other tensors, by which the signal is multiplied on that way.
        output: Whether the output of one of its calls leaves the model and no weighted layer reads
            it on any way.
        factor: Whether it would be an output, but is multiplied with what other kernels make first:
            generated weights, one of two towers.
    """

    calls: tuple[GraphCall, ...] = ()
    activation: Any | None = None
    is_parted: bool = False
    number: float = 1.0
    norm: Any | None = None
    adds: tuple[GraphCall, ...] = ()
    gated: tuple[GraphCall, ...] = ()
    gates_in_part: bool = False
    before_add: Any | None = None
    factors: tuple[Any, ...] = ()
    output: bool = False
    factor: bool = False


@dataclass
class _Findings:
    activations: list[Any] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    has_plain_part: bool = False
    norms: list[Any] = field(default_factory=list)
    adds: list[GraphCall] = field(default_factory=list)
    gated: list[GraphCall] = field(default_factory=list)
    gates_in_part: bool = False
    before_adds: list[Any | None] = field(default_factory=list)
    factors: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class _Way:
    """A value that the output of a layer was made into, and what lay between."""

    value: int
    passed: Any | None = None
    after_norm: bool = False
    number: float = 1.0
    factors: tuple[Any, ...] = ()
    is_part: bool = False
    is_gate: bool = False


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
    is_parted = own is None and found.has_plain_part and bool(found.activations)
    activation = own or (None if is_parted else next(iter(found.activations), None))
    last = any(is_last((call,), graph) for call in calls)
    factor = last and any(value in graph.multiplied for call in calls for value in call.outputs)
    return Place(
        calls=calls,
        activation=activation,
        is_parted=is_parted,
        number=1.0 if own else next(iter(found.numbers), 1.0),
        norm=next(iter(found.norms), None),
        adds=tuple(found.adds),
        gated=tuple(found.gated),
        gates_in_part=found.gates_in_part,
        before_add=next(iter(found.before_adds), None),
        factors=next(iter(found.factors), ()),
        output=last and not factor,
        factor=factor,
    )


def _follow(
    value: int, graph: Graph, found: _Findings, seen: set[int], *, passed: Any | None
) -> None:
    # Depth first, in a loop: a stream of a thousand branches is deeper than Python recurses.
    ways = [iter([_Way(value, passed)])]
    while ways:
        way = next(ways[-1], None)
        if way is None:
            ways.pop()
        elif way.value not in seen:
            seen.add(way.value)
            ways.append(_go_on(way, graph, found))


def _go_on(way: _Way, graph: Graph, found: _Findings) -> Iterator[_Way]:
    for call in graph.readers.get(way.value, ()):
        acts, normalizes = _calls.activation_of(call), is_norm(call.operation)
        opens = _calls.opens(call, way.value, graph)
        if way.is_gate:
            if _calls.is_add(call):
                found.gated.append(call)
                found.gates_in_part |= way.is_part
            if not _calls.is_transparent(call, graph):
                continue
        elif acts is not None:
            if not way.after_norm:
                found.activations.append(acts)
                found.numbers.append(way.number)
        elif normalizes:
            found.norms.append(call.operation)
            if way.passed is not None:
                continue
        elif _calls.is_add(call):
            if not way.after_norm:
                found.adds.append(call)
                found.before_adds.append(way.passed)
                found.factors.append(way.factors)
        elif not _calls.carries(call, way.value, graph):
            found.has_plain_part |= way.is_part and way.passed is None
            if not opens:
                continue
        for made in call.outputs:
            yield _Way(
                value=made,
                passed=acts if way.passed is None else way.passed,
                after_norm=way.after_norm or normalizes,
                number=way.number * call.number,
                factors=way.factors + call.factors,
                is_part=way.is_part or kind_of(call.operation).family == "part",
                is_gate=way.is_gate or opens,
            )


def is_last(calls: tuple[GraphCall, ...], graph: Graph) -> bool:
    """Whether what `calls` make leaves the model, and no weighted layer reads it on the way."""
    made = {value for call in calls for value in call.outputs}
    return not made.isdisjoint(graph.leaving) and made.isdisjoint(graph.weighed)


def leaves(calls: tuple[GraphCall, ...], graph: Graph) -> bool:
    """Whether what `calls` make leaves the model, but for activations, sums, shapes and parts."""
    waiting = [value for call in calls for value in call.outputs]
    seen = set(waiting)
    while waiting:
        value = waiting.pop()
        if value in graph.outputs:
            return True
        for call in graph.readers.get(value, ()):
            kind = kind_of(call.operation)
            keeps = kind.family in ("activation", "add", "part", "join")
            if keeps or _calls.activation_of(call) or _calls.is_transparent(call, graph):
                waiting += set(call.outputs) - seen
                seen |= set(call.outputs)
    return False


def reads_norm(calls: tuple[GraphCall, ...], graph: Graph) -> bool:
    """Whether what `calls` read comes out of norms, but for activations, shapes and parts."""
    waiting = [value for call in calls for value in call.inputs]
    seen = set(waiting)
    while waiting:
        value = waiting.pop()
        call = graph.maker.get(value)
        if call is None:
            return False
        if is_norm(call.operation):
            continue
        found = [one for one in call.inputs if _calls.carries(call, one, graph)]
        found = found or [*call.inputs] * (_calls.activation_of(call) is not None)
        if not found:
            return False
        waiting += set(found) - seen
        seen |= set(found)
    return bool(calls)
