"""How large theory expects every output to be, through the graph from the model's inputs on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasinit.layers import applied_activation, is_linear, is_mixing, is_norm, kind_of
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._sizes import mean, rms
from kerasinit.signals._taps import ForwardPass, Step, WatchedCall
from kerasinit.theory import _moment_rules as rules

DRAWN = ("dense", "einsum", "convolution", "depthwise")  # families whose kernel is all they have


@dataclass(frozen=True)
class Known:
    """What is known of a value of the graph.

    Args:
        moments: Its size.
        origins: Where its chances come from; two values that share one are not independent.
    """

    moments: rules.Moments
    origins: frozenset[Any]


def expected_outputs(
    first: ForwardPass, calls: list[WatchedCall], measured: Sequence[float] | None = None
) -> list[rules.Moments | None]:
    """Size of the output of each call; None where theory does not know.

    Starts from the measured inputs of the model. Where something lies in between that theory does
    not know (attention, a recurrent layer, a sum of signals that depend on each other), it starts
    again from what the next layer with weights receives. Without dropout, as it is measured.

    Args:
        first: The pass that kept its steps.
        calls: The calls of layers with weights, with concrete tensors.
        measured: RMS of the output of each call, where no tensor holds what was measured: it starts
            from these instead, which are not its own word on them.
    """
    known: dict[int, Known | None] = {}
    said: dict[int, rules.Moments] = {}
    starts = {} if measured is None else dict(zip(first.made, measured, strict=True))
    for step in first.steps:
        call = None if step.call is None else calls[step.call]
        given = None if call is None or measured is not None else call.layer_input
        if given is not None and known.get(step.given[0]) is None:
            values = to_numpy(given)
            start = rules.Moments(rms(values) ** 2, offset=mean(values))
            known[step.given[0]] = Known(start, frozenset([step.given[0]]))
        try:
            found = _after(step, [known.get(number) for number in step.given], call)
        except (ValueError, TypeError, ArithmeticError):
            found = None  # theory does not know an activation, or a size is out of range
        if found is not None and 0 < found.moments.square < math.inf:
            known[step.made], said[step.made] = found, found.moments
        elif starts.get(step.made, 0.0) > 0:
            known[step.made] = Known(rules.Moments(starts[step.made] ** 2), frozenset([step.made]))
        else:
            known[step.made] = None
    return [said.get(number) for number in first.made]


def _after(step: Step, given: list[Known | None], call: WatchedCall | None) -> Known | None:
    layer, kind = step.layer, kind_of(step.layer)
    if kind.family == "embedding" and call is not None:
        table = to_numpy(call.watched.weights[0])
        return Known(rules.Moments(rms(table) ** 2, offset=mean(table)), frozenset([id(layer)]))
    known = [one for one in given if one is not None]
    if not known or len(known) < len(given):
        return None
    moments = [one.moments for one in known]
    origins = frozenset().union(*(one.origins for one in known))
    if call is not None:
        drawn = _drawn(call, moments[0])
        return None if drawn is None else Known(drawn, frozenset([id(layer)]))
    if len(known) == 1:
        alone = _alone(step, moments[0])
        return None if alone is None else Known(alone, origins)
    if kind.name == "Concatenate":
        return Known(rules.joined(moments, [math.prod(shape) for shape in step.shapes]), origins)
    if len(origins) < sum(len(one.origins) for one in known):
        return None
    if kind.name == "Multiply":
        return Known(rules.multiplied(moments), origins)
    signs = {
        "Add": [1.0] * len(known),
        "Subtract": [1.0, -1.0],
        "Average": [1.0 / len(known)] * len(known),
    }.get(kind.name)
    if signs is None:
        return None
    units = step.shape[-1] if step.shape else 1
    return Known(rules.added(moments, units, signs), origins)


def _drawn(call: WatchedCall, given: rules.Moments) -> rules.Moments | None:
    """After the weights of a layer, and its own activation."""
    watched = call.watched
    if watched.kernel is None or watched.axes is None:
        return None
    if kind_of(watched.layer).family not in DRAWN:
        return None
    columns = watched.axes.columns(to_numpy(watched.weights[watched.kernel])[None])[0]
    bias = getattr(watched.layer, "bias", None)
    biases = 0.0 if bias is None else rms(to_numpy(bias)) ** 2
    units = columns.shape[-1]
    linear = rules.weighted(given, columns.size / units * rms(columns) ** 2, biases, units)
    own = getattr(watched.layer, "activation", None)
    if is_linear(own):
        return linear
    return None if is_mixing(own) else rules.activated(linear, own)


def _alone(step: Step, given: rules.Moments) -> rules.Moments | None:
    """After a layer or operation without weights that reads one value."""
    layer, kind = step.layer, kind_of(step.layer)
    if is_norm(layer) and kind.name not in ("UnitNormalization", "Normalize"):
        return _normalized(layer, given)
    if kind.family in ("activation", "formula"):
        activation = applied_activation(layer)
        return None if activation is None else rules.activated(given, activation)
    if kind.family in ("shape", "part"):
        return given
    if kind.name == "Rescaling":
        numbers = (layer.scale, layer.offset)
        is_plain = all(isinstance(one, (int, float)) for one in numbers)
        return rules.scaled(given, *numbers) if is_plain else None
    if kind.family != "channelwise":
        return None
    before, after = math.prod(step.shapes[0]), math.prod(step.shape)
    if "Pooling" in kind.name:
        window = getattr(layer, "pool_size", None)
        count = round(before / after) if window is None else math.prod(np.atleast_1d(window))
        return _pooled(given, max(int(count), 1), highest="Max" in kind.name)
    if kind.name.startswith("ZeroPadding"):
        return rules.scaled(given, math.sqrt(before / after))
    return given


def _pooled(given: rules.Moments, count: int, *, highest: bool) -> rules.Moments:
    """Between independent positions and equal ones: how alike they are is not known."""
    apart = rules.pooled(given, count, highest=highest)
    halfway = rules.pooled(given, count, highest=highest, alike=0.5)
    return rules.less_certain(halfway, halfway.square / apart.square)


def _normalized(layer: Any, given: rules.Moments) -> rules.Moments:
    scale = getattr(layer, "gamma", getattr(layer, "scale", None))
    scales = to_numpy(scale) if isinstance(scale, keras.Variable) else np.ones(1)
    offset = getattr(layer, "beta", None)
    offsets = to_numpy(offset) if isinstance(offset, keras.Variable) else np.zeros(1)
    spread = given.square if offset is None else given.square - given.mean**2
    left = spread / (spread + float(getattr(layer, "epsilon", 0.0)))
    return rules.normalized(left * rms(scales) ** 2, rms(offsets) ** 2, mean(offsets))
