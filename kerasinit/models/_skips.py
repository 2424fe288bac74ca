"""Residual adds of a graph: which they are, and which of what they add is the skip."""

from __future__ import annotations

from collections.abc import Iterator

from kerasinit.layers import is_norm, is_table, kind_of, mixes
from kerasinit.models import _calls
from kerasinit.models._calls import carried, source_of
from kerasinit.models._graph import Graph, GraphCall
from kerasinit.models._sums import plain_sums


def residual_adds(graph: Graph) -> tuple[GraphCall, ...]:
    """The adds that join a branch with the skip around it, in the order of the model.

    The branch must end in weights: a mask or a position bias that is added to scores ends in none.
    Outputs of layers beside each other (wide and deep) that are summed at the end carry no stream.
    """
    blends = [found for call in graph.calls for found in _blend(call, graph)]
    known = {id(call) for call in blends} | plain_sums(graph)
    found: list[GraphCall] = []
    sums: set[int] = set()
    for call in graph.calls:
        if _calls.is_add(call) and id(call) not in known and _is_residual(call, sums, graph):
            found.append(call)
            sums.update(call.outputs)
    return tuple(found)


def skip_of(add: GraphCall, graph: Graph) -> int | None:
    """Which input of an add is the skip: the one that the longer branch was made from."""
    values = list(dict.fromkeys(add.inputs))
    if len(values) != 2:
        return None
    first, second = (graph.ancestors(value) for value in values)
    if not first & second or any(_is_mask(value, graph) for value in values):
        return None
    # The skip is the input itself, perhaps scaled, perhaps with other branches added by now, or (a
    # projection) the side with fewer weighted layers, or else with fewer calls.
    sides = [
        (graph.work(own), len(graph.calls_for(own))) for own in (first - second, second - first)
    ]
    streams = [value for value in values if _is_stream(value, first & second, graph)]
    if _is_turned(values, first & second, sides):
        return None
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


def _is_residual(add: GraphCall, before: set[int], graph: Graph) -> bool:
    skip = skip_of(add, graph)
    if skip is None or _is_gated(skip, graph) or _is_sum_of_outputs(add, skip, before, graph):
        return False
    if _is_shift(skip, add, graph):
        return False
    return any(_comes_of_weights(value, graph) for value in add.inputs if value != skip)


def _is_sum_of_outputs(add: GraphCall, skip: int, before: set[int], graph: Graph) -> bool:
    """Whether no weighted layer reads an add, and none of what it adds is made into the rest.

    Args:
        add: An add of two values.
        skip: Its skip: the last block of a stream may have a projection there, of the sum before.
        before: Sums of the residual adds before.
        graph: The graph of the model.
    """
    if not graph.weighed.isdisjoint(add.outputs):
        return False
    first, second = (graph.ancestors(value) for value in dict.fromkeys(add.inputs))
    if any(_is_stream(value, first & second, graph) for value in add.inputs):
        return False
    while skip not in before:
        call = graph.maker.get(skip)
        if call is None or len(set(call.inputs)) != 1:
            return True
        (skip,) = set(call.inputs)
    return skip not in first & second


def _is_gated(value: int, graph: Graph) -> bool:
    """Whether a signal scales a value, as `(1 - t) * x` in a highway, which bounds the stream."""
    call = source_of(value, graph)
    if call is None or kind_of(call.operation).name != "Multiply":
        return False
    return len(set(call.inputs)) > 1


def _is_shift(value: int, add: GraphCall, graph: Graph) -> bool:
    """Whether a value is `shift(c)` in `h * scale(c) + shift(c)`: both are made of one condition.

    As in FiLM, `h * (1 + scale(c)) + shift(c)`, or in a flow, `x * exp(s(y)) + t(y)`.
    """
    (other,) = set(add.inputs) - {value}
    product, maker = source_of(other, graph), source_of(value, graph)
    scaled = None if product is None else _calls.carried_factor(product, graph)
    if product is None or maker is None or scaled is None:
        return False
    (factor,) = set(product.inputs) - {scaled}
    if _calls.is_share(factor, graph) or carried(value, graph) in graph.ancestors(other):
        return False
    return graph.ancestors(factor).issuperset(maker.inputs)


def _comes_of_weights(value: int, graph: Graph) -> bool:
    """Whether nothing but what keeps or bounds the signal lies between a value and a kernel.

    `x + stop_gradient(round(x) - x)` only rounds `x`: what lets no gradient through is no branch.
    """
    waiting, seen = [value], {value}
    while waiting:
        call = graph.maker.get(waiting.pop())
        if call is None or kind_of(call.operation).name == "StopGradient":
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


def _is_turned(values: list[int], common: frozenset[int], sides: list[tuple[int, int]]) -> bool:
    """Whether an add joins parts of one signal, none of them as it is: rotary positions.

    Args:
        values: The two that are added.
        common: Values that both are made from.
        sides: Weighted layers, and calls, that make each of the two alone.
    """
    return sides[0][0] == sides[1][0] == 0 and common.isdisjoint(values)


def _is_mask(value: int, graph: Graph) -> bool:
    """Whether a value is made of truth values alone: -1e9 where a sequence is padded."""
    while (call := graph.maker.get(value)) is not None and len(set(call.inputs)) == 1:
        if call.is_mask:
            return True
        (value,) = set(call.inputs)
    return False


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
