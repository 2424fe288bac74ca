"""What the train function read of one step, and its numbers once they are asked for."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np
from keras import ops

from kerasinit._typing import Tensor
from kerasinit.callbacks._step_vector import StepArrays, StepVector
from kerasinit.callbacks._variable_names import VariableNames
from kerasinit.signals._statistics import NON_FINITE, NORM, merged_statistics

SUMMARY = ("grad_norm", "grad_norm_min", "grad_norm_max")  # in the logs of `fit`
PROBED: tuple[str, ...] = ("rms", "dead_share", "saturated_share", "signal_gradient_rms")
"""Columns of what the probe of the activations finds of a layer."""


class Reading:
    """What the train function read of one step, which may still be on the device.

    Safe to ask from any thread: Keras may write logs in one of its own.

    Args:
        parts: What the vector of each optimizer is about, and the vector.
        probed: Names of the layers that were probed.
        activations: A row of `PROBED` columns for each of them; None if none were.
        penalty: Part of the loss that the targets have no part in; None if there is none.
        norm_samples: Samples that a normalization over the batch sees; None if there is none.
    """

    def __init__(
        self,
        parts: Sequence[tuple[StepVector, Tensor]],
        probed: tuple[str, ...] = (),
        activations: Tensor | None = None,
        penalty: Tensor | None = None,
        norm_samples: Tensor | None = None,
    ) -> None:
        self.about = tuple(about for about, _ in parts)
        self._vectors: tuple[Tensor, ...] = tuple(vector for _, vector in parts)
        self._arrays: StepArrays | None = None
        self._summary: dict[str, float] | None = None
        self._lock = threading.Lock()
        self._probed = probed
        self._activations = activations
        self._penalty = penalty
        self._norm_samples = norm_samples

    @property
    def arrays(self) -> StepArrays:
        """The statistics, waiting for the device."""
        with self._lock:
            if self._arrays is None:
                pairs = zip(self.about, self._vectors, strict=True)
                self._arrays = StepArrays.joined(
                    [about.unpacked(ops.convert_to_numpy(vector)) for about, vector in pairs]
                )
                self._vectors = ()
            return self._arrays

    def summary(self, names: VariableNames) -> dict[str, float]:
        """The numbers of `SUMMARY`: norm of the whole gradient, smallest and largest of a layer."""
        if self._summary is None:
            rows = self.arrays.rows
            norms = merged_statistics(rows, [*names.receiving.values()])[:, NORM]
            numbers = [
                float(np.sqrt(np.square(norms).sum())),
                *map(float, (min(norms), max(norms))),
            ]
            if not is_finite(rows):
                numbers = [math.inf] * len(SUMMARY)
            self._summary = dict(zip(SUMMARY, numbers, strict=True))
        return self._summary

    def penalty(self) -> float:
        """Part of the loss that the targets have no part in, waiting for the device."""
        return 0.0 if self._penalty is None else float(ops.convert_to_numpy(self._penalty))

    def norm_samples(self) -> int | None:
        """Samples that a normalization over the batch saw; None if the model has none."""
        found = self._norm_samples
        return None if found is None else int(ops.convert_to_numpy(found))

    def probe(self) -> dict[str, dict[str, float | None]] | None:
        """What was found in each layer, waiting for the device; None if nothing was probed."""
        if self._activations is None:
            return None
        rows = np.asarray(ops.convert_to_numpy(self._activations), "float64").tolist()
        return {
            name: dict(zip(PROBED, map(plain, row), strict=True))
            for name, row in zip(self._probed, rows, strict=True)
        }


def is_finite(rows: np.ndarray) -> bool:
    """Whether no gradient holds a NaN or an infinity."""
    return not rows[:, NON_FINITE].any()


def plain(value: float | None) -> float | None:
    """A number with the digits that float32 has, or None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.8g}")
