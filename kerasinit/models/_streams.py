"""Residual streams of a graph: how many branches lie on the way through each of their adds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from kerasinit.layers import is_norm
from kerasinit.models._calls import carried, source_of
from kerasinit.models._graph import Graph, GraphCall
from kerasinit.models._odd_part_rule import SHALLOW
from kerasinit.models._places import Place
from kerasinit.models._skips import residual_adds, skip_of


@dataclass(frozen=True)
class Streams:
    """The residual streams of a model.

    Args:
        graph: Its graph.
    """

    graph: Graph

    @cached_property
    def adds(self) -> tuple[GraphCall, ...]:
        """Its residual adds, in the order of the model."""
        return residual_adds(self.graph)

    @cached_property
    def outer_adds(self) -> tuple[GraphCall, ...]:
        """Those in no branch of another one."""
        return tuple(add for add in self.adds if not self._around[id(add)])

    def branches_beside(self, place: Place, adds: tuple[GraphCall, ...]) -> int:
        """Branches of the stream on which a layer ends one, its own included; 0 if it ends none.

        None does on a stream that a norm bounds, or whose every sum is halved.

        Args:
            place: The place of the layer.
            adds: Those of its adds to look at: where it ends a branch, or multiplies one.
        """
        if not self.adds or self.is_normalized:
            return 0
        counts, ends = [0], []
        values = {value for call in place.calls for value in call.outputs}
        for add in adds:
            skip = self._skips.get(id(add))
            if skip is None or id(add) in self._halved:
                continue
            if values.isdisjoint(self.graph.ancestors(skip)):
                counts.append(self._along[id(add)])
                ends.append(add)
        # Of a sum within a branch, and of the branch; and of the calls of a layer that passes
        # messages, each added to the same start: `h = relu(start + W(sum of h around))`.
        return max(*counts, _most_in_a_row(ends, self.graph) if len(place.calls) > 1 else 0)

    def is_in_short_branch(self, place: Place, *, behind_norm: bool = False) -> bool:
        """Whether a layer lies in a branch of fewer hidden layers than pay for a rule of theirs.

        Args:
            place: The place of the layer.
            behind_norm: Whether nothing must reach it from the stream but through a norm.
        """
        if not place.calls or not self.adds:
            return False
        made = {value for call in place.calls for value in call.outputs}
        read = {value for call in place.calls for value in call.inputs}
        is_there = made <= self._in_short_branches
        return is_there and not (behind_norm and read & self._without_norm)

    @cached_property
    def _in_short_branches(self) -> frozenset[int]:
        """Values that are made within a branch of at most `SHALLOW` weighted layers in a row."""
        found: set[int] = set()
        for add in self.adds:
            skip = self._skips[id(add)]
            for end in set(add.inputs) - {skip}:
                values = self.graph.ancestors(end) - self.graph.ancestors(skip)
                made = [self.graph.maker[value] for value in sorted(values & {*self.graph.maker})]
                kernels = [call for call in made if _has_kernel(call)]
                if _most_in_a_row(kernels, self.graph) <= SHALLOW:  # the last one is not hidden
                    found |= values
        return frozenset(found)

    @cached_property
    def _without_norm(self) -> set[int]:
        """Values to which a way leads from the stream, or an input, that passes no norm."""
        sums = {value for add in self.adds for value in add.outputs}
        starts = {*self.graph.inputs, *sums, *self._skips.values()}
        norms = [call for call in self.graph.calls if is_norm(call.operation)]
        return self.graph.reached(starts, without=norms)

    @cached_property
    def is_normalized(self) -> bool:
        """Whether what most skips carry comes out of a norm (post-norm Transformers).

        The first skip does not count: a norm may stand in front of a pre-norm stack.
        """
        starts = [whole[0] for whole in self._sums]
        makers = [source_of(self._skips[id(add)], self.graph) for add in starts[1:] or starts]
        norms = sum(maker is not None and is_norm(maker.operation) for maker in makers)
        return 2 * norms > len(makers)

    @cached_property
    def _skips(self) -> dict[int, int]:
        """Identity of a residual add -> its skip."""
        skips = ((add, skip_of(add, self.graph)) for add in self.adds)
        return {id(add): skip for add, skip in skips if skip is not None}

    @cached_property
    def _sums(self) -> list[list[GraphCall]]:
        """The residual adds by the call that they were, each of a skip and its branches."""
        found: list[list[GraphCall]] = []
        for add in self.adds:
            last = found[-1][-1] if found else add
            is_alone = self.graph.readers.get(last.outputs[0]) == (add,)
            if is_alone and last.operation is add.operation:
                found[-1].append(add)
            else:
                found.append([add])
        return found

    @cached_property
    def _halved(self) -> frozenset[int]:
        """Identities of the adds whose whole sum is halved."""
        sums = (
            adds for adds in self._sums if _is_halved(adds, self._skips[id(adds[0])], self.graph)
        )
        return frozenset(id(add) for adds in sums for add in adds)

    @cached_property
    def _around(self) -> dict[int, frozenset[int]]:
        """Identity of a residual add -> the adds in whose branches it lies.

        An add inside the branch of another one (a FiLM, a block in a block) is of another stream.
        """
        return _nesting(self.adds, self.graph)

    @cached_property
    def _along(self) -> dict[int, int]:
        """Identity of a residual add -> branches on the longest way of its stream through it."""
        return _branches_along(self.adds, self._around, self.graph)


def _nesting(adds: tuple[GraphCall, ...], graph: Graph) -> dict[int, frozenset[int]]:
    """Identity of a residual add -> the adds in whose branches, from their skips on, it lies.

    A sum that leaves a branch on another way lies in none: of the two streams of a reversible
    network, each is read by the branches of the other, and goes on.
    """
    branches = []
    for add in adds:
        skip = skip_of(add, graph)
        if skip is not None:
            inside = [graph.ancestors(end) for end in add.inputs if end != skip]
            branches.append((add, carried(skip, graph), inside, graph.ancestors(skip)))

    def around(add: GraphCall) -> Iterator[int]:
        (value,) = add.outputs
        above = graph.ancestors(value)
        for other, start, inside, before in branches:
            in_branch = any(value in one for one in inside) and value not in before
            if other is add or not in_branch or start not in above:
                continue
            if graph.reached((value,), without=(other,)).isdisjoint(graph.outputs):
                yield id(other)

    return {id(add): frozenset(around(add)) for add in adds}


def _branches_along(
    adds: tuple[GraphCall, ...], around: dict[int, frozenset[int]], graph: Graph
) -> dict[int, int]:
    """Identity of a residual add -> adds on the longest way through it, those of one nesting.

    The way is that of the stream, from skip to skip, and starts anew after a norm (Conformer).

    Args:
        adds: The residual adds, in the order of the graph.
        around: See `_nesting`.
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


def _is_halved(adds: list[GraphCall], skip: int, graph: Graph) -> bool:
    """Whether a sum, as `(x + y) / 2`, or each of its parts is scaled down, so that it keeps size.

    Args:
        adds: The adds of a skip and its branches, one behind the other.
        skip: Number of the skip.
        graph: The graph of the model.
    """
    after = [call for value in adds[-1].outputs for call in graph.readers.get(value, ())]
    if after and all(call.halves for call in after):
        return True
    parts = [*adds[0].inputs, *(add.inputs[-1] for add in adds[1:])]
    makers = [graph.maker.get(value) for value in parts]
    if not all(maker is not None and maker.halves for maker in makers):
        return False
    return len(graph.readers[graph.maker[skip].inputs[0]]) > 1  # the branch reads the whole


def _has_kernel(call: GraphCall) -> bool:
    weights = getattr(call.operation, "weights", ())
    return not is_norm(call.operation) and any(len(one.shape) > 1 for one in weights)


def _most_in_a_row(calls: Sequence[GraphCall], graph: Graph) -> int:
    """How many of some calls lie one behind the other, at most.

    Args:
        calls: Some calls, in the order of the graph.
        graph: The graph of a model.
    """
    counts: list[int] = []
    for number, call in enumerate(calls):
        before = {value for made in call.outputs for value in graph.ancestors(made)}
        behind = [counts[n] for n in range(number) if before & {*calls[n].outputs}]
        counts.append(1 + max(behind, default=0))
    return max(counts, default=0)
