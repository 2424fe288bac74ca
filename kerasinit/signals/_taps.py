"""Watching a model's layers while it runs, without changing it."""

from __future__ import annotations

import contextlib
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import is_gating, is_linear, kind_of
from kerasinit.signals._watched_layers import WatchedLayer

Call: TypeAlias = Callable[..., Any]


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
        name: Path of the layer, and the number of the call where the layer is shared.
        watched: The layer.
        tap: Position of the tap at `value`.
        value: Pre-activation; the layer's output if its activation is not its own step.
        output: Activations after the layer's own activation or the one that follows it.
        layer_input: First input; None if it holds indices, whatever their type.
        activation: What turned `activation_input` into `output`; None if nothing did.
        activation_input: Values just before the activation.
        normalized: Whether a normalization followed.
        is_output: Whether `output` is an output of the model, as it is or in another form.
        head: Which of its flat outputs it is; None if it is none.
        is_gate: Whether `output` scales another signal.
        state_taps: Positions of the taps at further outputs, such as a state that is returned.
        again: An activation layer or operation right behind `activation`; None if there is none.
        ending: What that makes of `output`, until the outputs of the model are known.
    """

    name: str
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
    again: Any = None
    ending: Tensor | None = None

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

    The methods that are named like a task run what was called, note it, and give its result.

    Args:
        taps: One zero tensor for each tapping point in execution order; None to add nothing.
        keeps_steps: Whether `steps` are noted.
    """

    def __init__(self, taps: list[Tensor] | None = None, *, keeps_steps: bool = False) -> None:
        self.calls: list[WatchedCall] = []
        self.shapes: list[tuple[tuple[int, ...], str]] = []
        self.lone_norm: str | None = None  # a batch normalization of a single value
        self.steps: list[Step] = []
        self.made: list[int] = []  # numbers of the outputs of `calls`, once these are forgotten
        self.is_over = False  # what a loss calls (a teacher) is no part of the signal
        self._taps = taps
        self._keeps_steps = keeps_steps
        self._times: Counter[str] = Counter()  # calls of each name
        self._numbers: dict[int, tuple[int, Tensor]] = {}  # by id, kept alive
        self._sources: dict[int, tuple[Tensor, WatchedCall]] = {}  # by id, kept alive
        self._inside: list[WatchedLayer] = []
        self._known: list[int] = []  # calls that were recorded before each of these began
        self._pending: list[list[tuple[int, Callable[..., Tensor], Tensor]]] = []

    def tap(self, value: Tensor) -> Tensor:
        """`value` plus its zero tensor, whose gradient is the gradient by `value`."""
        position = len(self.shapes)
        self.shapes.append((tuple(value.shape), keras.backend.standardize_dtype(value.dtype)))
        if self._taps is None:
            return value
        return value + ops.cast(self._taps[position], value.dtype)

    def called(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """Runs a watched layer as its task says, and notes the step."""
        if self.is_over:
            return call(*args, **kwargs)
        known = len(self.calls)
        result = getattr(self, watched.task)(watched, call, args, kwargs)
        is_call = len(self.calls) > known
        if is_call and self.calls[-1].watched is not watched:
            return result  # what was recorded inside says it all
        if self._keeps_steps and not self._is_muted():
            self._note(watched.layer, (args, kwargs), result, is_call)
        return result

    def weighted(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """Records the call of a layer with weights."""
        if self._is_muted():
            return call(*args, **kwargs)
        self._inside.append(watched)
        self._known.append(len(self.calls))
        self._pending.append([])
        try:
            result = call(*args, **kwargs)
        finally:
            self._inside.pop()
            known = self._known.pop()
            activations = self._pending.pop()
        flat = keras.tree.flatten(result)
        made = {id(one.output) for one in self.calls[known:]}
        hands_on = watched.kernel is None or all(id(one) in made for one in flat)
        if made and hands_on and not activations:
            return result  # of layers inside, which have a record each
        given = None
        if kind_of(watched.layer).family != "embedding":
            given = next(filter(ops.is_tensor, keras.tree.flatten((args, kwargs))), None)
            given = given if _is_float(given) else None
        if len(activations) == 1:
            tap, activation, value = activations[0]
            self._record(watched, tap, value, flat[0], given, activation, value)
            return result
        floats = [k for k, one in enumerate(flat) if _is_float(one)]
        if not floats:
            return result
        first, *states = range(len(self.shapes), len(self.shapes) + len(floats))
        for k in floats:
            flat[k] = self.tap(flat[k])
        output = flat[floats[0]]
        self._record(watched, first, output, output, given, state_taps=tuple(states))
        return keras.tree.pack_sequence_as(result, flat)

    def own_activation(self, activation: Callable[..., Tensor], value: Tensor) -> Tensor:
        """Runs the `activation` of a weighted layer that is being called."""
        if self._is_muted() or not self._pending:
            return activation(value)
        position = len(self.shapes)
        value = self.tap(value)
        self._pending[-1].append((position, activation, value))
        return activation(value)

    def activation(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """An activation layer completes the call before it."""
        output = call(*args, **kwargs)
        known = self._known[-1] if self._known else 0
        last = self.calls[-1] if len(self.calls) > known and not self._is_muted() else None
        if last is not None and is_linear(last.activation) and args:
            if last.value.shape[-1] == output.shape[-1]:
                last.activation, last.activation_input, last.output = call, args[0], output
        elif last is not None and args and args[0] is last.output:
            last.again, last.ending = watched.layer, output
        return output

    def normalization(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """A normalization acts on the last recorded call."""
        if self.calls and not self._is_muted():
            self.calls[-1].normalized = True
        return call(*args, **kwargs)

    def batch_normalization(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """A normalization over the batch needs more than one value."""
        layer = watched.layer
        value = next(filter(ops.is_tensor, keras.tree.flatten((args, kwargs))))  # of several, too
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        channels = math.prod(value.shape[axis] for axis in axes)
        if None not in value.shape and math.prod(value.shape) == channels:
            self.lone_norm = self.lone_norm or layer.name
        return self.normalization(watched, call, args, kwargs)

    def moved(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """What a layer moves without changing it is followed."""
        result = call(*args, **kwargs)
        source = self._source(args[0] if args else None)
        if source is not None and ops.is_tensor(result):
            self._sources[id(result)] = result, source
        return result

    def product(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """A factor that a bounded activation made is a gate."""
        factors = [one for one in keras.tree.flatten((args, kwargs)) if ops.is_tensor(one)]
        sources = [self._source(one) for one in factors] if len(factors) == 2 else []
        for source in sources:
            # `x * sigmoid(x)` is an activation, made by hand.
            if source is not None and all(source.value is not one for one in factors):
                source.is_gate = is_gating(source.activation)
        return call(*args, **kwargs)

    def plain(self, watched: WatchedLayer, call: Call, args: Any, kwargs: Any) -> Any:
        """Nothing to note but the step."""
        return call(*args, **kwargs)

    def mark_outputs(self, outputs: Any) -> None:
        """Notes which calls produced the model's `outputs`."""
        heads = {id(tensor): k for k, tensor in enumerate(keras.tree.flatten(outputs))}
        for call in self.calls:
            if id(call.output) in heads:  # given out before that activation, too
                call.again = call.ending = None
            call.head = heads.get(id(call.output if call.ending is None else call.ending))
            call.is_output = call.head is not None
            call.ending = None
        if self.calls and not any(call.is_output for call in self.calls):
            self.calls[-1].is_output = True  # reshaped or scaled on its way out

    def forget(self) -> None:
        """Lets go of all tensors; `steps` and `made` stay."""
        self.made = [self._number(call.output) for call in self.calls]
        self.calls.clear()
        self._sources.clear()
        self._numbers.clear()

    def _record(self, watched: WatchedLayer, *fields: Any, **more: Any) -> None:
        self._times[watched.name] += 1
        times = self._times[watched.name]
        name = watched.name if times == 1 else f"{watched.name} (call {times})"
        self.calls.append(WatchedCall(name, watched, *fields, **more))

    def _is_muted(self) -> bool:
        """Whether the pass is inside of a layer that nothing can be read from."""
        return any(one.opaque for one in self._inside)

    def _note(self, layer: Any, given: Any, result: Any, is_call: bool) -> None:
        read = [one for one in keras.tree.flatten(given) if _is_float(one)]
        made = next(filter(_is_float, keras.tree.flatten(result)), None)
        if made is None:
            return
        self.steps.append(
            Step(
                layer,
                tuple(map(self._number, read)),
                self._number(made),
                tuple(tuple(one.shape) for one in read),
                tuple(made.shape),
                len(self.calls) - 1 if is_call else None,
            )
        )

    def _number(self, tensor: Tensor) -> int:
        return self._numbers.setdefault(id(tensor), (len(self._numbers), tensor))[0]

    def _source(self, tensor: Any) -> WatchedCall | None:
        """The call that made a value, which may have been moved since."""
        found = self._sources.get(id(tensor))
        if found is not None:
            return found[1]
        return next((call for call in reversed(self.calls) if call.output is tensor), None)


@contextlib.contextmanager
def watching(
    model: Any, watched: list[WatchedLayer], watch: ForwardPass, *, batch_statistics: bool
) -> Iterator[None]:
    """Lets the layers report to a `ForwardPass` until the block ends.

    The hooks lie on the layer instances, where they shadow the methods of the class, and are
    taken out again whatever happens.

    Args:
        model: The model, which computes nothing twice in the block: what a hook sees stays.
        watched: Its layers to hook.
        watch: What they report to.
        batch_statistics: Whether `BatchNormalization` uses the statistics of the batch, as in
            training: at the start its moving statistics would make it do nothing.
    """
    with contextlib.ExitStack() as hooks:
        hooks.enter_context(_backend.without_rematerialization(model))
        for one in watched:
            is_training = batch_statistics and one.task == "batch_normalization"
            hooked: dict[str, Any] = {"call": _call_hook(one, watch, is_training)}
            activation = getattr(one.layer, "activation", None)
            if one.is_weighted and not one.opaque and callable(activation):
                hooked["activation"] = _activation_hook(activation, watch)
            hooks.enter_context(_backend.replaced(one.layer, **hooked))
        yield


def _activation_hook(activation: Call, watch: ForwardPass) -> Call:
    @functools.wraps(activation, updated=())
    def hooked(*args: Any, **kwargs: Any) -> Any:
        return watch.own_activation(activation, *args, **kwargs)

    return hooked


def _call_hook(watched: WatchedLayer, watch: ForwardPass, is_training: bool) -> Call:
    call = watched.layer.call

    def hooked(*args: Any, **kwargs: Any) -> Any:
        if is_training:
            kwargs["training"] = True
        return watch.called(watched, call, args, kwargs)

    return hooked


def _is_float(tensor: Any) -> bool:
    if not ops.is_tensor(tensor):
        return False
    return bool(keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)))
