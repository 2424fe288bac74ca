"""One recorded training step: its statistics, and plain dicts of them on demand."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from kerasinit.callbacks._asked_for import Settings
from kerasinit.callbacks._reading import WHOLE, Reading, json_number
from kerasinit.callbacks._schema import FORMAT, GradientRow, Row
from kerasinit.callbacks._statistics import (
    COUNT,
    NON_FINITE,
    NORM,
    STATISTICS,
    ZEROS,
    merged_statistics,
)
from kerasinit.callbacks._step_vector import COLUMNS
from kerasinit.callbacks._variable_names import Groups
from kerasinit.signals import LayerStep, TrainingStep

WEIGHT, UPDATE = range(len(STATISTICS), len(COLUMNS))


@dataclass(frozen=True, eq=False)
class Record:
    """One recorded step.

    Args:
        reading: What was read of it.
        settings: What the user asked for.
        run: Names the training.
        step: Number of steps before this one since the optimizer was made.
        epoch: Epoch, from 0.
        steps_in_epoch: Steps of the epoch, this one included.
        loss: Mean training loss since the record before; None if unknown. First as reported.
        is_running: Whether the reported one is a mean over the epoch so far.
        probing: Whether its activations were asked for.
        goes_on: Whether the weights were trained before this training.
        skips_overflow: Whether a step with gradients that are not finite is skipped: loss scaling.
        updated: False if the step only accumulated gradients.
    """

    reading: Reading
    settings: Settings
    run: str
    step: int
    epoch: int
    steps_in_epoch: int
    loss: float | None
    is_running: bool
    probing: bool
    goes_on: bool
    skips_overflow: bool
    updated: bool = True

    @property
    def overflow(self) -> bool:
        """True if loss scaling skipped this step."""
        return self.skips_overflow and not self.reading.is_finite

    @property
    def activations(self) -> dict[str, dict[str, float | None]] | None:
        """What was probed, by layer; another callback of the training may have asked for it."""
        return self.reading.activations if self.probing else None

    @property
    def grad_norm(self) -> float:
        """Norm of the whole gradient; infinite if a gradient or a weight is not finite."""
        norm = self.reading.summary[WHOLE]
        return norm if np.isfinite(self.reading.rows[:, WEIGHT]).all() else math.inf

    @np.errstate(all="ignore")
    def to_dict(self) -> Row:
        """The record as plain values, ready for JSON; what is not a finite number is None."""
        names = self.reading.names
        each = {name: np.array([row]) for row, name in enumerate(names.variables)}
        row: Row = {
            "format": FORMAT,
            "run": self.run,
            "step": self.step,
            "epoch": self.epoch,
            "loss": json_number(self.loss),
            "grad_norm": json_number(self.grad_norm),
            "overflow": self.overflow,
            "variables": self._parts(each, each),
            "layers": self._parts(names.by_layer, {**names.by_layer, **names.kernels}),
        }
        signals = dict(zip(names.biases, _rms(self.reading.merged(names.biases)), strict=True))
        for layer, part in row["layers"].items():
            part["signal_gradient_rms"] = json_number(signals.get(layer))
        activations = self.activations
        if activations is not None:
            row["activations"] = activations
        return row

    @np.errstate(all="ignore")
    def training_step(self) -> TrainingStep:
        """The layers with a kernel, for `judge_window`."""
        names, merged = self.reading.names, self.reading.merged
        kernels, biases = merged(names.kernels), merged(names.biases)
        whole = merged({layer: names.by_layer[layer] for layer in names.kernels})
        roots = np.sqrt(np.maximum(kernels[:, COUNT], 1.0))
        broken = whole[:, NON_FINITE] + ~np.isfinite(whole[:, WEIGHT])
        idle = biases[:, ZEROS] / np.maximum(biases[:, COUNT], 1.0)
        probed = self.activations or {}
        signals: dict[str, float | None] = dict(zip(names.biases, _rms(biases), strict=True))
        # A bias gradient is a sum over the batch: the two are not compared with each other.
        if probed and names.biases.keys() != names.kernels.keys():
            signals = {name: part["signal_gradient_rms"] for name, part in probed.items()}
        idle_shares = dict(zip(names.biases, idle.tolist(), strict=True))
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
                # Units that are off leave their kernel without a gradient, too: else it is the bias
                # that means nothing, as where the outputs of twins are subtracted.
                idle_share=None
                if gradient > 0 and idle_shares.get(name) == 1
                else idle_shares.get(name),
            )
            for name, gradient, weight, ratio, bad in zip(
                names.kernels,
                (kernels[:, NORM] / roots).tolist(),
                (kernels[:, WEIGHT] / roots).tolist(),
                self._ratios(kernels),
                broken.tolist(),
                strict=True,
            )
        ]
        penalty, norm_samples = map(self.reading.number, ("penalty", "norm_samples"))
        only_class = self.reading.number("only_class")
        return TrainingStep(
            step=self.step,
            loss=None if self.loss is None else self.loss - (penalty or 0.0),
            layers=tuple(layers),
            overflow=self.overflow,
            penalty=penalty or 0.0,
            norm_samples=None if norm_samples is None else round(norm_samples),
            goes_on=self.goes_on,
            only_class=None if only_class is None or only_class < 0 else round(only_class),
        )

    def _parts(self, groups: Groups, moving: Groups) -> dict[str, GradientRow]:
        """A dict for each group of rows; the update ratio is that of the rows in `moving`."""
        reading, connected = self.reading, self.reading.names.connected
        whole = reading.merged(groups)
        ratios = self._ratios(reading.merged(moving))
        clipped = None
        if self.settings.clipped and len(reading.clipped):  # without a list, callbacks do not meet
            clipped = merged_statistics(reading.clipped, [*groups.values()])
        parts: dict[str, GradientRow] = {}
        for number, (name, rows) in enumerate(groups.items()):
            part = parts[name] = _shown(whole[number])
            part["connected"] = any(connected[row] for row in rows)
            part["weight_norm"] = json_number(whole[number, WEIGHT])
            part["update_ratio"] = json_number(ratios[number])
            if clipped is not None:
                part["clipped"] = {**_shown(clipped[number])}
            if self.settings.histogram:
                part["histogram"] = reading.histogram[rows].sum(axis=0).tolist()
        return parts

    def _ratios(self, merged: np.ndarray) -> list[float | None]:
        """Update-to-weight ratio of each group; None where there is nothing to compare with."""
        if self.overflow or not self.updated:
            return [None] * len(merged)
        weights = merged[:, WEIGHT]
        ratios = (merged[:, UPDATE] / weights).tolist()
        return [
            ratio if weight else None
            for ratio, weight in zip(ratios, weights.tolist(), strict=True)
        ]


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


def _rms(merged: np.ndarray) -> list[float]:
    """RMS of the gradient of each group."""
    return (merged[:, NORM] / np.sqrt(merged[:, COUNT])).tolist()


def _shown(numbers: np.ndarray) -> GradientRow:
    count, total, norm, minimum, maximum, zeros, non_finite = numbers[:WEIGHT].tolist()
    finite = count - non_finite
    mean = total / finite if finite else 0.0
    rms = norm / math.sqrt(finite) if finite else 0.0
    return {
        "count": round(count),
        "total": json_number(total),
        "norm": json_number(norm),
        "min": json_number(minimum),
        "max": json_number(maximum),
        "zeros": round(zeros),
        "non_finite": round(non_finite),
        "mean": json_number(mean),
        "rms": json_number(rms),
        "std": json_number(math.sqrt(max(rms**2 - mean**2, 0.0))),
        "zero_fraction": zeros / count if count else 0.0,
    }
