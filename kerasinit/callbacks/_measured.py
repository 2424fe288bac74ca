"""What a measured step gave, outside of it: worked out already, or still to be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._packing import Packing
from kerasinit.callbacks._plan import StepPlan
from kerasinit.signals import row_histograms


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurement of one step, which may still be on the device.

    Args:
        plan: What to make of it.
        arrays: `rows`, `summary` and, if measured, `clipped` and the `samples` for a histogram,
            where the step worked them out; `activations`, if probed.
        packing: Of what the step read: `parts`, of each optimizer, and the `layer_squares` of the
            plan, if it has any. None where the step worked it out.
        packed: What the step read.
    """

    plan: StepPlan
    arrays: dict[str, Tensor] = field(default_factory=dict)
    packing: Packing | None = None
    packed: Tensor | None = None

    def summary(self) -> Tensor:
        """The numbers of `SUMMARY`."""
        if self.packing is None:
            return self.arrays["summary"]
        squares = self.packing.unpacked(self.vector, key="layer_squares")
        quick = None if squares is None else self.plan.quick_summary(squares)
        if quick is not None:
            return np.array(quick, "float32")
        read = self.packing.unpacked(self.vector, key="parts")
        return self.plan.summary(self.plan.work_out(read)["rows"])

    @cached_property
    def vector(self) -> np.ndarray:
        """What the step read, waiting for the device."""
        return _backend.small_array(self.packed)


def worked_out(several: Sequence[Measured]) -> list[dict[str, np.ndarray]]:
    """`rows` and, if measured, `clipped`, `histogram` and `activations` of each, in numpy.

    Waits for the device. Those of the same plan and packing are worked out in one go.
    """
    found = [
        {
            name: np.asarray(keras.ops.convert_to_numpy(array), "float32")
            for name, array in measured.arrays.items()
        }
        for measured in several
    ]
    pairs = zip(several, found, strict=True)
    for (plan, packing), group in itertools.groupby(
        pairs, key=lambda pair: (pair[0].plan, pair[0].packing)
    ):
        measured, own = zip(*group, strict=True)
        if packing is not None:
            vectors = np.stack([each.vector for each in measured])
            more = plan.work_out(packing.unpacked(vectors, key="parts"))
        elif "samples" in own[0]:
            more = {"histogram": row_histograms(np.stack([each.pop("samples") for each in own]))}
        else:
            continue
        for name, arrays in more.items():
            for each, array in zip(own, arrays, strict=True):
                each[name] = array
    return found


class Numbers:
    """The numbers of `SUMMARY`, worked out when they are first asked for.

    Args:
        summary: Gives them as a tensor or an array.
    """

    def __init__(self, summary: Callable[[], Tensor]) -> None:
        self._summary = summary

    @cached_property
    def values(self) -> list[float]:
        """Waits for the device."""
        found = self._summary()
        if not isinstance(found, np.ndarray):
            found = keras.ops.convert_to_numpy(found)
        values: list[float] = found.tolist()
        return values


class LogValue:
    """A number for the logs of `fit`, worked out when Keras makes it a float.

    Keras does so in a thread of its own, where the other callbacks let it.

    Args:
        numbers: This number and others.
        index: Which of them this is.
    """

    def __init__(self, numbers: Numbers, index: int) -> None:
        self._numbers = numbers
        self._index = index

    def __float__(self) -> float:
        return self._numbers.values[self._index]
