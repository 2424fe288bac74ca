"""The calls of a model as one flat graph: nested models opened, subclassed models traced."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import count
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.layers import (
    is_norm,
    is_product_of,
    kind_of,
    mixes,
    number_factor,
    rectifies,
    tensor_factors,
    waits_for_weights,
)
from kerasinit.models._opened import SIZES, corrected_shapes, in_short, like, open_call

HALVING = 0.7072  # a factor that halves a mean square, rounded up, dimensionless


@dataclass(frozen=True)
class GraphCall:
    """One call of a layer or operation.

    Args:
        operation: The Keras layer or operation.
        inputs: Numbers of the values it reads.
        outputs: Numbers of the values it makes.
        shapes: Shapes of the values it makes.
        number: The number by which it multiplies its signal.
        factors: Weights, and other tensors that nothing in the graph makes, by which it multiplies.
        is_mask: Whether what it makes is true or false.
        rectifies: Whether it is `maximum(x, 0)`.
    """

    operation: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    number: float = 1.0
    factors: tuple[Any, ...] = ()
    is_mask: bool = False
    rectifies: bool = False

    @property
    def halves(self) -> bool:
        """Whether it multiplies its signal by at most 1/sqrt(2): no sum of two grows."""
        return abs(self.number) <= HALVING


@dataclass(frozen=True)
class Graph:
    """Every call of a model from its inputs to its outputs, in an order in which they can run.

    Args:
        inputs: Numbers of the values that enter the model.
        outputs: Numbers of the values that leave it.
        calls: The calls.
        shapes: Shapes of the inputs.
        unread: Identity of a layer that could not be opened -> why.
        matrices: Identities of layers of unknown classes whose one kernel multiplies the signal.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    calls: tuple[GraphCall, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    unread: dict[int, str] = field(default_factory=dict)
    matrices: frozenset[int] = frozenset()

    @cached_property
    def maker(self) -> dict[int, GraphCall]:
        """Value -> the call that makes it; inputs are not in it."""
        return {value: call for call in self.calls for value in call.outputs}

    @cached_property
    def readers(self) -> dict[int, tuple[GraphCall, ...]]:
        """Value -> the calls that read it."""
        found: dict[int, list[GraphCall]] = {}
        for call in self.calls:
            for value in dict.fromkeys(call.inputs):
                found.setdefault(value, []).append(call)
        return {value: tuple(calls) for value, calls in found.items()}

    @cached_property
    def shape(self) -> dict[int, tuple[int | None, ...]]:
        """Value -> its shape."""
        known = dict(zip(self.inputs, self.shapes, strict=True))
        for call in self.calls:
            known.update(zip(call.outputs, call.shapes, strict=True))
        return known

    def calls_of(self, layer: Any) -> tuple[GraphCall, ...]:
        """The calls of one layer: several where it is shared."""
        return self._calls_by_operation.get(id(layer), ())

    @cached_property
    def _calls_by_operation(self) -> dict[int, tuple[GraphCall, ...]]:
        found: dict[int, list[GraphCall]] = {}
        for call in self.calls:
            found.setdefault(id(call.operation), []).append(call)
        return {key: tuple(calls) for key, calls in found.items()}

    @cached_property
    def leaving(self) -> frozenset[int]:
        """Values that leave the model, or are made into one that does."""
        found = set(self.outputs)
        for call in reversed(self.calls):
            if not found.isdisjoint(call.outputs):
                found.update(call.inputs)
        return frozenset(found)

    @cached_property
    def weighed(self) -> frozenset[int]:
        """Values that a layer with a kernel reads, or that are made into one which it reads."""
        found: set[int] = set()
        for call in reversed(self.calls):
            if mixes(call.operation) or not found.isdisjoint(call.outputs):
                found.update(call.inputs)
        return frozenset(found)

    @cached_property
    def multiplied(self) -> frozenset[int]:
        """Values that are made into a factor of a product of two signals, both of kernels."""
        weighed = [value for call in self.calls if mixes(call.operation) for value in call.outputs]
        of_kernels = self.reached(weighed, without=())
        found: set[int] = set()
        for call in reversed(self.calls):
            factors = set(call.inputs)
            is_product = is_product_of(call.operation, len(factors)) and factors <= of_kernels
            if is_product or not found.isdisjoint(call.outputs):
                found.update(factors)
        return frozenset(found)

    def ancestors(self, value: int) -> frozenset[int]:
        """`value` and every value that it was made from."""
        known = self._ancestors
        return known.get(value, frozenset((value,)))

    def calls_for(self, values: Iterable[int]) -> tuple[GraphCall, ...]:
        """The calls that make some values."""
        found = {id(call): call for value in values if (call := self.maker.get(value)) is not None}
        return tuple(found.values())

    def work(self, values: Iterable[int]) -> int:
        """Weighted layers that make some values."""
        return sum(mixes(call.operation) for call in self.calls_for(values))

    def reads_data(self, call: GraphCall) -> bool:
        """Whether nothing is trained above a call but norms: it reads inputs, perhaps prepared."""
        above = frozenset().union(*map(self.ancestors, call.inputs))
        makers = [self.maker[value].operation for value in above if value in self.maker]
        return all(is_norm(one) or not getattr(one, "trainable_weights", ()) for one in makers)

    def reached(self, values: Iterable[int], *, without: Iterable[GraphCall]) -> set[int]:
        """`values` and every value that is made from any of them.

        Args:
            values: Numbers of values.
            without: Calls that let nothing through.
        """
        stopped = {id(call) for call in without}
        found = set(values)
        for call in self.calls:
            if id(call) not in stopped and not found.isdisjoint(call.inputs):
                found.update(call.outputs)
        return found

    @cached_property
    def _ancestors(self) -> dict[int, frozenset[int]]:
        known = {value: frozenset((value,)) for value in self.inputs}
        for call in self.calls:
            above = frozenset().union(*(known.get(value, frozenset()) for value in call.inputs))
            for value in call.outputs:
                known[value] = above | {value}
        return known


class UnreadableError(Exception):
    """The `call` of a model cannot be traced; the message says why."""


def read_graph(model: Any) -> Graph:
    """The flat graph of a built model.

    Args:
        model: A built Keras model or layer.

    Raises:
        UnreadableError: If its `call` cannot be traced.
    """
    reader = _Reader()
    layers = _backend.flat_layers(model)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_backend.symbolic_calls(layers))
        stack.enter_context(_backend.raw_calls())
        for layer in filter(waits_for_weights, layers):
            # A layer of the user's may only note shapes when it is built.
            maker = "build" if _backend.is_of_keras(type(layer)) else "add_weight"
            stack.enter_context(_backend.replaced(layer, **{maker: partial(_refused, layer)}))
        try:
            inputs, outputs = _backend.functional_ends(model) or _traced(model)
            numbers = tuple(reader.number(tensor) for tensor in keras.tree.flatten(inputs))
            shapes = tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(inputs))
            calls = tuple(reader.read(_backend.graph_calls(inputs, outputs)))
        except Exception as error:
            raise UnreadableError(in_short(error)) from error
        made = tuple(reader.number(tensor) for tensor in _backend.symbolic_tensors(outputs))
    graph = Graph(numbers, made, calls, shapes, reader.unread, frozenset(reader.matrices))
    return replace(graph, calls=tuple(_in_pairs(graph, reader.number)))


def _refused(layer: Any, *arguments: Any, **named: Any) -> None:
    """In place of what makes weights: looking at a model makes none."""
    raise ValueError(f"{layer.name!r} is not built yet: call the model on a batch first")


class _Reader:
    """Numbers Keras tensors and opens nested models."""

    def __init__(self) -> None:
        self._next = count()
        self._numbers: dict[int, int] = {}
        self.unread: dict[int, str] = {}
        self.matrices: set[int] = set()
        self._corrected: dict[int, Any] = {}  # tensors whose recorded shape is not that of the call
        self._kept: list[Any] = []  # keeps tensors alive: numbers go by their identity

    def number(self, tensor: Any) -> int:
        if id(tensor) not in self._numbers:
            self._numbers[id(tensor)] = next(self._next)
            self._kept.append(tensor)
        return self._numbers[id(tensor)]

    def read(self, calls: list[Any], opened: frozenset[int] = frozenset()) -> Iterator[GraphCall]:
        """The flat calls.

        Args:
            calls: As `_backend.graph_calls` gives them.
            opened: Identities of layers whose inside this is: a call of one is that of its kernel.
        """
        for node in calls:
            operation, arguments, sources, made = node
            inside = None
            if id(operation) not in opened:
                inside = open_call(node, unread=self.unread, corrected=self._corrected)
            if inside is None:
                self._corrected |= corrected_shapes(node, self._corrected)
                self._kept.extend(made)
                yield GraphCall(
                    operation,
                    tuple(self.number(tensor) for tensor in sources),
                    tuple(self.number(tensor) for tensor in made),
                    tuple(tuple(tensor.shape) for tensor in made),
                    number_factor(operation, arguments),
                    tensor_factors(operation, arguments),
                    all(tensor.dtype == "bool" for tensor in made),
                    rectifies(operation, arguments),
                )
                continue
            # A model that is called twice is read twice, under new numbers for its inside.
            outer = dict(self._numbers)
            for inner, source in zip(inside.inputs, sources, strict=True):
                self._numbers[id(inner)] = self.number(source)
                self._kept.append(inner)
            if inside.is_matrix:
                self.matrices.add(id(operation))
            yield from self.read(inside.calls, opened | {id(operation)})
            results = [
                self.number(one if isinstance(one, keras.KerasTensor) else object())
                for one in inside.outputs
            ]
            self._numbers = outer
            for tensor, result in zip(made, results, strict=True):
                self._numbers[id(tensor)] = result
                self._kept.append(tensor)


def _in_pairs(graph: Graph, number: Callable[[object], int]) -> Iterator[GraphCall]:
    """The calls, with an add of a skip and several branches as adds of two, one for each branch.

    Args:
        graph: The graph as it was called.
        number: Gives a value its number.
    """
    for call in graph.calls:
        skip = _skip_of_many(call, graph)
        if skip is None:
            yield call
            continue
        total, (*others, last) = skip, dict.fromkeys(v for v in call.inputs if v != skip)
        for value in others:
            made = number(object())
            yield replace(call, inputs=(total, value), outputs=(made,))
            total = made
        yield replace(call, inputs=(total, last))


def _skip_of_many(call: GraphCall, graph: Graph) -> int | None:
    """Which of more than two signals of one shape the others are made from; None without one."""
    values = set(call.inputs)
    if len(values) < 3 or kind_of(call.operation).family != "add":
        return None
    if {graph.shape[value] for value in values} != set(call.shapes):
        return None
    for value in sorted(values):
        start = value
        while (maker := graph.maker.get(start)) and len(set(maker.inputs)) == 1:
            if mixes(maker.operation):
                break
            (start,) = set(maker.inputs)
        if all(start in graph.ancestors(other) for other in values):
            return value
    return None


def _traced(model: Any) -> tuple[Any, Any]:
    """Inputs and outputs of a call of a model that is no graph itself.

    Raises:
        Exception: Whatever its `call` raised, or the model does not know its input shapes.
    """
    shapes = _backend.build_shapes(model)
    call = _backend.plain_call(model)
    last: Exception = ValueError(f"{model.name!r} does not know the shapes it was built with.")
    for sizes in SIZES if shapes else ():
        given = {name: _inputs(shape, *sizes) for name, shape in shapes.items()}
        try:
            if len(given) > 1:
                return given, call(**given)
            (tensors,) = given.values()
            return tensors, call(tensors)
        except Exception as error:  # noqa: BLE001 - the `call` of any model runs here
            last = error
    raise last


def _inputs(shape: Any, batch: int | None, others: int | None) -> Any:
    if isinstance(shape, dict):
        return {name: _inputs(one, batch, others) for name, one in shape.items()}
    if shape and isinstance(shape[0], (tuple, list)):
        return [_inputs(one, batch, others) for one in shape]
    return like(keras.KerasTensor(tuple(shape)), batch, others)
