"""The ranked table and the trainable-depth map, as words and numbers ready to print."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Any

from kerasinit._numbers import is_finite
from kerasinit._safe_text import safe
from kerasinit.experiments import Comparison, ComparisonRow, Estimate
from kerasinit.experiments._records import cell_key
from kerasinit.report._words import (
    DASH,
    Word,
    cell_labels,
    magnitude,
    number,
    percent,
    signed,
    word,
)

# Verdicts of `ComparisonRow` that tell an end: the start was healthy.
ENDINGS = ("did not train", "diverged")
WIDEST = 1.0  # of an interval of a difference that still says something
BAR_WIDTH = 56  # px of the small interval drawn in the table, from 0 to 100 %
BAR_INSET = 4  # px kept free at both ends, for the dot

# Heading for a score and a target, column class; a line break where the heading may wrap.
HEADINGS = (
    ("#", ""),
    ("initializer", "name"),
    ("start", "word"),
    ("validation\n{score}, %", ""),
    ("training\n{score}, %", ""),
    ("seeds that\ntrained", ""),
    ("epochs\nto {target}", ""),
    ("gradient,\nfirst layer", ""),
    ("gradient,\nlast layer", ""),
    ("difference,\npoints", ""),
    ("against\nbaseline", "word"),
)


@dataclass(frozen=True)
class Ranked:
    """A value of the table with its interval, as text, and the number that sorts it.

    Args:
        text: The value.
        low: Lower end of the interval, empty if unknown.
        high: Upper end of the interval.
        key: Sorting key, empty if unknown.
        between: What stands between the ends of the interval.
        bar: Places of the ends and the value on a line of `BAR_WIDTH` px, or None.
        note: What stands in place of an interval.
    """

    text: str
    low: str = ""
    high: str = ""
    key: float | str = ""
    between: str = DASH
    bar: dict[str, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class RankedRow:
    """One row of the table, ready to print; `verdict` is that of the start alone."""

    rank: int
    places: str
    initializer: str
    verdict: Word
    val: Ranked
    train: Ranked
    trained: Ranked
    epochs: Ranked
    first: Ranked
    last: Ranked
    difference: Ranked
    conclusion: Word


def ranked(rows: Sequence[ComparisonRow]) -> list[RankedRow]:
    """The rows of one setting, ready to print."""
    return [
        RankedRow(
            rank=row.rank,
            places=_places(row.rank_interval),
            initializer=safe(row.initializer),
            verdict=word("healthy" if row.verdict in ENDINGS else safe(row.verdict)),
            val=_accuracy(row.val_accuracy, row),
            train=_accuracy(row.train_accuracy, row),
            trained=_trained(row),
            epochs=Ranked(number(row.epochs_to_target), key=_key(row.epochs_to_target)),
            first=Ranked(magnitude(row.first_gradient), key=_key(row.first_gradient)),
            last=Ranked(magnitude(row.last_gradient), key=_key(row.last_gradient)),
            difference=_difference(row.difference),
            conclusion=word(row.conclusion),
        )
        for row in rows
    ]


def _places(interval: tuple[int, int]) -> str:
    low, high = interval
    return "" if low == high else f"{low}{DASH}{high}"


def _key(value: float | None) -> float | str:
    return "" if value is None or not math.isfinite(value) else value


def _accuracy(estimate: Estimate, row: ComparisonRow) -> Ranked:
    if row.diverged and row.diverged == row.replicas:
        return Ranked("diverged", key=-1.0)
    text = percent(estimate.value)
    if not math.isfinite(estimate.value):
        return Ranked(text)
    ends = [estimate.value if end is None else end for end in (estimate.low, estimate.high)]
    bar = {"at": _px(estimate.value), "low": _px(ends[0]), "high": _px(ends[1])}
    if estimate.low is None or estimate.high is None:
        return Ranked(text, key=estimate.value, bar=bar)
    # A resampled interval may reach past what an accuracy can be.
    low, high = percent(max(estimate.low, 0.0)), percent(min(estimate.high, 1.0))
    if (low, high) == (percent(0.0), percent(1.0)):  # all that an accuracy can be
        return Ranked(text, key=estimate.value, note="too few seeds", bar=bar)
    return Ranked(text, low, high, estimate.value, bar=bar)


def _trained(row: ComparisonRow) -> Ranked:
    """How many seeds trained; where some, not all, have no accuracy, also how many diverged."""
    text = f"{round(row.trained_share * row.replicas)} of {row.replicas}"
    note = f"{row.diverged} diverged" if 0 < row.diverged < row.replicas else ""
    return Ranked(text, key=row.trained_share, note=note)


def _px(share: float) -> float:
    inside = min(max(share, 0.0), 1.0)
    return round(BAR_INSET + inside * (BAR_WIDTH - 2 * BAR_INSET), 1)


def _difference(estimate: Estimate | None) -> Ranked:
    if estimate is None or not math.isfinite(estimate.value):
        return Ranked(DASH)
    if estimate.low is None or estimate.high is None:
        return Ranked(signed(estimate.value), key=estimate.value)
    if estimate.high - estimate.low >= WIDEST:
        return Ranked(signed(estimate.value), key=estimate.value, note="too few seeds")
    low, high = (signed(end).removeprefix("+") for end in (estimate.low, estimate.high))
    return Ranked(signed(estimate.value), low, high, estimate.value, between=" to ")


def target_of(comparison: Comparison) -> str:
    """The accuracy whose epoch the table tells, such as "90 %"."""
    target: Any = comparison.spec.get("target")
    return f"{100 * target:g} %" if is_finite(target) else "target"


def headings_of(comparison: Comparison) -> list[tuple[str, str]]:
    """The headings of the table with their column classes, as `HEADINGS`."""
    words = {"score": comparison.score, "target": target_of(comparison)}
    return [(text.format(**words), kind) for text, kind in HEADINGS]


def best_first(comparison: Comparison) -> list[str]:
    """All initializers by their mean place over the settings."""
    ranks: dict[str, list[int]] = defaultdict(list)
    for row in comparison.rows:
        ranks[row.initializer].append(row.rank)
    return sorted(ranks, key=lambda name: (fmean(ranks[name]), name))


def depth_map(comparison: Comparison, cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Share of seeds that trained, initializer by setting, for the trainable-depth map.

    Returns:
        `groups` (name and number of columns), `columns` (depths), `rows` (initializer and one
        share or None per column) and `axis`; no rows where there is a single setting.
    """
    if len(cells) < 2:
        return {"rows": []}
    groups = cell_labels([{k: v for k, v in cell.items() if k != "depth"} for cell in cells])
    named = sorted(
        zip(groups, cells, strict=True), key=lambda pair: (pair[0], pair[1].get("depth", 0))
    )
    share = {(cell_key(row.cell), row.initializer): row.trained_share for row in comparison.rows}
    return {
        "axis": "activation and depth",
        "groups": [
            (name, len(list(found))) for name, found in groupby(group for group, _ in named)
        ],
        "columns": [str(cell.get("depth", DASH)) for _, cell in named],
        "rows": [
            (name, [share.get((cell_key(cell), name)) for _, cell in named])
            for name in best_first(comparison)
        ],
    }
