"""What every layer saw: gradients over time, the signal by depth, units that do nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasinit.report._figures import (
    Figure,
    Marked,
    label,
    named_rows,
    numbered,
    power,
    short,
)
from kerasinit.report._series import Series
from kerasinit.report._words import DASH, counted, percent

GRADIENT_RANGE = (-8.0, 4.0)  # decades, the same on every page; beyond it the end colours
GRADIENT_LEGEND = {"scale": "magnitude", "low": "1e-8 or less, zero", "high": "1e4 or more"}
MOST_LAYERS_NAMED = 12  # ticks of an axis of layers


def filled(decades: np.ndarray) -> list[float | None]:
    """Logarithms as the colours show them: zero at the lower end, None for what is not finite."""
    return short(np.where(np.isneginf(decades), GRADIENT_RANGE[0], decades), 3)


def gradients_over_time(marked: Marked) -> Figure | None:
    """A panel of each initializer, layers by measured epochs; None where nothing is measured."""
    tables = [
        (series, place, table)
        for series, place, _ in marked
        if (table := series.by_layer("gradient_norms")).size
    ]
    if not tables:
        return None
    low, high = GRADIENT_RANGE
    panels = []
    for series, place, table in tables:
        names = numbered(series.layers)
        panels.append(
            {
                "meta": {"i": place},
                "data": [
                    {
                        "type": "heatmap",
                        "x": [str(e) for e in series.replicas[0].measured_epochs[: len(table)]],
                        "y": names,
                        "z": [filled(column) for column in table.T],
                        "zmin": low,
                        "zmax": high,
                        "hovertemplate": "%{y}, epoch %{x}: 10<sup>%{z:.1f}</sup><extra></extra>",
                        "meta": {"role": "heat", "scale": "magnitude"},
                    }
                ],
                "layout": {
                    "xaxis": {"title": "epoch", "type": "category", "nticks": 6},
                    "yaxis": {
                        "type": "category",
                        "tickvals": [names[0], names[-1]],
                        "ticktext": ["first", "last"],
                    },
                },
            }
        )
    return {
        "panels": panels,
        "legend": GRADIENT_LEGEND,
        "table": {
            "caption": "Gradient norm of the first and the last layer, before and after training",
            "columns": ["initializer", "first, start", "last, start", "first, end", "last, end"],
            "rows": [
                [
                    s.row.initializer,
                    *(power(t[when][layer]) for when in (0, -1) for layer in (0, -1)),
                ]
                for s, _, t in tables
            ],
        },
    }


def signal_by_depth(marked: Marked, measure: str, direction: str, title: str) -> Figure | None:
    """A line of each initializer before training, beside that of theory; None if not measured.

    Args:
        marked: What is drawn.
        measure: Field of the records, such as `"signal_rms"`.
        direction: Field of the predictions that goes with it: `"forward"` or `"backward"`.
        title: Of the vertical axis.
    """
    traces, rows = [], []
    for series, place, prediction in marked:
        table = series.by_layer(measure)
        if not table.size:
            continue
        depths = list(range(1, table.shape[1] + 1))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": depths,
                "y": short(np.where(np.isfinite(table[0]), 10.0 ** table[0], np.nan)),
                "text": numbered(series.layers),
                "name": label(series.row.initializer),
                "meta": {"role": "line", "i": place},
                "hovertemplate": "%{text}: %{y:.2~g}<extra>%{fullData.name}</extra>",
            }
        )
        predicted = getattr(prediction, direction) if prediction else None
        if predicted:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": depths[: len(predicted)],
                    "y": short([10.0**v for v in predicted]),
                    "name": "theory",
                    "meta": {"role": "theory", "i": place},
                    "hovertemplate": "theory: %{y:.2~g}<extra></extra>",
                }
            )
        rows.append((series.row.initializer, table[0], predicted))
    if not traces:
        return None
    deepest = max(len(values) for _, values, _ in rows)
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": "layer", "tickformat": "d", "range": [0.5, deepest + 0.5]},
            "yaxis": {"title": title, "exponentformat": "power", "type": "log"},
        },
        "table": _layer_table(title + " before training", rows),
    }


def _layer_table(
    caption: str, rows: Sequence[tuple[str, np.ndarray, list[float] | None]]
) -> Figure:
    return {
        "caption": caption,
        "columns": ["initializer", "first layer", "middle", "last layer", "theory, last hidden"],
        "rows": [
            [
                who,
                *(power(values[i]) for i in (0, len(values) // 2, -1)),
                power(predicted[-1]) if predicted else DASH,
            ]
            for who, values, predicted in rows
        ],
    }


def dead_units(members: Sequence[Series]) -> Figure | None:
    """A row of each initializer: the share of dead units by layer; None if not measured."""
    dead = [(series, series.dead) for series in members]
    if not any(len(values) for _, values in dead):
        return None
    names = [label(s.row.initializer) + (" *" if s.symmetric_seeds else "") for s, _ in dead]
    depths = max(len(values) for _, values in dead)
    layout = named_rows(names, "layer")
    layout["xaxis"] |= {"tick0": 1, "dtick": max(1, round(depths / MOST_LAYERS_NAMED))}
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(range(1, depths + 1)),
                "y": list(range(len(dead))),
                "z": [short(values, 3) for _, values in dead],
                "zmin": 0,
                "zmax": 1,
                "hovertext": [
                    [f"{name}, {layer}" for layer in numbered(s.layers)]
                    for name, (s, _) in zip(names, dead, strict=True)
                ],
                "hovertemplate": "%{hovertext}: %{z:.0%} dead<extra></extra>",
                "meta": {"role": "heat", "scale": "share"},
            }
        ],
        "legend": {"scale": "share", "low": "no unit dead", "high": "all dead"},
        "layout": layout,
        "table": {
            "caption": "Dead and symmetric units at the start",
            "columns": [
                "initializer",
                "symmetric",
                "dead, mean over layers, %",
                "worst layer",
                "dead there, %",
            ],
            "rows": [
                [
                    s.row.initializer,
                    f"{s.symmetric_seeds} of {counted(len(s.replicas), 'seed')}",
                    percent(float(np.mean(values))),
                    s.layers[int(np.argmax(values))],
                    percent(float(np.max(values))),
                ]
                for s, values in dead
                if len(values)
            ],
        },
    }
