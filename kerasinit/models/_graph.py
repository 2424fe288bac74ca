"""The calls of a model as one flat graph: nested models opened, subclassed models traced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.layers import is_closed, weight_kind

BATCH = 2  # samples in a trace that has to know their number


@dataclass(frozen=True)
class GraphCall:
    """One call of a layer or operation.

    Args:
        operation: The Keras layer or operation.
        inputs: Numbers of the values it reads.
        outputs: Numbers of the values it makes.
        shapes: Shapes of the values it makes.
    """

    operation: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True)
class Graph:
    """Every call of a model from its inputs to its outputs, in an order in which they can run.

    Args:
        inputs: Numbers of the values that enter the model.
        outputs: Numbers of the values that leave it.
        calls: The calls.
        shapes: Shapes of the inputs.
        unread: Identity of a layer that could not be opened -> why.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    calls: tuple[GraphCall, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    unread: dict[int, str] = field(default_factory=dict)

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
        return tuple(call for call in self.calls if call.operation is layer)

    def ancestors(self, value: int) -> frozenset[int]:
        """`value` and every value that it was made from."""
        known = self._ancestors
        return known.get(value, frozenset((value,)))

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


def read_graph(model: Any) -> Graph | None:
    """The flat graph of a built model, or None where its `call` cannot be traced.

    Args:
        model: A built Keras model or layer.
    """
    reader = _Reader()
    with _backend.without_traces(_backend.flat_layers(model)):
        try:
            ends = _backend.functional_ends(model) or _traced(model, _arguments(model))
            inputs = tuple(reader.number(tensor) for tensor in keras.tree.flatten(ends[0]))
            shapes = tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(ends[0]))
            calls = tuple(reader.read(*ends))
        except Exception:  # noqa: BLE001 - the `call` of any model runs here
            return None
        outputs = tuple(reader.number(tensor) for tensor in keras.tree.flatten(ends[1]))
    return Graph(inputs, outputs, calls, shapes, reader.unread)


class _Reader:
    """Numbers Keras tensors and opens nested models."""

    def __init__(self) -> None:
        self._next = count()
        self._numbers: dict[int, int] = {}
        self.unread: dict[int, str] = {}
        self._kept: list[Any] = []  # keeps tensors alive: numbers go by their identity

    def number(self, tensor: Any) -> int:
        if id(tensor) not in self._numbers:
            self._numbers[id(tensor)] = next(self._next)
            self._kept.append(tensor)
        return self._numbers[id(tensor)]

    def read(self, inputs: Any, outputs: Any) -> Iterator[GraphCall]:
        for operation, arguments, sources, made in _backend.graph_calls(inputs, outputs):
            inside = _open(operation, arguments, sources, self.unread)
            if inside is None:
                yield GraphCall(
                    operation,
                    tuple(self.number(tensor) for tensor in sources),
                    tuple(self.number(tensor) for tensor in made),
                    tuple(tuple(tensor.shape) for tensor in made),
                )
                continue
            # A model that is called twice is read twice, under new numbers for its inside.
            outer = dict(self._numbers)
            for inner, source in zip(keras.tree.flatten(inside[0]), sources, strict=True):
                self._numbers[id(inner)] = self.number(source)
                self._kept.append(inner)
            yield from self.read(*inside)
            results = [self.number(tensor) for tensor in keras.tree.flatten(inside[1])]
            self._numbers = outer
            for tensor, result in zip(made, results, strict=True):
                self._numbers[id(tensor)] = result
                self._kept.append(tensor)


def _open(
    operation: Any, arguments: Any, sources: list[Any], unread: dict[int, str]
) -> tuple[Any, Any] | None:
    """Inside of a nested model or composite layer, as (inputs, outputs); None for a plain call."""
    ends = _backend.functional_ends(operation)
    if ends is not None:
        return ends if len(keras.tree.flatten(ends[0])) == len(sources) else None
    if is_closed(operation) or not isinstance(operation, keras.layers.Layer):
        return None
    if len(_backend.flat_layers(operation)) == 1:
        return None
    own = _backend.own_variables(operation)
    if any(weight_kind(operation, variable) == "kernel" for variable in own):
        unread[id(operation)] = "it has a kernel of its own beside its layers"
        return None
    for known in (None, BATCH):  # a `call` may need to know the size of the batch
        fresh = [_like(tensor, known) for tensor in sources]
        try:
            new = {id(old): one for old, one in zip(sources, fresh, strict=True)}
            args, kwargs = arguments.fill_in(new)
            outputs = operation.call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the `call` of any layer runs here
            unread[id(operation)] = f"{type(error).__name__}: {error}"
        else:
            unread.pop(id(operation), None)
            return fresh, outputs
    return None


def _like(tensor: Any, batch: int | None) -> Any:
    size, *rest = tensor.shape or (None,)
    shape = (batch if size is None else size, *rest) if tensor.shape else ()
    return keras.Input(batch_shape=shape, dtype=tensor.dtype)


def _arguments(model: Any) -> Any:
    shapes = _backend.build_shapes(model)
    if not shapes:
        raise ValueError(f"{model.name!r} does not know the shapes it was built with.")
    tensors = {name: _inputs(shape) for name, shape in shapes.items()}
    return next(iter(tensors.values())) if len(tensors) == 1 else tensors


def _inputs(shape: Any) -> Any:
    if isinstance(shape, dict):
        return {name: _inputs(one) for name, one in shape.items()}
    if shape and isinstance(shape[0], (tuple, list)):
        return [_inputs(one) for one in shape]
    return keras.Input(batch_shape=tuple(shape))


def _traced(model: Any, arguments: Any) -> tuple[Any, Any]:
    named = isinstance(arguments, dict) and set(arguments) == set(_backend.build_shapes(model))
    outputs = model.call(**arguments) if named else model.call(arguments)
    return arguments, outputs
