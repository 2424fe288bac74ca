"""What the seeds of one initializer in one setting did, summed up for drawing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from kerasinit.experiments import RECORD_BINS, ComparisonRow, Replica


@dataclass(frozen=True)
class Series:
    """One initializer in one setting.

    Args:
        row: Its row of the ranked table.
        replicas: Its seeds.
    """

    row: ComparisonRow
    replicas: tuple[Replica, ...]

    @property
    def layers(self) -> list[str]:
        """Names of the weighted layers, in execution order."""
        return self.replicas[0].layers

    @property
    def _alike(self) -> list[Replica]:
        """The seeds with those layers; others were trained after their builder had changed."""
        return [replica for replica in self.replicas if replica.layers == self.layers]

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Median, lowest and highest seed per epoch, each of shape `(epochs,)`.

        An epoch is NaN when half of the seeds or more are not finite there.
        """
        curves = [replica.curves.get(name, []) for replica in self.replicas]
        if not any(curves):
            return (np.array([]),) * 3
        values = _stacked(curves)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # an epoch without a finite value
            middle = np.nanmedian(values, axis=0)
            low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        lost = 2 * np.isnan(values).sum(axis=0) >= len(values)
        return tuple(np.where(lost, np.nan, part) for part in (middle, low, high))  # type: ignore[return-value]

    def by_layer(self, name: str) -> np.ndarray:
        """Base-10 logarithm of a measure, geometric mean over seeds: `(measurements, layers)`.

        Zero becomes minus infinity, what is not finite becomes NaN.
        """
        tables = [table for replica in self._alike if (table := getattr(replica, name))]
        if not tables:
            return np.zeros((0, 0))
        depth = min(len(table) for table in tables)
        values = np.array([table[:depth] for table in tables], dtype=float)
        values = np.where(np.isfinite(values), values, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log10(values).mean(axis=0)

    def histogram(self, name: str) -> np.ndarray:
        """Mean share of the values per layer and bin, `(layers, bins)`; empty if not measured."""
        tables = [getattr(replica, name) for replica in self._alike]
        bins = RECORD_BINS.count
        full = [t for t in tables if len(t) == len(self.layers) and {*map(len, t)} == {bins}]
        return np.mean(np.array(full, dtype=float), axis=0) if full else np.zeros((0, 0))

    @property
    def dead(self) -> np.ndarray:
        """Mean share of dead units per layer, `(layers,)`."""
        shares = [r.dead_share for r in self._alike if len(r.dead_share) == len(self.layers)]
        return np.mean(np.array(shares or [[np.nan] * len(self.layers)], float), axis=0)

    @property
    def symmetric_seeds(self) -> int:
        """Number of seeds whose units start as copies of each other."""
        return sum(replica.symmetric for replica in self.replicas)


def _stacked(curves: list[list[float]]) -> np.ndarray:
    """Curves as rows, the shorter ones filled with NaN."""
    values = np.full((len(curves), max(map(len, curves))), np.nan)
    for index, curve in enumerate(curves):
        values[index, : len(curve)] = curve
    return np.where(np.isfinite(values), values, np.nan)
