"""The calls of a model as one flat graph: nested models opened, subclassed models traced."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.layers import (
    is_closed,
    is_product,
    is_unknown,
    mixes,
    multiplies_by_constant,
    weight_kind,
)

# Samples, and entries of every other axis of unknown size, in the trace of a `call`; None where it
# need not know them. 32 is an image that may be halved five times; 8 a short sequence, and as many
# samples, for tensors whose first axis is not the batch.
SIZES: tuple[tuple[int | None, int | None], ...] = ((None, None), (2, None), (2, 32), (8, 8))
CONTEXT = ("training", "mask")  # arguments that Keras drops where a `call` has none of that name


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
    with _backend.symbolic_calls(_backend.flat_layers(model)), _backend.raw_calls():
        try:
            inputs, outputs = _backend.functional_ends(model) or _traced(model)
            numbers = tuple(reader.number(tensor) for tensor in keras.tree.flatten(inputs))
            shapes = tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(inputs))
            calls = tuple(reader.read(_backend.graph_calls(inputs, outputs)))
        except Exception as error:
            raise UnreadableError(_in_short(error)) from error
        made = tuple(reader.number(tensor) for tensor in _backend.symbolic_tensors(outputs))
    return Graph(numbers, made, calls, shapes, reader.unread, frozenset(reader.matrices))


class _Reader:
    """Numbers Keras tensors and opens nested models."""

    def __init__(self) -> None:
        self._next = count()
        self._numbers: dict[int, int] = {}
        self.unread: dict[int, str] = {}
        self.matrices: set[int] = set()
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
        for operation, arguments, sources, made in calls:
            inside = None
            if id(operation) not in opened:
                inside = _open(operation, arguments, sources, made, self.unread)
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


@dataclass(frozen=True)
class _Inside:
    """What a call does inside, with Keras tensors of its own."""

    inputs: list[Any]
    outputs: list[Any]
    calls: list[Any]
    is_matrix: bool = False


def _open(
    operation: Any, arguments: Any, sources: list[Any], made: list[Any], unread: dict[int, str]
) -> _Inside | None:
    """Inside of a nested model or composite layer; None for a plain call."""
    ends = _backend.functional_ends(operation)
    if ends is not None:
        inputs, outputs = map(_backend.symbolic_tensors, ends)
        if len(inputs) != len(sources):
            return None
        return _Inside(inputs, outputs, _backend.graph_calls(inputs, outputs))
    if is_closed(operation) or not isinstance(operation, keras.layers.Layer):
        return None
    variables = _backend.own_variables(operation)
    kernels = [one for one in variables if weight_kind(operation, one) == "kernel"]
    is_leaf = len(_backend.flat_layers(operation)) == 1
    if is_leaf and (len(kernels) != 1 or not is_unknown(operation)):
        return None
    for sizes in SIZES:
        fresh = [_like(tensor, *sizes) for tensor in sources]
        try:
            new = {id(old): one for old, one in zip(sources, fresh, strict=True)}
            args, kwargs = arguments.fill_in(new)
            call = _backend.plain_call(operation)
            outputs = _as_many(len(made), call(*args, **_accepted(operation, kwargs)))
            calls = _backend.graph_calls(fresh, outputs)
        except Exception as error:  # noqa: BLE001 - the `call` of any layer runs here
            if not is_leaf:
                unread[id(operation)] = _in_short(error)
        else:
            unread.pop(id(operation), None)
            uses = [call for call in calls if _holds(call, kernels)]
            if is_leaf and len(uses) != 1:
                return None
            is_matrix = len(kernels) == len(uses) == 1 and is_product(*uses[0][:2], *kernels)
            if any(not any(_holds(call, [kernel]) for call in uses) for kernel in kernels):
                # A kernel that is transposed, masked or normalized before its use.
                uses += [call for call in calls if multiplies_by_constant(*call[:2])]
            own = {id(call) for call in uses}
            calls = [(operation, *one[1:]) if id(one) in own else one for one in calls]
            return _Inside(fresh, outputs, calls, is_matrix)
    return None


def _holds(call: tuple[Any, Any, list[Any], list[Any]], variables: list[Any]) -> bool:
    """Whether one of some variables is among the arguments of a call."""
    given = _backend.given_to(*call[:2])
    tensors = [*variables, *(variable.value for variable in variables)]
    return any(one is tensor for one in given for tensor in tensors)


def _as_many(count: int, results: Any) -> list[Any]:
    """So many results of a call; what does not depend on its inputs is no Keras tensor.

    Raises:
        ValueError: If there are not so many.
    """
    flat = keras.tree.flatten(results)
    symbolic = _backend.symbolic_tensors(results)
    for found in (flat, symbolic):
        if len(found) == count:
            return found
    raise ValueError(f"its call returns {len(symbolic)} tensors, not {count} as before")


def _accepted(operation: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments without those of the context that `call` does not take, as Keras does."""
    known = inspect.signature(operation.call).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return kwargs
    return {name: value for name, value in kwargs.items() if name in known or name not in CONTEXT}


def _like(tensor: Any, batch: int | None, others: int | None) -> Any:
    shape = [batch if axis == 0 else others for axis in range(len(tensor.shape))]
    known = [own if size is None else size for own, size in zip(shape, tensor.shape, strict=True)]
    return keras.Input(batch_shape=known, dtype=tensor.dtype)


def _in_short(error: Exception) -> str:
    """The class of an error, and its message in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


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
    return _like(keras.KerasTensor(tuple(shape)), batch, others)
