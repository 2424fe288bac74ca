"""One recorded training step: the rows of its variables, kept small and shown as plain dicts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from kerasinit.callbacks._measurement import COLUMNS
from kerasinit.callbacks._names import Groups, Names
from kerasinit.signals import (
    HISTOGRAM_EDGES,
    STATISTICS,
    LayerStep,
    TensorStatistics,
    TrainingStep,
)

FORMAT = 1  # of one row of `history`, of one line of the file
Row = dict[str, Any]
_SHORT = {"minimum": "min", "maximum": "max"}
_BINS = len(HISTOGRAM_EDGES) - 1
_COUNT, _NORM, _NON_FINITE = (STATISTICS.index(c) for c in ("count", "norm", "non_finite"))
_WEIGHT, _UPDATE, _SAMPLED = range(len(STATISTICS), len(COLUMNS))


@dataclass(frozen=True, eq=False)
class Record:
    """One recorded step, as arrays.

    Args:
        names: Names of the rows, shared by all records of a training.
        rows: One row for each variable, columns as in `COLUMNS`, float32.
        step: Number of steps before this one since training began.
        epoch: Epoch, from 0.
        loss: Mean training loss since the record before; None if unknown.
        overflow: True if loss scaling skipped this step.
        updated: False if the step only accumulated gradients.
        clipped: Rows of the gradients after clipping, columns as in `STATISTICS`.
        histogram: Bin counts for each variable, `(variables, bins)`.
        activations: By layer: `rms`, `dead_share`, `saturated_share` of its output.
    """

    names: Names
    rows: np.ndarray
    step: int
    epoch: int
    loss: float | None = None
    overflow: bool = False
    updated: bool = True
    clipped: np.ndarray | None = None
    histogram: np.ndarray | None = None
    activations: Mapping[str, Mapping[str, float | None]] | None = None

    @cached_property
    def columns(self) -> np.ndarray:
        """The rows' columns, `(columns, variables)`, float64: squares of float32 numbers fit."""
        return self.rows.T.astype("float64")

    @cached_property
    def grad_norm(self) -> float:
        """Norm of the whole gradient; infinite if an entry is not finite."""
        return math.hypot(*self.columns[_NORM].tolist()) if self.finite else math.inf

    @cached_property
    def finite(self) -> bool:
        """Whether all gradients and weights are finite."""
        columns = self.columns
        return not columns[_NON_FINITE].any() and bool(np.isfinite(columns[_WEIGHT]).all())

    def to_dict(self) -> Row:
        """The record as plain values, ready for JSON; what is not a finite number is None."""
        names = self.names
        signals = self._signals()
        row: Row = {
            "format": FORMAT,
            "step": self.step,
            "epoch": self.epoch,
            "loss": _plain(self.loss),
            "grad_norm": _plain(self.grad_norm),
            "overflow": self.overflow,
            "variables": {
                name: self._part((index,), *moves)
                for index, (name, *moves) in enumerate(
                    zip(names.variables, *self._moves(names.each, names.each), strict=True)
                )
            },
            "layers": {
                layer: self._part(indices, *moves)
                | {"signal_gradient_rms": _plain(signals.get(layer))}
                for (layer, indices), *moves in zip(
                    names.members.items(),
                    *self._moves(names.by_layer, names.moving_by_layer),
                    strict=True,
                )
            },
        }
        if self.activations is not None:
            row["activations"] = {key: dict(value) for key, value in self.activations.items()}
        return row

    @np.errstate(all="ignore")
    def to_step(self) -> TrainingStep:
        """What the rules of `kerasinit.signals.judge_window` need: the layers with a kernel."""
        names, columns = self.names, self.columns
        kernels = names.kernels_by_layer
        roots = np.sqrt(np.maximum(kernels.sums(columns[_COUNT]), 1.0))
        weight_norms, ratios = self._moves(kernels, kernels)
        bad = columns[_NON_FINITE] + ~np.isfinite(columns[_WEIGHT])
        signals = self._signals_by_probe() or self._signals()
        parts = zip(
            names.kernels,
            (kernels.norms(columns[_NORM]) / roots).tolist(),
            (weight_norms / roots).tolist(),
            ratios,
            names.layers_with_kernel.sums(bad).tolist(),
            strict=True,
        )
        layers = []
        for layer, gradient_rms, weight_rms, ratio, non_finite in parts:
            probed = (self.activations or {}).get(layer, {})
            layers.append(
                LayerStep(
                    name=layer,
                    gradient_rms=gradient_rms,
                    weight_rms=weight_rms,
                    update_ratio=ratio,
                    signal_gradient_rms=signals.get(layer),
                    non_finite=round(non_finite),
                    dead_share=probed.get("dead_share"),
                    saturated_share=probed.get("saturated_share"),
                )
            )
        return TrainingStep(self.step, self.loss, tuple(layers), self.overflow)

    def _signals_by_probe(self) -> dict[str, float | None]:
        """RMS of the pre-activation gradient by layer, if there are layers without a bias.

        A bias gradient is a sum over the batch: the two are not compared with each other.
        """
        if self.activations is None or self.names.all_biased:
            return {}
        return {name: part.get("signal_gradient_rms") for name, part in self.activations.items()}

    @np.errstate(all="ignore")
    def _signals(self) -> dict[str, float]:
        """RMS of the bias gradient: the batch sum of the gradient of the pre-activations."""
        biases = self.names.biases_by_layer
        roots = np.sqrt(biases.sums(self.columns[_COUNT]))
        layers = [layer for layer, rows in self.names.biases.items() if rows]
        rms = biases.norms(self.columns[_NORM]) / roots
        return dict(zip(layers, rms.tolist(), strict=True))

    @np.errstate(all="ignore")
    def _moves(self, groups: Groups, moving: Groups) -> tuple[np.ndarray, list[float | None]]:
        """Norm of the weights of each group; update-to-weight ratio of those in `moving`."""
        weight, update, sampled = self.columns[[_WEIGHT, _UPDATE, _SAMPLED]]
        norms = groups.norms(weight)
        if not self.updated or self.overflow:
            return norms, [None] * len(norms)
        whole_update = np.where(sampled != 0, update / sampled * weight, 0.0)
        weights = norms if groups is moving else moving.norms(weight)
        ratios = (moving.norms(whole_update) / weights).tolist()
        known = (weights != 0).tolist()
        return norms, [r if is_known else None for r, is_known in zip(ratios, known, strict=True)]

    def _part(self, indices: Sequence[int], weight_norm: float, update_ratio: float | None) -> Row:
        part = _shown(_statistics(self.rows, indices))
        part["connected"] = any(self.names.about.connected[index] for index in indices)
        part["weight_norm"] = _plain(float(weight_norm))
        part["update_ratio"] = _plain(update_ratio)
        if self.clipped is not None:
            part["clipped"] = _shown(_statistics(self.clipped, indices))
        if self.histogram is not None:
            part["histogram"] = self.histogram[list(indices)].sum(axis=0).tolist()
        return part


class History(Sequence[Row]):
    """The last records as plain dicts, each made when it is asked for."""

    def __init__(self, size: int) -> None:
        self.records: deque[Record] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [record.to_dict() for record in list(self.records)[index]]
        return self.records[index].to_dict()

    def __iter__(self) -> Iterator[Row]:
        return (record.to_dict() for record in list(self.records))

    def __repr__(self) -> str:
        return f"<History of {len(self)} recorded steps>"


def histograms(samples: np.ndarray) -> np.ndarray:
    """Bin counts of each row of samples, `(variables, bins)`, NaN left out.

    Equals `kerasinit.signals.magnitude_histogram` of each row, in one call, but for numbers below
    2**-126, which are in no bin.
    """
    # The power of two of a float32 stands in its bits; of all else (0, NaN, too small) in no bin.
    powers = (np.ascontiguousarray(samples, "float32").view("int32") >> 23) & 255
    columns = _BIN_OF_POWER[powers]
    columns += (_BINS + 1) * np.arange(len(samples))[:, None]
    counts = np.bincount(columns.ravel(), minlength=len(samples) * (_BINS + 1))
    return counts.reshape(len(samples), _BINS + 1)[:, :_BINS].astype("uint16")


def _bins_of_powers() -> np.ndarray:
    """Bin of each of the 256 biased exponents of a float32; the bin after the last for none."""
    lowest, highest = round(math.log2(HISTOGRAM_EDGES[0])), round(math.log2(HISTOGRAM_EDGES[-1]))
    exponents = np.arange(256) - 127
    bins = np.clip((exponents - lowest) * _BINS // (highest - lowest), 0, _BINS - 1)
    bins[[0, 255]] = _BINS  # zero; infinite or NaN
    return bins


_BIN_OF_POWER = _bins_of_powers()


def _statistics(rows: np.ndarray, indices: Sequence[int]) -> TensorStatistics:
    cells = rows[list(indices), : len(STATISTICS)].tolist()
    return sum((TensorStatistics.from_row(row) for row in cells), TensorStatistics())


def _shown(statistics: TensorStatistics) -> Row:
    return {_SHORT.get(key, key): _plain(value) for key, value in statistics.to_dict().items()}


def _plain(value: float | None) -> float | int | None:
    """A number with the digits that float32 has, or None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.8g}")
