"""How the trainings went: learning curves, and what every seed reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasinit.experiments import Replica
from kerasinit.report._figures import Figure, Marked, label, named_rows, short
from kerasinit.report._series import Series
from kerasinit.report._words import DASH

CURVE_HEADROOM = 10.0  # a loss above this many times its usual start runs out of the chart


def learning_curves(marked: Marked, name: str, axis: Figure, unit: float) -> Figure | None:
    """A line of each initializer in a band of its seeds; None where no epoch is recorded.

    Args:
        marked: What is drawn.
        name: Of the curve in the records.
        axis: Plotly's vertical axis; a logarithmic one gets its range here.
        unit: Factor of every value.
    """
    traces, rows = [], []
    epochs = 0
    for series, place, _ in marked:
        middle, low, high = (unit * part for part in series.curve(name))
        if not len(middle):
            continue
        epochs = max(epochs, len(middle))
        inside = np.flatnonzero(np.isfinite(low) & np.isfinite(high) & np.isfinite(middle))
        edge = [*low[inside], *high[inside][::-1]]
        x = [int(i) + 1 for i in inside]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [*x, *x[::-1]],
                "y": short(edge),
                "fill": "toself",
                "hoverinfo": "skip",
                "meta": {"role": "band", "i": place},
            }
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": list(range(1, len(middle) + 1)),
                "y": short(middle),
                "name": label(series.row.initializer),
                "meta": {"role": "line", "i": place},
                "hovertemplate": "epoch %{x}: %{y:.4~g}<extra>%{fullData.name}</extra>",
            }
        )
        rows.append((series.row.initializer, middle))
    if not traces:
        return None
    if axis.get("type") == "log":
        axis = axis | _loss_axis([middle for _, middle in rows])
    at = sorted({0, epochs // 4, epochs // 2, epochs - 1})
    return {
        "data": traces,
        "layout": {"xaxis": {"title": "epoch"}, "yaxis": axis},
        "table": {
            "caption": f"{axis['title'].capitalize()}, median over the seeds",
            "columns": ["initializer", *(f"epoch {i + 1}" for i in at)],
            "rows": [
                [who, *(f"{v[i]:.3g}" if i < len(v) and np.isfinite(v[i]) else DASH for i in at)]
                for who, v in rows
            ],
        },
    }


def _loss_axis(curves: Sequence[np.ndarray]) -> Figure:
    """A logarithmic axis that keeps the curves apart even if one of them leaves for infinity."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return {}
    start = float(np.median([curve[0] for curve in curves if np.isfinite(curve[0])] or [1.0]))
    low = math.log10(values.min())
    high = math.log10(max(min(values.max(), CURVE_HEADROOM * start), values.min()))
    room = 0.05 * (high - low) + 0.05
    return {"range": [low - room, high + room]}


def final_scores(members: Sequence[Series]) -> Figure:
    """A dot for every seed, and a bar at the median of each initializer."""
    names = [label(series.row.initializer) for series in members]
    found = [
        np.array([100 * _accuracy(replica) for replica in series.replicas]) for series in members
    ]
    places = [[place] * len(values) for place, values in enumerate(found)]
    medians = [_over_known(np.median, values) for values in found]
    score = members[0].row.score
    layout = named_rows(names, f"final validation {score}, %")
    layout["xaxis"] |= {"range": [-2, 102]}
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": short(medians),
                "y": list(range(len(found))),
                "hoverinfo": "skip",
                "meta": {"role": "median"},
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": short(np.concatenate(found)),
                "y": [place for row in places for place in row],
                "text": [names[place] for row in places for place in row],
                "customdata": [r.seed for s in members for r in s.replicas],
                "hovertemplate": "%{text}, seed %{customdata}: %{x:.1f} %<extra></extra>",
                "meta": {"role": "dots"},
            },
        ],
        "layout": layout,
        "table": {
            "caption": f"Final validation {score} over the seeds, %",
            "columns": ["initializer", "seeds", "lowest", "median", "highest"],
            "rows": [
                [
                    s.row.initializer,
                    str(len(v)),
                    *(
                        "diverged" if math.isnan(known := _over_known(f, v)) else f"{known:.1f}"
                        for f in (np.min, np.median, np.max)
                    ),
                ]
                for s, v in zip(members, found, strict=True)
            ],
        },
    }


def _accuracy(replica: Replica) -> float:
    """Final validation accuracy, or R2; NaN of a training that diverged."""
    return math.nan if replica.diverged else replica.final.get("val_accuracy", math.nan)


def _over_known(function: Callable[[np.ndarray], Any], values: np.ndarray) -> float:
    """A function of the values that are known; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(function(known)) if len(known) else math.nan
