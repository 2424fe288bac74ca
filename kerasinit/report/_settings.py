"""The settings of a comparison with their names and rows, grouped in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from kerasinit.experiments import Comparison, ComparisonRow
from kerasinit.experiments._records import cell_key
from kerasinit.report._words import cell_labels


@dataclass(frozen=True)
class Setting:
    """One setting of a comparison.

    Args:
        label: Its name: activation, depth, and whatever else differs between the settings.
        cell: The parts that define it.
        rows: Its rows, best first.
    """

    label: str
    cell: dict[str, Any]
    rows: tuple[ComparisonRow, ...]


def settings(comparison: Comparison) -> tuple[Setting, ...]:
    """The settings in the order of the comparison."""
    groups = [tuple(rows) for _, rows in groupby(comparison.rows, key=lambda r: cell_key(r.cell))]
    cells = [rows[0].cell for rows in groups]
    return tuple(map(Setting, cell_labels(cells), cells, groups))


def most_telling(found: Sequence[Setting]) -> int:
    """The place of the setting whose initializers differ most in validation accuracy."""
    spreads = [_spread([row.val_accuracy.value for row in setting.rows]) for setting in found]
    return max(range(len(found)), key=spreads.__getitem__)


def _spread(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) - min(finite) if finite else 0.0
