"""Records of finished replicas: one JSON line each, readable after any interruption."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np

from kerasinit._typing import Config
from kerasinit.experiments._record_shape import record_mistake
from kerasinit.signals._histograms import MagnitudeBins

Score: TypeAlias = Literal["accuracy", "R2"]
FORMAT = 2  # raise it when a line's meaning changes, and add the step to _UPGRADES

RECORD_BINS = MagnitudeBins(-33, 1, 42)
"""Bins of the histograms, as shares of all values; the first one holds the zeros, too."""

SIGNIFICANT_DIGITS = 6  # of every number in a record; float32 holds no more than 7.2


@dataclass(frozen=True, kw_only=True)
class Replica:
    """What one training (one cell, one initializer, one seed) left behind, in plain values.

    Numbers that were not finite (after a training blew up) are NaN here and `null` in the file.

    Args:
        cell: What was trained: `model`, `data`, `activation`, `depth`, `width`, `learning_rate`.
        initializer: Label of the initializer in the spec.
        seed: Seed of the weights; the same number means paired replicas.
        curves: Per epoch: `loss`, `accuracy`, `val_loss`, `val_accuracy`; of a regression the
            accuracies are R2.
        epochs_to_target: First epoch (from 1) that reached the target validation accuracy.
        trained: Whether the final training accuracy is clearly above guessing.
        layers: Names of the weighted layers, in execution order.
        measured_epochs: When the three lists below were measured: 0 is before training.
        gradient_norms: Norm of the kernel gradient per measurement and layer.
        signal_rms: Root mean square of the activations per measurement and layer.
        gradient_rms: Root mean square of the loss gradient by pre-activation, in units of
            one example (the batch mean is undone), per measurement and layer.
        activation_histogram: Shares of |activation| per layer at the start, in powers of two.
        gradient_histogram: Shares of |pre-activation gradient| per layer at the start.
        dead_share: Share of units per layer that are zero for every example, at the start.
        symmetric: Whether units of a hidden layer are copies of each other at the start.
        start: First verdict before training: `cause` ("healthy" if none), `where`, `evidence`.
        end: The same after training.
        seconds: Share of the wall clock of the mapped training that this replica was part of.
        versions: Versions of kerasinit, keras and the backend, and the backend's name.
        mapped: Whether it was trained together with other replicas in one call.
        score: What the accuracies are: "accuracy", or "R2" of a regression, from 0 on.
        val_samples: Samples that a validation accuracy counts; None for R2, and in older records.
        format: Version of these fields.

    Example:
        ```python
        for replica in compare("runs").replicas:
            print(replica.initializer, replica.seed, replica.curves["val_accuracy"][-1])
        ```
    """

    cell: Config
    initializer: str
    seed: int
    curves: dict[str, list[float]]
    epochs_to_target: int | None
    trained: bool
    layers: list[str]
    measured_epochs: list[int]
    gradient_norms: list[list[float]]
    signal_rms: list[list[float]]
    gradient_rms: list[list[float]]
    activation_histogram: list[list[float]]
    gradient_histogram: list[list[float]]
    dead_share: list[float]
    symmetric: bool
    start: dict[str, str]
    end: dict[str, str]
    seconds: float
    versions: dict[str, str]
    mapped: bool = True
    score: Score = "accuracy"
    val_samples: int | None = None
    format: int = FORMAT

    @property
    def key(self) -> str:
        """Identity of the replica within its run."""
        return replica_key(self.cell, self.initializer, self.seed)

    @property
    def final(self) -> dict[str, float]:
        """Last value of every curve."""
        return {name: curve[-1] for name, curve in self.curves.items() if curve}

    @property
    def diverged(self) -> bool:
        """Whether the training ended with a loss that is not finite: it has no accuracy then."""
        return not math.isfinite(self.final.get("loss", 0.0))

    def to_line(self) -> str:
        """The record as one line of strict JSON, without the line end."""
        return json.dumps(_plain(vars(self)), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Replica:
        """Reads one line of this or an older format.

        Raises:
            ValueError: If the line is no record, or was written by a newer kerasinit.
        """
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The line is not JSON: {error}. Received: {line[:80]!r}.") from error
        if not isinstance(data, dict) or type(data.get("format")) is not int or data["format"] < 1:
            raise ValueError(f"The line is not a replica record. Received: {line[:80]!r}.")
        if data["format"] > FORMAT:
            raise ValueError(
                f"The record has format {data['format']}, this kerasinit reads up to {FORMAT}: "
                "it was written by a newer kerasinit. Update kerasinit to read it."
            )
        for older in range(data["format"], FORMAT):
            data = _UPGRADES[older](data)
        mistake = record_mistake(data)
        if mistake:
            raise ValueError(f"The record {mistake}.")
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: _nan(value) for name, value in data.items() if name in known})


def replica_key(cell: Mapping[str, Any], initializer: str, seed: int) -> str:
    """Identity of a replica: the same for the same cell, initializer and seed."""
    return json.dumps([dict(sorted(cell.items())), initializer, int(seed)], separators=(",", ":"))


def cell_key(cell: Mapping[str, Any]) -> str:
    """One text for equal cells, whatever the order of their parts."""
    return json.dumps(cell, sort_keys=True)


def _plain(value: Any) -> Any:
    """JSON values: numbers rounded, those not finite as None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        if value and type(value[0]) is float:
            return _rounded(value)
        return [_plain(entry) for entry in value]
    return _rounded([value])[0] if isinstance(value, float) else value


def _rounded(values: Sequence[float]) -> list[float | None]:
    """Numbers with `SIGNIFICANT_DIGITS`, all at once: records hold thousands of them."""
    array = np.asarray(values, "float64")
    finite = np.isfinite(array)
    size = np.where(finite & (array != 0), np.abs(array), 1.0)
    digits = np.clip(SIGNIFICANT_DIGITS - 1 - np.floor(np.log10(size)), -300, 300)
    scale = 10.0**digits
    rounded = np.round(np.where(finite, array, 0.0) * scale) / scale
    return [x if good else None for x, good in zip(rounded.tolist(), finite, strict=True)]


def _nan(value: Any) -> Any:
    """Turns the None entries of number lists back into NaN."""
    if isinstance(value, list):
        return [math.nan if entry is None else _nan(entry) for entry in value]
    if isinstance(value, dict):
        return {
            name: _nan(entry) if isinstance(entry, list) else entry for name, entry in value.items()
        }
    return value


def _from_format_1(data: Config) -> Config:
    """Format 1 measured at the start and after every epoch and did not say so."""
    norms = data.get("gradient_norms")
    measured = list(range(len(norms))) if isinstance(norms, list) else None
    return {"measured_epochs": measured, **data, "format": 2}


_UPGRADES: dict[int, Callable[[Config], Config]] = {1: _from_format_1}
