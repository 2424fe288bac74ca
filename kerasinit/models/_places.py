"""Where each weighted layer stands in its model, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kerasinit.layers import is_norm, own_activation
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


def is_last(calls: tuple[GraphCall, ...], graph: Graph) -> bool:
    """Whether what `calls` make leaves the model, and no weighted layer reads it on the way."""
    made = {value for call in calls for value in call.outputs}
    return not made.isdisjoint(graph.leaving) and made.isdisjoint(graph.weighed)


def source_of(value: int, graph: Graph) -> GraphCall | None:
    """The call that made a value, before it was scaled, dropped or reshaped; None for an input."""
    call = graph.maker.get(value)
    while call is not None and _calls.is_transparent(call, graph):
        call = graph.maker.get(call.inputs[0])
    return call
