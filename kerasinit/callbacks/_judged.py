"""What the rules look at, of several records at a time: in one go, numpy costs little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
        by_bias = dict(zip(names.biased, biases, strict=True))
        moves = record.updated and not record.overflow
        parts = zip(
            names.kernels,
            gradients,
            weights,
            known_ratios(ratios, known) if moves else [None] * len(names.kernels),
            broken,
            strict=True,
        )
        layers = tuple(_layer(record, by_bias, *part) for part in parts)
        pulse = Pulse(record.step, norm, record.overflow)
        found.append((pulse, TrainingStep(record.step, record.loss, layers, record.overflow)))
    return found


def _layer(
    record: Record,
    by_bias: dict[str, float],
    name: str,
    gradient_rms: float,
    weight_rms: float,
    update_ratio: float | None,
    non_finite: float,
) -> LayerStep:
    probed: Any = (record.activations or {}).get(name, {})
    # A bias gradient is a sum over the batch: the two are not compared with each other.
    by_probe = bool(record.activations) and not record.names.all_biased
    return LayerStep(
        name=name,
        gradient_rms=gradient_rms,
        weight_rms=weight_rms,
        update_ratio=update_ratio,
        signal_gradient_rms=probed.get("signal_gradient_rms") if by_probe else by_bias.get(name),
        non_finite=round(non_finite),
        dead_share=probed.get("dead_share"),
        saturated_share=probed.get("saturated_share"),
    )
