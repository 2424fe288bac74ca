"""One recorded training step: the rows of its variables, kept small and shown as plain dicts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from kerasinit.callbacks._names import Groups, Names
from kerasinit.callbacks._plan import COLUMNS
from kerasinit.signals import STATISTICS, TensorStatistics

FORMAT = 1  # of one row of `history`, of one line of the file
Row = dict[str, Any]
_SHORT = {"minimum": "min", "maximum": "max"}
COUNT, NORM, NON_FINITE = (STATISTICS.index(c) for c in ("count", "norm", "non_finite"))
WEIGHT, UPDATE, SAMPLED = range(len(STATISTICS), len(COLUMNS))


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

    @property
    def grad_norm(self) -> float:
        """Norm of the whole gradient; infinite if an entry is not finite."""
        return float(gradient_norms(self.columns))

    @property
    def moved(self) -> bool:
        """Whether the step changed the weights."""
        return self.updated and not self.overflow

    def to_dict(self) -> Row:
        """The record as plain values, ready for JSON; what is not a finite number is None."""
        names = self.names
        signals = dict(zip(names.biased, bias_gradients(names, self.columns).tolist(), strict=True))
        row: Row = {
            "format": FORMAT,
            "step": self.step,
            "epoch": self.epoch,
            "loss": _plain(self.loss),
            "grad_norm": _plain(self.grad_norm),
            "overflow": self.overflow,
            "variables": {
                name: self._part((index,), weight_norm, ratio)
                for index, (name, weight_norm, ratio) in enumerate(
                    zip(names.variables, *self._moves(names.each, names.each), strict=True)
                )
            },
            "layers": {
                layer: self._part(indices, weight_norm, ratio)
                | {"signal_gradient_rms": _plain(signals.get(layer))}
                for (layer, indices), weight_norm, ratio in zip(
                    names.members.items(),
                    *self._moves(names.by_layer, names.moving_by_layer),
                    strict=True,
                )
            },
        }
        if self.activations is not None:
            row["activations"] = {key: dict(value) for key, value in self.activations.items()}
        return row

    def _moves(self, groups: Groups, moving: Groups) -> tuple[list[float], list[float | None]]:
        """Norm of the weights of each group; update-to-weight ratio of those in `moving`."""
        norms = groups.norms(self.columns[WEIGHT]).tolist()
        if not self.moved:
            return norms, [None] * len(norms)
        return norms, known_ratios(*update_ratios(self.columns, moving))

    def _part(self, indices: Sequence[int], weight_norm: float, update_ratio: float | None) -> Row:
        part = _shown(_statistics(self.rows, indices))
        part["connected"] = any(self.names.about.connected[index] for index in indices)
        part["weight_norm"] = _plain(weight_norm)
        part["update_ratio"] = _plain(update_ratio)
        if self.clipped is not None:
            part["clipped"] = _shown(_statistics(self.clipped, indices))
        if self.histogram is not None:
            part["histogram"] = self.histogram[list(indices)].sum(axis=0).tolist()
        return part


@np.errstate(all="ignore")
def gradient_norms(columns: np.ndarray) -> np.ndarray:
    """Norm of the whole gradient, `(...)`; infinite if a gradient or a weight is not finite.

    Args:
        columns: See `bias_gradients`.
    """
    broken = columns[NON_FINITE].any(axis=-1) | ~np.isfinite(columns[WEIGHT]).all(axis=-1)
    return np.where(broken, math.inf, np.sqrt(np.square(columns[NORM]).sum(axis=-1)))


@np.errstate(all="ignore")
def bias_gradients(names: Names, columns: np.ndarray) -> np.ndarray:
    """RMS of the bias gradient of each layer in `names.biased`, `(..., layers)`.

    It is the batch sum of the gradient of the pre-activations.

    Args:
        names: Names of the rows.
        columns: Columns as in `COLUMNS`, float64, `(columns, ..., variables)`.
    """
    biases = names.biases_by_layer
    return biases.norms(columns[NORM]) / np.sqrt(biases.sums(columns[COUNT]))


@np.errstate(all="ignore")
def update_ratios(columns: np.ndarray, moving: Groups) -> tuple[np.ndarray, np.ndarray]:
    """Update-to-weight ratio of each group, and whether it has weights to compare with.

    Args:
        columns: See `bias_gradients`.
        moving: The groups.
    """
    weight, update, sampled = columns[[WEIGHT, UPDATE, SAMPLED]]
    whole_update = np.where(sampled != 0, update / sampled * weight, 0.0)
    weights = moving.norms(weight)
    return moving.norms(whole_update) / weights, weights != 0


def known_ratios(ratios: np.ndarray, known: np.ndarray) -> list[float | None]:
    """Ratios as plain numbers; None where there is nothing to compare with."""
    pairs = zip(ratios.tolist(), known.tolist(), strict=True)
    return [ratio if is_known else None for ratio, is_known in pairs]


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
