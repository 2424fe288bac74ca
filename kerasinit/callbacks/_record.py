"""One recorded training step: what was read, its statistics, and plain dicts of them on demand."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, overload

import numpy as np
from keras import ops

from kerasinit._typing import Tensor
from kerasinit.callbacks._step_vector import COLUMNS, StepArrays, StepVector
from kerasinit.callbacks._variable_names import Groups, VariableNames
from kerasinit.signals import LayerStep, TrainingStep
from kerasinit.signals._statistics import (
    COUNT,
    NON_FINITE,
    NORM,
    STATISTICS,
    ZEROS,
    merged_statistics,
)

FORMAT = 2  # of one row of `history`, of one line of the file
SUMMARY = ("grad_norm", "grad_norm_min", "grad_norm_max")  # in the logs of `fit`
PROBED: tuple[str, ...] = ("rms", "dead_share", "saturated_share", "signal_gradient_rms")
"""Columns of what the probe of the activations finds of a layer."""

WEIGHT, UPDATE = range(len(STATISTICS), len(COLUMNS))


class GradientRow(TypedDict, total=False):
    """Statistics of the gradient of one variable, or of one layer's variables.

    What is not finite is None. `mean`, `std`, `rms` are over the finite entries.

    Attributes:
        count: Number of entries.
        total, mean, std, rms, norm, min, max: Of the entries; the norm is the L2 norm.
        zeros, zero_fraction: Number and share of entries that are exactly 0.
        non_finite: Number of NaN and infinite entries.
        connected: Whether there is a gradient.
        weight_norm: L2 norm of the weights before the update.
        update_ratio: Norm of what the update changed over that of the weights (of the kernels, in
            a layer that has any); None in steps without an update.
        clipped: The same statistics of the gradient after clipping, with `clipped=True`.
        histogram: Counts between `kerasinit.signals.HISTOGRAM_EDGES`, with `histogram=True`.
        signal_gradient_rms: Of layers: RMS of the bias gradient, the batch sum of the gradient of
            the pre-activations; None without a bias.
    """

    count: int
    total: float | None
    norm: float | None
    min: float | None
    max: float | None
    zeros: int
    non_finite: int
    mean: float | None
    rms: float | None
    std: float | None
    zero_fraction: float
    connected: bool
    weight_norm: float | None
    update_ratio: float | None
    clipped: dict[str, Any]
    histogram: list[int]
    signal_gradient_rms: float | None


class Row(TypedDict, total=False):
    """One recorded step: a row of `GradientStats.history`, a line of the JSON-lines file.

    Attributes:
        format: Version of this schema.
        run: Names the training: one call of `fit`.
        step: Number of steps before this one since the optimizer was made.
        epoch: Epoch, from 0.
        loss: Mean training loss since the row before.
        grad_norm: Norm of the whole gradient; None if it is not finite.
        overflow: Whether loss scaling skipped this step.
        variables: By path of the variable, without the model's name.
        layers: By path of the layer.
        activations: By path of the layer, in steps that probe: RMS of the output, shares of dead
            and saturated units, RMS of the pre-activation gradient.
    """

    format: int
    run: str
    step: int
    epoch: int
    loss: float | None
    grad_norm: float | None
    overflow: bool
    variables: dict[str, GradientRow]
    layers: dict[str, GradientRow]
    activations: dict[str, dict[str, float | None]]


class Reading:
    """What the train function read of one step, which may still be on the device.

    Safe to ask from any thread: Keras may write logs in one of its own.

    Args:
        parts: What the vector of each optimizer is about, and the vector.
        probed: Names of the layers that were probed.
        activations: A row of `PROBED` columns for each of them; None if none were.
    """

    def __init__(
        self,
        parts: Sequence[tuple[StepVector, Tensor]],
        probed: tuple[str, ...] = (),
        activations: Tensor | None = None,
    ) -> None:
        self.about = tuple(about for about, _ in parts)
        self._vectors: tuple[Tensor, ...] = tuple(vector for _, vector in parts)
        self._arrays: StepArrays | None = None
        self._summary: dict[str, float] | None = None
        self._lock = threading.Lock()
        self._probed = probed
        self._activations = activations

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

    def probe(self) -> dict[str, dict[str, float | None]] | None:
        """What was found in each layer, waiting for the device; None if nothing was probed."""
        if self._activations is None:
            return None
        rows = np.asarray(ops.convert_to_numpy(self._activations), "float64").tolist()
        return {
            name: dict(zip(PROBED, map(_plain, row), strict=True))
            for name, row in zip(self._probed, rows, strict=True)
        }


@dataclass(frozen=True, eq=False)
class Record:
    """One recorded step.

    Args:
        names: Names of the rows.
        arrays: Their statistics.
        run: Names the training.
        step: Number of steps before this one since the optimizer was made.
        epoch: Epoch, from 0.
        loss: Mean training loss since the record before; None if unknown.
        overflow: True if loss scaling skipped this step.
        updated: False if the step only accumulated gradients.
        activations: What was probed, by layer.
        histogram: Whether `to_dict` shows it.
    """

    names: VariableNames
    arrays: StepArrays
    run: str
    step: int
    epoch: int
    loss: float | None = None
    overflow: bool = False
    updated: bool = True
    activations: Mapping[str, Mapping[str, float | None]] | None = None
    histogram: bool = True

    @property
    def grad_norm(self) -> float:
        """Norm of the whole gradient; infinite if a gradient or a weight is not finite."""
        rows = self.arrays.rows
        if not (is_finite(rows) and np.isfinite(rows[:, WEIGHT]).all()):
            return math.inf
        return float(np.sqrt(np.square(rows[:, NORM]).sum()))

    @property
    def moved(self) -> bool:
        """Whether the step changed the weights."""
        return self.updated and not self.overflow

    @np.errstate(all="ignore")
    def to_dict(self) -> Row:
        """The record as plain values, ready for JSON; what is not a finite number is None."""
        names = self.names
        each = {name: np.array([row]) for row, name in enumerate(names.variables)}
        row: Row = {
            "format": FORMAT,
            "run": self.run,
            "step": self.step,
            "epoch": self.epoch,
            "loss": _plain(self.loss),
            "grad_norm": _plain(self.grad_norm),
            "overflow": self.overflow,
            "variables": self._parts(each, each),
            "layers": self._parts(names.by_layer, names.moving),
        }
        signals = self._rms(names.biases)
        for layer, part in row["layers"].items():
            part["signal_gradient_rms"] = _plain(signals.get(layer))
        if self.activations is not None:
            row["activations"] = {key: dict(value) for key, value in self.activations.items()}
        return row

    @np.errstate(all="ignore")
    def training_step(self) -> TrainingStep:
        """The layers with a kernel, for `judge_window`."""
        rows, names = self.arrays.rows, self.names
        kernels = merged_statistics(rows, [*names.kernels.values()])
        whole = merged_statistics(rows, [*names.with_kernel.values()])
        roots = np.sqrt(np.maximum(kernels[:, COUNT], 1.0))
        broken = whole[:, NON_FINITE] + ~np.isfinite(whole[:, WEIGHT])
        probed = self.activations or {}
        # A bias gradient is a sum over the batch: the two are not compared with each other.
        if probed and names.biases.keys() != names.kernels.keys():
            signals = {name: part["signal_gradient_rms"] for name, part in probed.items()}
        else:
            signals = {**self._rms(names.biases)}
        biases = merged_statistics(rows, [*names.biases.values()])
        shares = (biases[:, ZEROS] / np.maximum(biases[:, COUNT], 1.0)).tolist()
        idle = dict(zip(names.biases, shares, strict=True))
        layers = [
            LayerStep(
                name=name,
                gradient_rms=gradient,
                weight_rms=weight,
                update_ratio=ratio,
                signal_gradient_rms=signals.get(name),
                non_finite=round(bad),
                dead_share=probed.get(name, {}).get("dead_share"),
                saturated_share=probed.get(name, {}).get("saturated_share"),
                idle_share=idle.get(name),
                zero_share=zeros,
            )
            for name, gradient, weight, ratio, bad, zeros in zip(
                names.kernels,
                (kernels[:, NORM] / roots).tolist(),
                (kernels[:, WEIGHT] / roots).tolist(),
                self._ratios(kernels),
                broken.tolist(),
                (kernels[:, ZEROS] / np.maximum(kernels[:, COUNT], 1.0)).tolist(),
                strict=True,
            )
        ]
        return TrainingStep(self.step, self.loss, tuple(layers), self.overflow)

    def _parts(self, groups: Groups, moving: Groups) -> dict[str, GradientRow]:
        """A dict for each group of rows; the update ratio is that of the rows in `moving`."""
        arrays = self.arrays
        whole = merged_statistics(arrays.rows, [*groups.values()])
        ratios = self._ratios(merged_statistics(arrays.rows, [*moving.values()]))
        clipped = None
        if arrays.clipped is not None:
            clipped = merged_statistics(arrays.clipped, [*groups.values()])
        parts: dict[str, GradientRow] = {}
        for number, (name, rows) in enumerate(groups.items()):
            part = parts[name] = _shown(whole[number])
            part["connected"] = any(self.names.connected[row] for row in rows)
            part["weight_norm"] = _plain(whole[number, WEIGHT])
            part["update_ratio"] = _plain(ratios[number])
            if clipped is not None:
                part["clipped"] = {**_shown(clipped[number])}
            if self.histogram:
                part["histogram"] = arrays.histogram[rows].sum(axis=0).tolist()
        return parts

    def _ratios(self, merged: np.ndarray) -> list[float | None]:
        """Update-to-weight ratio of each group; None where there is nothing to compare with."""
        if not self.moved:
            return [None] * len(merged)
        pairs = zip(
            (merged[:, UPDATE] / merged[:, WEIGHT]).tolist(), merged[:, WEIGHT], strict=True
        )
        return [ratio if weight != 0 else None for ratio, weight in pairs]

    def _rms(self, groups: Groups) -> dict[str, float]:
        """RMS of the gradient of each group."""
        merged = merged_statistics(self.arrays.rows, [*groups.values()])
        return dict(
            zip(groups, (merged[:, NORM] / np.sqrt(merged[:, COUNT])).tolist(), strict=True)
        )


class History(Sequence[Row]):
    """The last records as plain dicts, each made when it is asked for."""

    def __init__(self, size: int) -> None:
        self._records: deque[Record] = deque(maxlen=size)

    def add(self, record: Record) -> None:
        """Keeps one more; the oldest goes when there are too many."""
        self._records.append(record)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [record.to_dict() for record in list(self._records)[index]]
        return self._records[index].to_dict()

    def __iter__(self) -> Iterator[Row]:
        return (record.to_dict() for record in list(self._records))

    def __repr__(self) -> str:
        return f"<History of {len(self)} recorded steps>"


def is_finite(rows: np.ndarray) -> bool:
    """Whether no gradient holds a NaN or an infinity."""
    return not rows[:, NON_FINITE].any()


def _shown(numbers: np.ndarray) -> GradientRow:
    count, total, norm, minimum, maximum, zeros, non_finite = numbers[:WEIGHT].tolist()
    finite = count - non_finite
    mean = total / finite if finite else 0.0
    rms = norm / math.sqrt(finite) if finite else 0.0
    return {
        "count": round(count),
        "total": _plain(total),
        "norm": _plain(norm),
        "min": _plain(minimum),
        "max": _plain(maximum),
        "zeros": round(zeros),
        "non_finite": round(non_finite),
        "mean": _plain(mean),
        "rms": _plain(rms),
        "std": _plain(math.sqrt(max(rms**2 - mean**2, 0.0))),
        "zero_fraction": zeros / count if count else 0.0,
    }


def _plain(value: float | None) -> float | None:
    """A number with the digits that float32 has, or None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.8g}")
