"""Watching a model's layers while it runs, without changing it."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import is_gating, is_linear, kind_of
from kerasinit.signals._watched_layers import WatchedLayer, WatchTask


@dataclass(frozen=True)
class Step:
    """One call of anything that is watched, in a graph whose values have numbers.

    Args:
        layer: The layer or operation.
        given: Numbers of the values that it reads.
        made: Number of what it makes.
        shapes: Shapes of what it reads.
        shape: Shape of what it makes.
        call: Which of the recorded calls it is; None if it is none.
    """

    layer: Any
    given: tuple[int, ...]
    made: int
    shapes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    call: int | None = None


@dataclass
class WatchedCall:
    """One call of one weighted layer, as the watch saw it.

    Args:
        watched: The layer.
        tap: Position of the tap at `value`.
        value: Pre-activation; the layer's output if its activation is not its own step.
        output: Activations after the layer's own activation or the one that follows it.
        layer_input: First input; None if it holds indices, whatever their type.
        activation: What turned `activation_input` into `output`; None if nothing did.
        activation_input: Values just before the activation.
        normalized: Whether a normalization followed.
        is_output: Whether `output` is an output of the model.
        head: Which of its flat outputs it is; None if it is none.
        is_gate: Whether `output` scales another signal.
        state_taps: Positions of the taps at further outputs, such as a state that is returned.
    """

    watched: WatchedLayer
    tap: int
    value: Tensor
    output: Tensor
    layer_input: Tensor | None
    activation: Callable[[Tensor], Tensor] | None = None
    activation_input: Tensor | None = None
    normalized: bool = False
    is_output: bool = False
    head: int | None = None
    is_gate: bool = False
    state_taps: tuple[int, ...] = ()

    def tensors(self) -> tuple[Tensor | None, ...]:
        """What a backend that traces must hand out by itself; see `with_tensors`."""
        return self.value, self.output, self.layer_input, self.activation_input

    def with_tensors(self, tensors: tuple[Tensor | None, ...]) -> WatchedCall:
        """The same call with the concrete values of `tensors()`."""
        value, output, layer_input, before = tensors
        return replace(
            self, value=value, output=output, layer_input=layer_input, activation_input=before
        )


class ForwardPass:
    """Collects the calls of one forward pass and adds the taps to the pre-activations.

    Args:
        taps: One zero tensor for each tapping point in execution order; None to add nothing.
        keeps_steps: Whether `steps` are noted.
    """

    def __init__(self, taps: list[Tensor] | None = None, *, keeps_steps: bool = False) -> None:
        self.calls: list[WatchedCall] = []
        self.shapes: list[tuple[tuple[int, ...], str]] = []
        self.lone_norm: str | None = None  # a batch normalization of a single value
        self.steps: list[Step] = []
        self._numbers: dict[int, tuple[int, Tensor]] = {}  # by id, kept alive
        self._taps = taps
        self._keeps_steps = keeps_steps
        self._sources: dict[int, tuple[Tensor, WatchedCall]] = {}  # by id, kept alive
        self._inside: list[WatchedLayer] = []
        self._pending: list[list[tuple[int, Callable[..., Tensor], Tensor]]] = []

    def tap(self, value: Tensor) -> Tensor:
        """`value` plus its zero tensor, whose gradient is the gradient by `value`."""
        position = len(self.shapes)
        self.shapes.append((tuple(value.shape), keras.backend.standardize_dtype(value.dtype)))
        if self._taps is None:
            return value
        return value + ops.cast(self._taps[position], value.dtype)

    def muted(self) -> bool:
        """Whether the pass is inside of a layer that nothing can be read from."""
        return any(one.opaque for one in self._inside)

    def weighted(
        self, watched: WatchedLayer, call: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """Runs a weighted layer and records it."""
        if self.muted():
            return call(*args, **kwargs)
        self._inside.append(watched)
        self._pending.append([])
        try:
            result = call(*args, **kwargs)
        finally:
            self._inside.pop()
            activations = self._pending.pop()
        flat = keras.tree.flatten(result)
        layer_input = (
            None if kind_of(watched.layer).family == "embedding" else _first_float((args, kwargs))
        )
        if len(activations) == 1:
            tap, activation, value = activations[0]
            self.calls.append(
                WatchedCall(watched, tap, value, flat[0], layer_input, activation, value)
            )
            return result
        floats = [k for k, one in enumerate(flat) if _is_float(one)]
        if not floats:
            return result
        first, *states = range(len(self.shapes), len(self.shapes) + len(floats))
        for k in floats:
            flat[k] = self.tap(flat[k])
        output = flat[floats[0]]
        self.calls.append(
            WatchedCall(watched, first, output, output, layer_input, state_taps=tuple(states))
        )
        return keras.tree.pack_sequence_as(result, flat)

    def own_activation(self, activation: Callable[..., Tensor], value: Tensor) -> Tensor:
        """Runs the `activation` of a weighted layer that is being called."""
        if self.muted() or not self._pending:
            return activation(value)
        position = len(self.shapes)
        value = self.tap(value)
        self._pending[-1].append((position, activation, value))
        return activation(value)

    def activation(self, function: Callable[..., Tensor], args: Any, kwargs: Any) -> Tensor:
        """Runs an activation layer, which completes the call before it."""
        output = function(*args, **kwargs)
        last = self.calls[-1] if self.calls and not self._inside else None
        if last is not None and is_linear(last.activation) and args:
            if last.value.shape[-1] == output.shape[-1]:
                last.activation, last.activation_input, last.output = function, args[0], output
        return output

    def noted(self, layer: Any, given: Any, result: Any, known: int) -> None:
        """Notes a step, which is the last recorded call if there are more of these than `known`."""
        if self.muted() or not self._keeps_steps:
            return
        read = [one for one in keras.tree.flatten(given) if _is_float(one)]
        made = next((one for one in keras.tree.flatten(result) if _is_float(one)), None)
        if made is None:
            return
        self.steps.append(
            Step(
                layer,
                tuple(map(self.number, read)),
                self.number(made),
                tuple(tuple(one.shape) for one in read),
                tuple(made.shape),
                len(self.calls) - 1 if len(self.calls) > known else None,
            )
        )

    def number(self, tensor: Tensor) -> int:
        """Number of a value of the graph."""
        return self._numbers.setdefault(id(tensor), (len(self._numbers), tensor))[0]

    def forget(self) -> None:
        """Lets go of all tensors."""
        self.calls.clear()
        self._sources.clear()
        self._numbers.clear()

    def mark_outputs(self, outputs: Any) -> None:
        """Notes which calls produced the model's `outputs`."""
        heads = {id(tensor): k for k, tensor in enumerate(keras.tree.flatten(outputs))}
        for call in self.calls:
            call.head = heads.get(id(call.output))
            call.is_output = call.head is not None

    def batch_normalization(self, layer: Any, value: Tensor) -> None:
        """Notes a normalization over the batch, which needs more than one value."""
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        channels = math.prod(value.shape[axis] for axis in axes)
        if None not in value.shape and math.prod(value.shape) == channels:
            self.lone_norm = self.lone_norm or layer.name
        self.normalization()

    def moved(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs a layer that moves values without changing them, and follows what it moves."""
        result = function(*args, **kwargs)
        call = self._source(args[0] if args else None)
        if call is not None and ops.is_tensor(result):
            self._sources[id(result)] = result, call
        return result

    def product(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs a product, whose factor from a bounded activation is a gate."""
        factors = [one for one in keras.tree.flatten((args, kwargs)) if ops.is_tensor(one)]
        calls = [self._source(one) for one in factors]
        for call in calls:
            # `x * sigmoid(x)` is an activation, made by hand.
            by_hand = call is not None and any(call.value is one for one in factors)
            if len(factors) == 2 and call is not None and not by_hand:
                call.is_gate = is_gating(call.activation)
        return function(*args, **kwargs)

    def _source(self, tensor: Any) -> WatchedCall | None:
        found = self._sources.get(id(tensor))
        if found is not None:
            return found[1]
        return next((call for call in reversed(self.calls) if call.output is tensor), None)

    def normalization(self) -> None:
        """Notes that a normalization acts on the last recorded call."""
        if self.calls and not self._inside:
            self.calls[-1].normalized = True


def layer_name(model: Any, layer: Any) -> str:
    """Path of a layer in its model."""
    return str((layer.path or layer.name).removeprefix(f"{model.name}/"))


def call_names(model: Any, calls: Sequence[WatchedCall]) -> tuple[str, ...]:
    """A name for each call: the path of its layer, and its number where the layer is shared."""
    times: Counter[str] = Counter()
    names = []
    for call in calls:
        name = layer_name(model, call.watched.layer)
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name} (call {times[name]})")
    return tuple(names)


@contextlib.contextmanager
def watching(
    watched: list[WatchedLayer], *, batch_statistics: bool
) -> Iterator[Callable[[ForwardPass], None]]:
    """Lets the layers report to a `ForwardPass` until the block ends; yields a setter for it.

    The hooks lie on the layer instances, where they shadow the methods of the class, and are
    taken out again whatever happens.

    Args:
        watched: The layers to hook.
        batch_statistics: Whether `BatchNormalization` uses the statistics of the batch, as in
            training: at the start its moving statistics would make it do nothing.
    """
    current: list[ForwardPass] = [ForwardPass()]
    with contextlib.ExitStack() as hooks:
        for one in watched:
            hooked: dict[str, Any] = {"call": _call_hook(one, current, batch_statistics)}
            activation = getattr(one.layer, "activation", None)
            if one.task is WatchTask.WEIGHTED and not one.opaque and callable(activation):
                hooked["activation"] = _activation_hook(activation, current)
            hooks.enter_context(_backend.replaced(one.layer, **hooked))
        yield lambda watch: current.__setitem__(0, watch)


def _call_hook(
    watched: WatchedLayer, current: list[ForwardPass], batch_statistics: bool
) -> Callable[..., Any]:
    call = watched.layer.call

    def hooked(*args: Any, **kwargs: Any) -> Any:
        watch = current[0]
        known = len(watch.calls)
        result = watched_by(watch, args, kwargs)
        watch.noted(watched.layer, (args, kwargs), result, known)
        return result

    def watched_by(watch: ForwardPass, args: Any, kwargs: Any) -> Any:
        if watched.task is WatchTask.WEIGHTED:
            return watch.weighted(watched, call, args, kwargs)
        if watched.task is WatchTask.ACTIVATION:
            return watch.activation(call, args, kwargs)
        if watched.task is WatchTask.MOVE:
            return watch.moved(call, args, kwargs)
        if watched.task is WatchTask.PRODUCT:
            return watch.product(call, args, kwargs)
        if watched.task is WatchTask.BATCH_NORMALIZATION:
            if batch_statistics:
                kwargs["training"] = True
            watch.batch_normalization(watched.layer, args[0] if args else kwargs["inputs"])
        elif watched.task is WatchTask.NORMALIZATION:
            watch.normalization()
        return call(*args, **kwargs)

    return hooked


def _activation_hook(
    activation: Callable[..., Tensor], current: list[ForwardPass]
) -> Callable[..., Tensor]:
    def hooked(value: Tensor) -> Tensor:
        return current[0].own_activation(activation, value)

    return hooked


def _first_float(structure: Any) -> Tensor | None:
    for tensor in keras.tree.flatten(structure):
        if ops.is_tensor(tensor):
            return tensor if _is_float(tensor) else None
    return None


def _is_float(tensor: Any) -> bool:
    if not ops.is_tensor(tensor):
        return False
    return bool(keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)))
