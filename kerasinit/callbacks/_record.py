"""One recorded training step: the rows of its variables, kept small and shown as plain dicts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from kerasinit.callbacks._measurement import COLUMNS, Variables, layer_of
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


@dataclass(frozen=True)
class Names:
    """Names of the rows: unique variable names, and the layer of each.

    Args:
        variables: Path of each variable without the model's own name.
        layers: Path of each variable's layer.
        about: The variables as the step saw them.
    """

    variables: tuple[str, ...]
    layers: tuple[str, ...]
    about: Variables

    @classmethod
    def of(cls, about: Variables, model_name: str) -> Names:
        """Names of the traced variables of a model.

        >>> about = Variables(("m/a/kernel", "m/a/kernel"), (True, True), (2, 2))
        >>> Names.of(about, "m").variables
        ('a/kernel', 'a#2/kernel')
        """
        prefix = f"{model_name}/"
        seen: dict[str, int] = {}
        variables = []
        for path in about.paths:
            short = path.removeprefix(prefix)
            seen[short] = seen.get(short, 0) + 1
            if seen[short] > 1:
                layer, _, last = short.rpartition("/")
                short = f"{layer}#{seen[short]}/{last}" if layer else f"{short}#{seen[short]}"
            variables.append(short)
        return cls(tuple(variables), tuple(layer_of(path) for path in variables), about)

    @cached_property
    def members(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of each layer, layers in the order of the variables."""
        found: dict[str, list[int]] = {}
        for index, layer in enumerate(self.layers):
            found.setdefault(layer, []).append(index)
        return {layer: tuple(indices) for layer, indices in found.items()}

    @cached_property
    def kernels(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of the kernels of each layer that has one."""
        ranks = self.about.ranks
        kernels = {
            layer: tuple(i for i in indices if ranks[i] > 1)
            for layer, indices in self.members.items()
        }
        return {layer: indices for layer, indices in kernels.items() if indices}

    @cached_property
    def biases(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of the biases of each layer that has a kernel too."""
        connected = self.about.connected
        return {
            layer: tuple(
                i
                for i in self.members[layer]
                if self.variables[i].endswith("/bias") and connected[i]
            )
            for layer in self.kernels
        }

    @cached_property
    def all_biased(self) -> bool:
        """Whether each layer with a kernel has a bias."""
        return all(self.biases.values())


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
    def cells(self) -> list[list[float]]:
        """The rows as plain numbers."""
        return self.rows.tolist()

    @cached_property
    def grad_norm(self) -> float:
        """Norm of the whole gradient; infinite if an entry is not finite."""
        if not self.finite:
            return math.inf
        return math.hypot(*(cells[_NORM] for cells in self.cells))

    @cached_property
    def finite(self) -> bool:
        """Whether all gradients and weights are finite."""
        return all(c[_NON_FINITE] == 0 and math.isfinite(c[_WEIGHT]) for c in self.cells)

    def to_dict(self) -> Row:
        """The record as plain values, ready for JSON; what is not a finite number is None."""
        members = self.names.members
        row: Row = {
            "format": FORMAT,
            "step": self.step,
            "epoch": self.epoch,
            "loss": _plain(self.loss),
            "grad_norm": _plain(self.grad_norm),
            "overflow": self.overflow,
            "variables": {name: self._part((i,)) for i, name in enumerate(self.names.variables)},
            "layers": {
                layer: self._part(indices) | {"signal_gradient_rms": _plain(self._signal(layer))}
                for layer, indices in members.items()
            },
        }
        if self.activations is not None:
            row["activations"] = {key: dict(value) for key, value in self.activations.items()}
        return row

    def to_step(self) -> TrainingStep:
        """What the rules of `kerasinit.signals.judge_window` need: the layers with a kernel."""
        layers = []
        by_probe = self._signals_by_probe()
        for layer, kernels in self.names.kernels.items():
            indices = self.names.members[layer]
            count = max(sum(self.cells[index][_COUNT] for index in kernels), 1.0)
            probed = (self.activations or {}).get(layer, {})
            bad = sum(self.cells[index][_NON_FINITE] for index in indices)
            bad += sum(not math.isfinite(self.cells[index][_WEIGHT]) for index in indices)
            layers.append(
                LayerStep(
                    name=layer,
                    gradient_rms=math.hypot(*(self.cells[index][_NORM] for index in kernels))
                    / math.sqrt(count),
                    weight_rms=self._weight_norm(kernels) / math.sqrt(count),
                    update_ratio=self._update_ratio(kernels),
                    signal_gradient_rms=by_probe.get(layer) if by_probe else self._signal(layer),
                    non_finite=round(bad),
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

    def _part(self, indices: Sequence[int]) -> Row:
        part = _shown(self._statistics(indices))
        part["connected"] = any(self.names.about.connected[index] for index in indices)
        part["weight_norm"] = _plain(self._weight_norm(indices))
        kernels = [i for i in indices if self.names.about.ranks[i] > 1]
        part["update_ratio"] = _plain(self._update_ratio(kernels or indices))
        if self.clipped is not None:
            rows = (TensorStatistics.from_row(self.clipped[index].tolist()) for index in indices)
            part["clipped"] = _shown(sum(rows, TensorStatistics()))
        if self.histogram is not None:
            part["histogram"] = self.histogram[list(indices)].sum(axis=0).tolist()
        return part

    def _statistics(self, indices: Sequence[int]) -> TensorStatistics:
        rows = (TensorStatistics.from_row(self.cells[i][: len(STATISTICS)]) for i in indices)
        return sum(rows, TensorStatistics())

    def _weight_norm(self, indices: Sequence[int]) -> float:
        return math.hypot(*(self.cells[index][_WEIGHT] for index in indices))

    def _update_ratio(self, indices: Sequence[int]) -> float | None:
        if not self.updated or self.overflow:
            return None
        squares = 0.0
        for index in indices:
            update, sampled = self.cells[index][_UPDATE], self.cells[index][_SAMPLED]
            squares += (update / sampled * self.cells[index][_WEIGHT]) ** 2 if sampled else 0
        weight = self._weight_norm(indices)
        return math.sqrt(squares) / weight if weight else None

    def _signal(self, layer: str) -> float | None:
        """RMS of the bias gradient: the batch sum of the gradient of the pre-activations."""
        biases = self.names.biases.get(layer)
        if not biases:
            return None
        count = sum(self.cells[index][_COUNT] for index in biases)
        return math.hypot(*(self.cells[index][_NORM] for index in biases)) / math.sqrt(count)


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


def _shown(statistics: TensorStatistics) -> Row:
    return {_SHORT.get(key, key): _plain(value) for key, value in statistics.to_dict().items()}


def _plain(value: float | None) -> float | int | None:
    """A number with the digits that float32 has, or None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.8g}")
