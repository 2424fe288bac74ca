"""Layer-sequential unit variance: kernels scaled on the layers' real outputs.

Every layer is corrected while the forward pass runs: its output is measured, its kernel divided,
and the corrected output handed on, so each later layer already sees what it will get. One pass
corrects the whole model; a second one shows that nothing is left to correct.

Source: Mishkin and Matas, 2016, https://arxiv.org/abs/1511.06422
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.layers import is_cell
from kerasinit.models._slots import Slot

TOLERANCE = 0.1  # on the variance of a layer's outputs (paper, section 2)
MAX_TRIES = 10  # forward passes (paper, section 2)


@dataclass
class Target:
    """One layer whose outputs are brought to mean 0 and variance 1.

    Args:
        kernel: The kernel that is scaled.
        bias: The bias that takes the mean away; None where there is none.
        tries: Forward passes in which it was corrected.
        mean: Mean of its outputs in the last pass.
        variance: Variance of its outputs in the last pass, over the batch and all units.
        problem: Why it could not be measured; empty where it could.
        calls: Calls in the last pass.
        pooled: Size, mean and variance of each call of this pass.
    """

    kernel: Slot
    bias: Slot | None
    tries: int = 0
    mean: float = math.nan
    variance: float = math.nan
    problem: str = ""
    calls: int = 0
    pooled: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def converged(self) -> bool:
        """Whether the variance of the last pass is within the tolerance."""
        return abs(self.variance - 1) <= TOLERANCE

    def correct(self, values: Tensor, *, may_change: bool) -> Tensor:
        """Measures outputs before the activation and corrects the layer; returns new outputs."""
        if not _backend.is_concrete(values):
            self.problem = "runs inside a loop that the backend compiles: not measured"
            return values
        moments = ops.moments(ops.cast(values, "float32"), axes=list(range(len(values.shape))))
        mean, variance = (float(_backend.numpy_of(one)) for one in moments)
        factor = shift = None
        if may_change and not self.pooled:
            # A shared layer is corrected once per pass, by what all its calls showed before.
            known = variance if self.calls <= 1 else self.variance
            if not math.isfinite(known) or known <= 0:
                self.problem = f"its outputs have variance {known:g}: nothing to scale"
            else:
                factor = 1 / math.sqrt(known) if abs(known - 1) > TOLERANCE else 1.0
                mean, variance = mean * factor, variance * factor**2
                shift = mean if self.bias is not None and abs(mean) > TOLERANCE else 0.0
                mean -= shift
                self._assign(factor, shift)
        self.pooled.append((math.prod(values.shape), mean, variance))
        if factor is None or shift is None or (factor == 1 and shift == 0):
            return values
        return values * ops.cast(factor, values.dtype) - ops.cast(shift, values.dtype)

    def _assign(self, factor: float, shift: float) -> None:
        if factor != 1:
            self.tries += 1
            self.kernel.variable.assign(self.kernel.variable * factor)
        if self.bias is not None and (factor != 1 or shift):
            self.bias.variable.assign(self.bias.variable * factor - shift)

    def finish_pass(self) -> None:
        """Pools what the calls of one pass showed: several, where the layer is shared."""
        if self.pooled:
            size = sum(count for count, _, _ in self.pooled)
            self.mean = sum(count * mean for count, mean, _ in self.pooled) / size
            square = sum(n * (variance + mean**2) for n, mean, variance in self.pooled) / size
            self.variance = square - self.mean**2
        elif not self.problem:
            self.problem = "was not called on this batch: not measured"
        self.calls = len(self.pooled)
        self.pooled = []


def scale_to_unit_variance(model: Any, slots: Iterable[Slot], data: Any) -> list[Target]:
    """Scales the kernels of a model until every weighted layer has outputs of variance 1.

    Args:
        model: A built model.
        slots: Its variables that were drawn; recurrent cells are left alone.
        data: One batch, in whatever structure the model takes.

    Returns:
        What was found for each layer.

    Raises:
        ValueError: If the data has values that are not finite, or the model cannot take it.
    """
    targets = _targets(slots)
    inputs = keras.tree.map_structure(_checked, data)
    for number in range(MAX_TRIES + 1):
        with (
            _corrected(targets, may_change=number < MAX_TRIES),
            _backend.without_gradients(),
            _backend.same_random_state(),
        ):
            try:
                model(inputs, training=False)
            except Exception as error:
                shapes = keras.tree.map_structure(lambda one: tuple(one.shape), inputs)
                raise ValueError(
                    f"The model {model.name!r} could not take `data`. Received arrays of shapes "
                    f"{shapes}. Every variable has its old values again. Cause: {error}"
                ) from error
        for target in targets:
            target.finish_pass()
        if number and all(target.converged or target.problem for target in targets):
            break
    return targets


def _checked(values: Any) -> Tensor:
    array = _backend.array_of(values)
    _backend.check_held("data", array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"`data` has {int((~np.isfinite(array)).sum())} values that are not finite, in an "
            f"array of shape {array.shape}. Every variable has its old values again."
        )
    return ops.convert_to_tensor(array)


def _targets(slots: Iterable[Slot]) -> list[Target]:
    slots = list(slots)
    biases = {id(slot.layer): slot for slot in slots if slot.role == "bias"}
    found: dict[int, Target] = {}
    for slot in slots:
        if slot.kind != "kernel" or is_cell(slot.layer):
            continue
        # Of a separable layer's two kernels the second one is scaled.
        found[id(slot.layer)] = Target(slot, biases.get(id(slot.layer)))
    return list(found.values())


@contextlib.contextmanager
def _corrected(targets: list[Target], *, may_change: bool) -> Iterator[None]:
    """Lets every target see the outputs of its layer before the activation."""
    with contextlib.ExitStack() as stack:
        for target in targets:
            stack.enter_context(_watched(target, may_change=may_change))
        yield


@contextlib.contextmanager
def _watched(target: Target, *, may_change: bool) -> Iterator[None]:
    layer = target.kernel.layer
    activation: Any = getattr(layer, "activation", None)
    call = layer.call

    def activated(values: Tensor) -> Tensor:
        return activation(target.correct(values, may_change=may_change))

    def called(*args: Any, **kwargs: Any) -> Tensor:
        return target.correct(call(*args, **kwargs), may_change=may_change)

    hook = {"call": called} if activation is None else {"activation": activated}
    with _backend.replaced(layer, **hook):
        yield
