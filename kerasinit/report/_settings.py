"""The settings of a comparison with their names and rows, grouped in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from kerasinit.experiments import Comparison, Row
from kerasinit.report._series import cell_key
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
    rows: tuple[Row, ...]


def settings(comparison: Comparison) -> tuple[Setting, ...]:
    """The settings in the order of the comparison."""
    groups = [tuple(rows) for _, rows in groupby(comparison.rows, key=lambda r: cell_key(r.cell))]
    cells = [rows[0].cell for rows in groups]
    return tuple(map(Setting, cell_labels(cells), cells, groups))
