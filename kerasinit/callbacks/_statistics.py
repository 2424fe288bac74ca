"""Statistics of many tensors, whose entries lie one after another in one array."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

STATISTICS: tuple[str, ...] = (
    "count", "total", "norm", "minimum", "maximum", "zeros", "non_finite",
)  # fmt: skip
"""Columns of `part_statistics`.

Number of entries, their sum, root of the sum of squares (L2 norm), smallest and largest entry,
number of entries that are exactly 0, number of NaN and infinite entries. All but `count` and
`non_finite` are over the finite entries.
"""

COUNT, TOTAL, NORM, MINIMUM, MAXIMUM, ZEROS, NON_FINITE = range(len(STATISTICS))

NOTHING = (0.0, 0.0, 0.0, math.inf, -math.inf, 0.0, 0.0)  # the row of a part without entries


@np.errstate(invalid="ignore", over="ignore")  # infinities have no sum
def part_statistics(entries: np.ndarray, lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Statistics of consecutive parts of one vector, `(parts, len(STATISTICS))`, float64.

    Sums and squares are float64, which float32 entries neither overflow nor underflow.

    Args:
        entries: Entries of all parts, one part after another, `(sum(lengths),)`.
        lengths: Number of entries of each part.

    >>> part_statistics(np.array([3.0, -4.0, 0.0]), [2, 0, 1])[:, [0, 2, 5]].tolist()
    [[2.0, 5.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    """
    lengths = np.asarray(lengths, "int64")
    rows = np.tile(np.array(NOTHING), (len(lengths), 1))
    present = np.flatnonzero(lengths)
    if not present.size:
        return rows
    starts = np.cumsum(lengths[present]) - lengths[present]
    total = np.add.reduceat(entries, starts, dtype="float64")
    minimum = np.minimum.reduceat(entries, starts)
    maximum = np.maximum.reduceat(entries, starts)
    finite_entries = entries
    non_finite: np.ndarray | float = 0.0
    if not np.isfinite(total).all():
        finite = np.isfinite(entries)
        finite_entries = np.where(finite, entries, 0.0)
        total = np.add.reduceat(finite_entries, starts, dtype="float64")
        minimum = np.minimum.reduceat(np.where(finite, entries, math.inf), starts)
        maximum = np.maximum.reduceat(np.where(finite, entries, -math.inf), starts)
        non_finite = np.add.reduceat(~finite, starts, dtype="int64")
    zeros = np.add.reduceat(entries == 0, starts, dtype="int64")
    norm = np.sqrt(np.add.reduceat(np.square(finite_entries, dtype="float64"), starts))
    columns = (lengths[present], total, norm, minimum, maximum, zeros, non_finite)
    for column, values in enumerate(columns):
        rows[present, column] = values
    return rows


def part_norms(entries: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Root of the sum of squares of consecutive parts of one vector, `(parts,)`, float64.

    What is not finite stays so.
    """
    norms = np.zeros(len(lengths))
    present = np.flatnonzero(lengths)
    if present.size:
        starts = np.cumsum(lengths[present]) - lengths[present]
        norms[present] = np.sqrt(np.add.reduceat(np.square(entries, dtype="float64"), starts))
    return norms


def merged_statistics(rows: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Statistics of groups of tensors from those of each, `(groups, columns)`.

    Args:
        rows: A row for each tensor, `(tensors, columns)`: those of `STATISTICS`, then any norms.
        groups: Numbers of the rows of each group; no group is empty.

    >>> rows = part_statistics(np.array([3.0, 4.0, 12.0]), [1, 1, 1])
    >>> merged_statistics(rows, [np.array([0, 1]), np.array([2])])[:, [0, 2, 4]].tolist()
    [[2.0, 5.0, 4.0], [1.0, 12.0, 12.0]]
    """
    if not groups:
        return np.zeros((0, rows.shape[1]))
    starts = np.cumsum([0, *map(len, groups[:-1])])
    rows = rows[np.concatenate(groups)]
    norms = [NORM, *range(len(STATISTICS), rows.shape[1])]
    merged = np.add.reduceat(rows, starts, axis=0)
    merged[:, norms] = np.sqrt(np.add.reduceat(np.square(rows[:, norms]), starts, axis=0))
    for column, extreme in ((MINIMUM, np.minimum), (MAXIMUM, np.maximum)):
        merged[:, column] = extreme.reduceat(rows[:, column], starts)
    return merged
