"""What the author of a model fixed: the variables that start as they do for a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.layers import attention_part, is_closed, is_running, role_of, weight_kind
from kerasinit.models._draw import Choice, draw
from kerasinit.models._graph import Graph
from kerasinit.models._places import is_last
from kerasinit.models._plan import OWN
from kerasinit.models._reseeded import has_seed, is_library, settings_of
from kerasinit.models._slots import Slot

# Largest entry of a kernel that means zero, dimensionless: DDPM writes "zero" as a
# `VarianceScaling` of scale 1e-10, that is, of standard deviation 1e-5 / sqrt(fan).
ALMOST_ZERO = 1e-4
SMALL = 0.01  # times the usual size: within any bound


def left_alone(slot: Slot) -> Choice | None:
    """The choice to change nothing, where training would not, or where nothing can be drawn."""
    layer, variable = slot.layer, slot.variable
    if slot.kind in ("seed", "state"):
        return Choice(slot, None, slot.note)
    if not layer.trainable:
        return Choice(slot, None, "frozen: its layer has trainable=False")
    if not slot.is_float:
        return Choice(slot, None, slot.note)
    if not variable.trainable and not is_running(layer, variable):
        return Choice(slot, None, "not trainable: fixed by its author")
    if slot.kind == "bias" and _has_fixed_kernel(layer):
        return Choice(slot, None, "belongs to a kernel that is fixed")
    if slot.initializer is None and slot.kind != "kernel":
        return Choice(slot, None, slot.note)
    return None


def is_drawable(slot: Slot) -> bool:
    """Whether a rule that names a variable may draw it: not codes, counters or adapted data."""
    return slot.is_float and slot.kind not in ("seed", "state")


def own_choice(slot: Slot) -> Choice:
    """The layer's own initializer, or the reason why the variable is left alone."""
    kept = left_alone(slot)
    if kept is None and slot.initializer is None:
        kept = Choice(slot, None, slot.note)
    return kept or Choice(slot, slot.initializer, OWN)


def kept_choices(
    slots: Iterable[Slot],
    graph: Callable[[], Graph | None],
    owner: Callable[[Any], Any],
) -> dict[int, Choice]:
    """Identity of a variable -> the choice to leave it alone, or at its author's start.

    Args:
        slots: Every variable of the model.
        graph: Reads the graph; called only where there are zeros to judge.
        owner: The layer of the graph that holds a layer.
    """
    found: dict[int, Choice] = {}
    kernels, zeros = 0, []
    for slot in slots:
        kept = left_alone(slot)
        if kept is None and slot.kind == "kernel" and slot.initializer is not None:
            start = _fixed_start(slot)
            if start == "zero":
                zeros.append(slot)
            elif start == "values":
                reason = "its own initializer gives the same values at each call: kept"
                kept = Choice(slot, slot.initializer, reason)
            elif reason := _why_alone(slot):
                kept = Choice(slot, slot.initializer, reason)
        if kept is not None:
            found[id(slot.variable)] = kept
        if slot.kind == "kernel":
            kernels += 1
    if not zeros or len(zeros) == kernels > 1:
        return found
    for slot in zeros:
        purpose = _purpose(slot, zeros, graph(), owner)
        if purpose:
            reason = f"zero on purpose: {purpose}"
            found[id(slot.variable)] = Choice(slot, slot.initializer, reason, is_zero=True)
    return found


def _has_fixed_kernel(layer: Any) -> bool:
    """Whether the kernel of a layer is not trained: a LoRA base, quantized codes."""
    kernels = [v for v in _backend.own_variables(layer) if weight_kind(layer, v) == "kernel"]
    return bool(kernels) and not any(variable.trainable for variable in kernels)


def _fixed_start(slot: Slot) -> str:
    """`"zero"`, `"values"` (a filter, an identity) or `""`: what a kernel starts from each time.

    One value everywhere makes all units copies of each other: nobody wants that on purpose.
    """
    own = slot.initializer
    if type(own) is keras.initializers.Zeros:
        return "zero"
    if isinstance(own, keras.initializers.Initializer) and is_library(own):
        config = settings_of(own)
        if has_seed(config):
            return "zero" if _is_tiny(config) else ""
    try:
        first, second = (_numbers(slot, seed) for seed in (0, 1))
    except Exception:  # noqa: BLE001 - the code of any initializer runs here; the draw will report
        return ""
    if max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0)) < ALMOST_ZERO:
        return "zero"
    same = np.array_equal(first, second)
    return "values" if same and first.min() != first.max() else ""


def _why_alone(slot: Slot) -> str:
    """Why only its own initializer fits a kernel: a constraint of sign or length; empty if none.

    Bounds on the size are no reason: small weights of any other initializer stay within, too.
    """
    constraint = getattr(slot.variable, "constraint", None)
    if constraint is None:
        return ""
    try:
        own = draw(Choice(slot, slot.initializer, ""), 0)
        other = SMALL * draw(Choice(slot, keras.initializers.HeNormal(), ""), 0)
        is_alone = _fits(constraint, own) and not _fits(constraint, other)
    except Exception:  # noqa: BLE001 - the code of any initializer and constraint runs here
        return ""
    if not is_alone or float(ops.min(own)) == float(ops.max(own)):  # copies are a fault
        return ""
    name = type(constraint).__name__
    return f"its own initializer fulfils its {name}, others would not: kept"


def _fits(constraint: Any, values: Any) -> bool:
    """Whether a constraint leaves some weights as they are, but for rounding."""
    before, after = (_backend.numpy_of(one) for one in (values, constraint(values)))
    return bool(np.abs(after - before).max(initial=0.0) <= 1e-3 * np.abs(before).max(initial=0.0))


def _numbers(slot: Slot, seed: int) -> np.ndarray:
    values = draw(Choice(slot, slot.initializer, ""), seed)
    return _backend.numpy_of(ops.cast(values, "float32"))


def draws_orthogonal(slot: Slot) -> bool:
    """Whether an initializer that somebody wrote draws one matrix of orthogonal rows, or columns.

    As `numpy.linalg.qr` gives for an invertible layer of a flow. A single row or column is none.
    """
    if slot.initializer is None or is_library(slot.initializer):
        return False
    if len(slot.shape) != 2 or min(slot.shape) < 2:
        return False
    try:
        values = _numbers(slot, 0)
    except Exception:  # noqa: BLE001 - the code of any initializer runs here; the draw will report
        return False
    products = values @ values.T if len(values) <= values.shape[1] else values.T @ values
    size = float(products.trace()) / len(products)
    return size > 0 and np.allclose(products, size * np.eye(len(products)), atol=1e-3 * size)


def start_size(slot: Slot) -> float:
    """Root mean square of a variable when training starts, dimensionless."""
    own = own_choice(slot).initializer
    values = _backend.numpy_of(slot.variable) if own is None else _numbers(slot, 0)
    return float(np.sqrt(np.mean(np.square(values, dtype="float64"))))


def _is_tiny(config: dict[str, Any]) -> bool:
    """Whether a random initializer of Keras draws nothing but almost zeros."""
    numbers = [abs(config.get(key) or 0.0) for key in ("mean", "minval", "maxval", "stddev")]
    if any(key in config for key in ("stddev", "maxval")):
        return max(numbers) < ALMOST_ZERO
    scale = config.get("scale", config.get("gain", 1.0))
    return isinstance(scale, float) and scale < ALMOST_ZERO**2


def _purpose(
    slot: Slot,
    zeros: list[Slot],
    graph: Graph | None,
    owner: Callable[[Any], Any],
) -> str:
    """Why a zero kernel lets a model train; empty where it cuts the model in two."""
    holder = owner(slot.layer)
    calls = () if graph is None else graph.calls_of(holder)
    if graph is None or not calls:
        return "its place cannot be read, and its author wrote zeros"
    if holder is not slot.layer and not is_closed(holder):
        return f"inside {holder.name!r}, which is read as one call, and its author wrote zeros"
    if attention_part(slot.layer) in ("query", "key") or role_of(slot.layer, slot.variable) == (
        "recurrent"
    ):
        return "the signal does not pass through it"
    made = {value for call in calls for value in call.outputs}
    others = {id(owner(zero.layer)): owner(zero.layer) for zero in zeros}
    around = graph.reached(graph.inputs, without=calls)
    # A later zero kernel that another signal reaches will learn, and then this one.
    later = [
        call
        for call in graph.calls
        if id(call.operation) in others and call not in calls and around.isdisjoint(call.inputs)
    ]
    below = graph.reached(made, without=())
    if (
        later
        and below & set(graph.outputs)
        and not (graph.reached(made, without=later) & set(graph.outputs))
    ):
        return ""  # another zero kernel stops what this one would learn
    if is_last(calls, graph):
        return "no kernel follows it: an output that starts at zero"
    if all(output in around for output in below & set(graph.outputs)):
        return "the signal has a way around it, as a branch or a gate that starts at nothing"
    return ""
