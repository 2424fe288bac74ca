"""Gate biases by the time that a memory must bridge: the chrono initialization."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._numbers import checked_whole
from kerasinit._typing import Shape, Tensor
from kerasinit.layers import activation_name, kind_of
from kerasinit.models._draw import Choice
from kerasinit.models._scene import Scene
from kerasinit.models._slots import Slot

LEAST = 2  # steps: of one there is nothing to remember
# Which gate of a cell of Keras keeps its state, and which lets new values in; a GRU lets in what it
# does not keep. Gates lie in the order input, forget, cell, output; update, reset, candidate.
KEEPS = {"LSTMCell": 1, "ConvLSTMCell": 1, "GRUCell": 0}
LETS_IN = {"LSTMCell": 0, "ConvLSTMCell": 0}


class ChronoBias(keras.initializers.Initializer):
    """The bias of an LSTM or a GRU whose units remember for 2 to `time_steps` steps.

    A unit whose gate keeps the part s of its state in a step forgets in about 1 / (1 - s) steps:
    with a bias of log u, u from U(1, T - 1), in 1 + u. What is let in at a step is as small as
    what is forgotten.

    Args:
        time_steps: The longest time to remember, T.
        units: Units per gate.
        keeps: Number of the gate that keeps the state.
        lets_in: Number of the gate that lets new values in; None where the first one does both.
        seed: None, or an int.

    Source: Tallec and Ollivier, 2018, section 2 (Keras' update gate of a GRU keeps the state: it is
    one minus theirs), https://arxiv.org/abs/1804.11188
    """

    def __init__(
        self,
        time_steps: int,
        units: int,
        *,
        keeps: int = 1,
        lets_in: int | None = 0,
        seed: Any = None,
    ) -> None:
        self.time_steps = time_steps
        self.units = units
        self.keeps = keeps
        self.lets_in = lets_in
        self.seed = seed

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        """A bias of `shape` `(gates * units,)`, or `(2, gates * units)`: for inputs, for states."""
        dtype = keras.backend.standardize_dtype(dtype)
        drawn = "float64" if dtype == "float64" else "float32"
        times = keras.random.uniform(
            (self.units,), 1.0, float(self.time_steps - 1), dtype=drawn, seed=self.seed
        )
        kept, zeros = ops.log(times), ops.zeros((self.units,), dtype=drawn)
        gates = [zeros] * (shape[-1] // self.units)
        gates[self.keeps] = kept
        if self.lets_in is not None:
            gates[self.lets_in] = -kept
        bias = ops.concatenate(gates)
        if len(shape) > 1:  # the two rows are added up
            bias = ops.stack([bias, *[ops.zeros_like(bias)] * (shape[0] - 1)])
        return ops.cast(bias, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {
            "time_steps": self.time_steps,
            "units": self.units,
            "keeps": self.keeps,
            "lets_in": self.lets_in,
            "seed": self.seed,
        }


def with_chrono(scene: Scene, choices: list[Choice], time_steps: int | None) -> list[Choice]:
    """The choices, with gate biases for a memory of so many steps.

    Args:
        scene: The model.
        choices: One for each variable.
        time_steps: The longest time to remember; None for the length of what each layer reads.

    Raises:
        ValueError: If `time_steps` is no integer from 2 on, the model has no gates with biases, or
            its inputs have no fixed length and none is given.
    """
    if time_steps is not None and checked_whole("time_steps", time_steps, hint=_HINT) < LEAST:
        raise ValueError(f"`time_steps` must be at least {LEAST}. Received: {time_steps}. {_HINT}")
    gated = [slot for slot in scene.slots if _is_gate_bias(slot)]
    if not gated:
        raise ValueError(
            f"{scene.model.name!r} has no LSTM or GRU with a bias, which `time_steps` and the "
            "rules 'chrono' are for. Nothing was changed."
        )
    biases = {id(slot.variable) for slot in gated}
    return [
        _chosen(choice, scene, time_steps) if id(choice.slot.variable) in biases else choice
        for choice in choices
    ]


_HINT = "It is the number of steps from what a layer must remember to where that is needed."


def _is_gate_bias(slot: Slot) -> bool:
    return slot.kind == "bias" and kind_of(slot.layer).name in KEEPS


def _chosen(choice: Choice, scene: Scene, time_steps: int | None) -> Choice:
    slot = choice.slot
    if id(slot.variable) in scene.kept:
        return choice
    gate = activation_name(slot.layer.recurrent_activation)
    if gate != "sigmoid":
        reason = f"{choice.reason}; no chrono bias, whose gates are sigmoids, not {gate}"
        return replace(choice, reason=reason)
    steps = _length(slot, scene) if time_steps is None else time_steps
    name = kind_of(slot.layer).name
    units = getattr(slot.layer, "units", None) or slot.layer.filters
    bias = ChronoBias(steps, int(units), keeps=KEEPS[name], lets_in=LETS_IN.get(name))
    whence = "the length of its input" if time_steps is None else "as given"
    reason = f"chrono: its units remember for 2 to {steps} steps ({whence})"
    return Choice(slot, bias, reason)


def _length(slot: Slot, scene: Scene) -> int:
    """Steps of what the recurrent layer around a cell reads.

    Raises:
        ValueError: If it is not fixed.
    """
    graph, owner = scene.graph, scene.owner(slot.layer)
    calls = () if graph is None else graph.calls_of(owner)
    axis = 2 if kind_of(owner).name == "TimeDistributed" else 1
    lengths = [
        shape[axis] if len(shape := graph.shape[call.inputs[0]]) > axis else None
        for call in calls
        if graph is not None
    ]
    known = [length for length in lengths if length is not None]
    if len(known) < max(1, len(lengths)) or not _has_fixed_inputs(scene):
        raise ValueError(
            f"The rules 'chrono' need the number of time steps, and the input of "
            f"{owner.name!r} has no fixed length. Give it: `initialize(model, time_steps=...)`. "
            "Nothing was changed."
        )
    return max(LEAST, *known)


def _has_fixed_inputs(scene: Scene) -> bool:
    """Whether all axes of the inputs but the batch are known: a trace fills in what is not."""
    shapes: list[Any] = list(scene.graph.shapes) if scene.graph is not None else []
    if _backend.functional_ends(scene.model) is None:
        shapes = _flat_shapes(_backend.build_shapes(scene.model))
    return all(size is not None for shape in shapes for size in shape[1:])


def _flat_shapes(shapes: Any) -> list[Any]:
    """Shapes in a structure of them."""
    if isinstance(shapes, dict):
        return [one for inner in shapes.values() for one in _flat_shapes(inner)]
    if shapes and isinstance(shapes[0], (tuple, list)):
        return [one for inner in shapes for one in _flat_shapes(inner)]
    return [shapes]
