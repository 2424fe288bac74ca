"""The outputs of a model, each with its loss and its targets, as plain numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.layers import activation_name, is_linear, kind_of, own_activation
from kerasinit.signals._batch import DataBatch, to_numpy
from kerasinit.signals._elementwise import elementwise_shape
from kerasinit.signals._sizes import rms
from kerasinit.signals._taps import WatchedCall
from kerasinit.signals._targets import TargetSignals, sums_to_one, targets_of

REACH = np.concatenate([-np.geomspace(1e4, 1e-2, 40), [0.0], np.geomspace(1e-2, 1e4, 40)])
PLAIN = ("dense", "einsum", "convolution", "transposed", "depthwise", "separable")
ANYTHING = -np.inf, np.inf  # what an output without an activation can give


@dataclass(frozen=True)
class HeadSignals:
    """One output of the model.

    Args:
        name: Path of the layer that makes it, or its name where an operation does.
        shape: Without the samples.
        activation: Name of its activation; None if linear, or if something follows the layer.
        before: Name of another activation right before that; None if there is none.
        before_switch: Path of the layer whose attribute `activation` that is; None if there is
            none.
        has_maker: Whether it is known which weighted layer makes it.
        is_layer: Whether a weighted layer (with its activation) makes it, nothing behind it.
        switch: Path of the layer whose attribute `activation` it is (or would be); None if there is
            none.
        reach: Smallest and largest value that the activation can give.
        low, high: Smallest and largest value in the batch.
        sums_to_one: Whether the last axis holds shares.
        shares_axis: Another axis that holds shares, where the last one does not; None if none does.
        spread: Largest standard deviation of a unit over the samples, over the RMS of all values.
        std: The same, as it is.
        loss: Name of its loss, lower case, without `_`; empty if it is not known.
        from_logits: Whether the loss takes logits.
        is_twice: Whether it is given what a softmax or sigmoid made of them already. (On
            TensorFlow, Keras' losses find the logits behind an output.)
        is_crossed: Whether the loss meets each target with the outputs of all samples.
        takes_shares: Whether the loss, one of somebody's own, falls for outputs beyond 0..1 below
            that of outputs that are the targets.
        targets: Its targets, if there are any.
    """

    name: str
    shape: tuple[int, ...]
    activation: str | None = None
    before: str | None = None
    before_switch: str | None = None
    has_maker: bool = True
    is_layer: bool = False
    switch: str | None = None
    reach: tuple[float, float] = ANYTHING
    low: float = 0.0
    high: float = 0.0
    sums_to_one: bool = False
    shares_axis: int | None = None
    spread: float = 1.0
    std: float = 0.0
    loss: str = ""
    from_logits: bool = False
    is_twice: bool = False
    is_crossed: bool = False
    takes_shares: bool = False
    targets: TargetSignals | None = None

    @property
    def is_probability(self) -> bool:
        """Whether it lies in 0..1 by its activation, or is shares that sum to 1."""
        shares = self.units > 1 and self.sums_to_one and not self.is_layer
        return self.reach == (0.0, 1.0) or shares

    @property
    def is_beyond(self) -> bool:
        """Whether it leaves 0..1."""
        return self.low < 0 or self.high > 1

    @property
    def is_at_end(self) -> bool:
        """Whether rounding made exactly 0 or 1 of a value, which its activation only comes near."""
        return self.reach == (0.0, 1.0) and (self.low == 0 or self.high == 1)

    @property
    def is_always_one(self) -> bool:
        """Whether a softmax over one unit, or an operation behind the layers, gives 1 alone."""
        if self.units > 1 or (self.is_layer and self.activation != "softmax"):
            return False
        return self.activation == "softmax" or self.low == self.high == 1.0

    @property
    def units(self) -> int:
        """Values of one sample, or of one position of it."""
        return self.shape[-1] if self.shape else 1


def heads_of(
    model: Any, loss: Any, calls: list[WatchedCall], outputs: Any, batch: DataBatch
) -> tuple[HeadSignals, ...]:
    """The outputs of a model, in the order of its flat outputs.

    Args:
        model: The model.
        loss: Its loss, in any form that `compile` takes, or the loss that is used instead.
        calls: What was watched.
        outputs: What the model gave, in any structure.
        batch: Its inputs and targets.
    """
    flat = keras.tree.flatten(outputs)
    by_output = {call.head: call for call in calls if call.head is not None}
    losses = of_outputs(model, loss, outputs)
    targets = targets_of_outputs(model, batch.all_y, outputs)
    heads = []
    for k, (output, one_loss, y) in enumerate(zip(flat, losses, targets, strict=True)):
        head = _head(by_output.get(k), f"output {k + 1}", to_numpy(output), one_loss, y)
        # What is read and given back (words, purchases) is a sample of shares, and no labels.
        if head.targets is not None and any(np.array_equal(x, y) for x in batch.all_x):
            head = replace(head, targets=replace(head.targets, most_ones=0))
        heads.append(head)
    return tuple(heads)


def loss_name(loss: Any) -> str:
    """Name of a loss in lower case without `_`; empty if there is none.

    >>> loss_name(keras.losses.BinaryCrossentropy()), loss_name("mse"), loss_name(None)
    ('binarycrossentropy', 'meansquarederror', '')
    """
    if loss is None:
        return ""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return ""
    known = getattr(loss, "fn", None) if type(loss).__name__ == "LossFunctionWrapper" else None
    name = getattr(known or loss, "__name__", type(loss).__name__)
    return str(name).lower().replace("_", "")


def names_of_outputs(model: Any, outputs: Any) -> list[tuple[str, ...]]:
    """The names under which the loss and the targets of each flat output may stand."""
    count = len(keras.tree.flatten(outputs))
    layers = list(getattr(model, "output_names", None) or ())
    layers = layers if len(layers) == count else [f"output {k}" for k in range(count)]
    if not isinstance(outputs, dict):
        return [(name,) for name in layers]
    return [(str(key), name) for key, name in zip(sorted(outputs), layers, strict=True)]


def of_outputs(model: Any, given: Any, outputs: Any) -> list[Any]:
    """What `compile` and `fit` take by name, in order, or one for all: for each flat output."""
    count = len(keras.tree.flatten(outputs))
    if isinstance(given, dict) and "class_name" not in given:  # that is one loss, as a config
        names = names_of_outputs(model, outputs)
        return [next((given[one] for one in own if one in given), None) for own in names]
    if isinstance(given, (list, tuple)):
        return list(given) if len(given) == count else [None] * count
    return [given] * count


def targets_of_outputs(model: Any, y: Any, outputs: Any) -> list[Any]:
    """The same of targets: one array is for one output alone."""
    is_paired = isinstance(y, (dict, list, tuple)) or len(keras.tree.flatten(outputs)) == 1
    return of_outputs(model, y if is_paired else None, outputs)


def _head(
    call: WatchedCall | None, name: str, output: np.ndarray, loss: Any, y: np.ndarray | None
) -> HeadSignals:
    ending: dict[str, Any] = {"name": name, "has_maker": False} if call is None else _ending(call)
    reach = ending.get("reach", ANYTHING)
    classes_are_last = getattr(loss, "axis", -1) in (-1, output.ndim - 1)
    targets = None if y is None else targets_of(y, reach, getattr(loss, "ignore_class", None))
    if targets is not None and not (classes_are_last and targets.shape == output.shape[1:]):
        targets = replace(targets, most_ones=0)  # numbers of classes, or one-hot on another axis
    is_finite = np.isfinite(output)
    finite = output if is_finite.all() else output[is_finite]
    finite = finite if finite.size else np.zeros(1)
    size = rms(finite)
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(np.max(np.std(output, axis=0, dtype="float64"), initial=0.0))
    return HeadSignals(
        shape=tuple(output.shape[1:]),
        low=float(finite.min()),
        high=float(finite.max()),
        sums_to_one=sums_to_one(output),
        shares_axis=_shares_axis(output) if classes_are_last else None,
        spread=deviation / size if size > 0 else 0.0,
        std=deviation,
        loss=loss_name(loss),
        from_logits=bool(getattr(loss, "from_logits", False)),
        targets=targets,
        **ending,
    )


def _ending(call: WatchedCall) -> dict[str, Any]:
    """The fields that tell what the output of a call went through."""
    found: dict[str, Any] = {"name": call.name}
    found["is_layer"], function = _last_activation(call)
    # A linear one brings the dtype of the output back to float32, as mixed precision wants it.
    if call.again is not None and not is_linear(_function_of(call.again)):
        found["before"] = activation_name(call.activation)
        found["before_switch"] = _switch_of(call)
        call = replace(call, activation=_function_of(call.again))
        found["is_layer"], function = True, call.activation
    if not is_linear(function):
        found |= {"activation": activation_name(function), "reach": reach_of(function)}
        found["switch"] = _switch_of(call)
    elif hasattr(call.watched.layer, "activation"):
        found["switch"] = call.name
    return found


def _last_activation(call: WatchedCall) -> tuple[bool, Any]:
    """Whether it is known what the output of a call went through, and that activation."""
    layer = call.watched.layer
    if not call.watched.opaque:
        return True, call.activation
    while isinstance(layer, keras.Sequential) or kind_of(layer).family == "wrapper":
        layer = layer.layers[-1] if isinstance(layer, keras.Sequential) else layer.layer
    kind = kind_of(layer)
    if kind.family == "activation":
        return True, _function_of(layer)
    return kind.family in PLAIN, own_activation(layer)


def _function_of(layer: Any) -> Any:
    """The activation that an activation layer or operation is."""
    return layer if kind_of(layer).activation else layer.activation


def _switch_of(call: WatchedCall) -> str | None:
    """Name of the layer that keeps the activation of a call: its own, or an `Activation` layer."""
    if own_activation(call.watched.layer) is not None:
        return call.name
    behind = getattr(call.activation, "__self__", None)
    return behind.name if isinstance(behind, keras.layers.Activation) else None


def reach_of(activation: Callable[[Any], Any] | None) -> tuple[float, float]:
    """Smallest and largest value that an activation gives; infinite where it has no end.

    >>> reach_of(keras.activations.relu), reach_of(keras.activations.softmax)
    ((0.0, inf), (0.0, 1.0))
    """
    if activation_name(activation) in ("softmax", "sparsemax"):
        return 0.0, 1.0
    if activation is None or elementwise_shape(activation) is None:
        return ANYTHING
    try:
        values = _backend.evaluate(activation, REACH.astype("float32")[:, None])
    except _backend.errors():
        return ANYTHING
    if not np.isfinite(values).all():  # exp, above its range
        values = np.nan_to_num(values)
    low, high = float(values.min()), float(values.max())
    return (-np.inf if low < -100 else low), (np.inf if high > 100 else high)


def _shares_axis(values: np.ndarray) -> int | None:
    """An axis but the last whose values sum to 1, as after a softmax over the wrong one.

    >>> _shares_axis(np.full((2, 4, 3), 0.25)), _shares_axis(np.full((2, 3, 4), 0.25))
    (1, None)
    """
    if values.ndim < 2 or sums_to_one(values):
        return None
    turned = ((axis, np.moveaxis(values, axis, -1)) for axis in range(values.ndim - 1))
    return next((a for a, one in turned if one.shape[-1] > 1 and sums_to_one(one)), None)
