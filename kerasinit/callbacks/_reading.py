"""What the train function read of one step, and its numbers once they are asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._statistics import NON_FINITE, NORM, merged_statistics
from kerasinit.callbacks._step_vector import Contents, unpacked
from kerasinit.callbacks._variable_names import Groups, VariableNames

WHOLE = "grad_norm"
SUMMARY = (WHOLE, "grad_norm_min", "grad_norm_max")  # in the logs of `fit`
PROBED: tuple[str, ...] = ("rms", "dead_share", "saturated_share", "signal_gradient_rms")
"""Columns of what the probe of the activations finds of a layer."""


class Reading:
    """What the train function read of one step, which may still be on the device.

    Any thread may ask it: Keras may write logs in one of its own.

    Args:
        names: Names of the variables.
        contents: What the vector holds, one update after another.
        vector: The vector.
        probed: Names of the layers that were probed.
        beside: What else was read: `activations`, a row of `PROBED` columns for each of them;
            `penalty`, the part of the loss that the targets have no part in; `norm_samples`, how
            many samples a normalization over the batch saw; `only_class`, the class of all samples
            of the batch, -1 where they differ; `count`, how many gradients the
            optimizer had been given, but for those that overflowed, where that tells more.

    Attributes:
        rows, histogram, clipped: The statistics, after `wait`: see `unpacked`.
    """

    rows: np.ndarray
    histogram: np.ndarray
    clipped: np.ndarray

    def __init__(
        self,
        names: VariableNames,
        contents: Sequence[Contents],
        vector: Tensor,
        probed: tuple[str, ...],
        beside: Mapping[str, Tensor],
    ) -> None:
        self.names = names
        self._contents = contents
        self._vector = vector
        self._probed = probed
        self._beside = beside

    def wait(self) -> None:
        """Brings the numbers from the device; two threads at once bring the same ones."""
        vector = self._vector
        if vector is not None:
            rest, parts = _backend.numpy_of(vector), []
            for contents in self._contents:
                arrays, rest = unpacked(contents, rest)
                parts.append(arrays)
            joined = map(np.concatenate, zip(*parts, strict=True))
            self.rows, self.histogram, self.clipped = joined
            self._beside = {key: _backend.numpy_of(one) for key, one in self._beside.items()}
            self._vector = None

    @property
    def is_finite(self) -> bool:
        """Whether no gradient holds a NaN or an infinity."""
        self.wait()
        return not self.rows[:, NON_FINITE].any()

    def merged(self, groups: Groups) -> np.ndarray:
        """Statistics of groups of variables, `(groups, len(COLUMNS))`."""
        self.wait()
        return merged_statistics(self.rows, [*groups.values()])

    @cached_property
    def summary(self) -> dict[str, float]:
        """The numbers of `SUMMARY`: norm of the whole gradient, smallest and largest of a layer."""
        if not self.is_finite:
            return dict.fromkeys(SUMMARY, math.inf)
        norms = self.merged(self.names.receiving)[:, NORM]
        numbers = (np.sqrt(np.square(norms).sum()), norms.min(), norms.max())
        return dict(zip(SUMMARY, map(float, numbers), strict=True))

    def number(self, name: str) -> float | None:
        """One of the single numbers that were read beside; None if it was not."""
        self.wait()
        return float(self._beside[name]) if name in self._beside else None

    @property
    def activations(self) -> dict[str, dict[str, float | None]] | None:
        """What was found in each layer; None if nothing was probed."""
        self.wait()
        if "activations" not in self._beside:
            return None
        rows = self._beside["activations"].astype("float64").tolist()
        return {
            name: dict(zip(PROBED, map(json_number, row), strict=True))
            for name, row in zip(self._probed, rows, strict=True)
        }


def json_number(value: float | None) -> float | None:
    """A number with the digits that float32 has, or None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.8g}")
