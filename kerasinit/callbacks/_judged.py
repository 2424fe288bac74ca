"""What the rules look at, of several records at a time: in one go, numpy costs little."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kerasinit.callbacks._record import (
    COUNT,
    NON_FINITE,
    NORM,
    WEIGHT,
    Record,
    bias_gradients,
    gradient_norms,
    known_ratios,
    update_ratios,
)
from kerasinit.signals import LayerStep, TrainingStep


@dataclass(frozen=True)
class Pulse:
    """The size of one gradient.

    Args:
        step: Number of steps before this one.
        grad_norm: Norm of the whole gradient; infinite if something is not finite.
        overflow: Whether loss scaling skipped the step.
    """

    step: int
    grad_norm: float
    overflow: bool

    @property
    def finite(self) -> bool:
        """Whether all gradients and weights are finite."""
        return math.isfinite(self.grad_norm)


@np.errstate(all="ignore")
def judged(records: Sequence[Record]) -> list[tuple[Pulse, TrainingStep]]:
    """The pulse of each record, and its layers with a kernel, for `judge_window`.

    Args:
        records: One or more, of the same variables.
    """
    names = records[0].names
    rows = np.stack([record.rows for record in records])
    columns = rows.transpose(2, 0, 1).astype("float64")  # squares of float32 numbers fit
    bad = columns[NON_FINITE] + ~np.isfinite(columns[WEIGHT])
    kernels = names.kernels_by_layer
    roots = np.sqrt(np.maximum(kernels.sums(columns[COUNT]), 1.0))
    by_record = zip(
        records,
        gradient_norms(columns).tolist(),
        bias_gradients(names, columns).tolist(),
        (kernels.norms(columns[NORM]) / roots).tolist(),
        (kernels.norms(columns[WEIGHT]) / roots).tolist(),
        *update_ratios(columns, kernels),
        names.layers_with_kernel.sums(bad).tolist(),
        strict=True,
    )
    found = []
    for record, norm, biases, gradients, weights, ratios, known, broken in by_record:
        layers = map(
            LayerStep,
            names.kernels,
            gradients,
            weights,
            known_ratios(ratios, known) if record.moved else itertools.repeat(None),
            _signals(record, biases),
            map(round, broken),
            _probed(record, "dead_share"),
            _probed(record, "saturated_share"),
        )
        step = TrainingStep(record.step, record.loss, tuple(layers), record.overflow)
        found.append((Pulse(record.step, norm, record.overflow), step))
    return found


def _signals(record: Record, biases: Sequence[float]) -> Iterable[float | None]:
    """RMS of the pre-activation gradient of each layer with a kernel; None where unknown."""
    # A bias gradient is a sum over the batch: the two are not compared with each other.
    if record.activations and not record.names.all_biased:
        return _probed(record, "signal_gradient_rms")
    by_layer = dict(zip(record.names.biased, biases, strict=True))
    return map(by_layer.get, record.names.kernels)


def _probed(record: Record, key: str) -> Iterable[float | None]:
    """What the probe found in each layer with a kernel; None where there was none."""
    activations = record.activations
    if not activations:
        return itertools.repeat(None)
    return [activations.get(name, {}).get(key) for name in record.names.kernels]
