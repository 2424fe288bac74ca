"""What a measured step gave, outside of it: worked out already, or, on torch, still to be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._measurement import StepPlan


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurement of one step, which may still be on the device.

    Args:
        plan: What to make of it.
        read: What the step read, of each optimizer; empty where the step worked it out.
        arrays: `rows`, `summary` and, if measured, `clipped` and `samples`, where the step worked
            them out; `activations`, if probed.
    """

    plan: StepPlan
    read: tuple[Any, ...] = ()
    arrays: dict[str, Tensor] = field(default_factory=dict)

    def summary(self) -> Tensor:
        """The numbers of `SUMMARY`, a small array."""
        if not self.read:
            return self.arrays["summary"]
        quick = self.plan.quick_summary(self.read)
        if quick is not None:
            return np.array(quick, "float32")
        return self.plan.summary(self.plan.work_out(self.read_by_numpy)["rows"])

    @cached_property
    def read_by_numpy(self) -> Any:
        """What was read, as numpy arrays."""
        return _mapped(_backend.small_array, self.read)


def worked_out(several: Sequence[Measured]) -> list[dict[str, np.ndarray]]:
    """The arrays of each measurement in numpy, float32, waiting for the device.

    Those with the same plan are worked out in one go.
    """
    found = [
        {
            name: np.asarray(keras.ops.convert_to_numpy(array), "float32")
            for name, array in measured.arrays.items()
        }
        for measured in several
    ]
    pairs = [pair for pair in zip(several, found, strict=True) if pair[0].read]
    for plan, group in itertools.groupby(pairs, key=lambda pair: pair[0].plan):
        same = list(group)
        stacked = _mapped(
            lambda *arrays: np.stack(arrays), *(measured.read_by_numpy for measured, _ in same)
        )
        for name, arrays in plan.work_out(stacked).items():
            for (_, own), array in zip(same, arrays, strict=True):
                own[name] = array
    return found


def _mapped(function: Callable[..., Any], *reads: Any) -> Any:
    """`keras.tree.map_structure`, which on torch costs as much as all the rest."""
    first = reads[0]
    if isinstance(first, dict):
        return {key: _mapped(function, *(read[key] for read in reads)) for key in first}
    if isinstance(first, (list, tuple)):
        return [_mapped(function, *parts) for parts in zip(*reads, strict=True)]
    return function(*reads)


class LogValue:
    """A number for the logs of `fit`, worked out when Keras makes it a float.

    Keras does so in a thread of its own, where the other callbacks let it.

    Args:
        numbers: Gives this number and others.
        index: Which of them this is.
    """

    def __init__(self, numbers: Callable[[], Sequence[float]], index: int) -> None:
        self._numbers = numbers
        self._index = index

    def __float__(self) -> float:
        return float(self._numbers()[self._index])
