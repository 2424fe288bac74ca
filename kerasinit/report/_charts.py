"""The charts of one setting, as Plotly figures in plain dicts.

Colours are left to the page, which knows light from dark: `meta` says what a trace is (`role`) and
whose it is (`i`, the initializer's place in the page's list). Names are escaped here, because
Plotly reads its labels as a small HTML.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasinit.experiments import LOWEST_POWER
from kerasinit.report._series import Series
from kerasinit.report._theory import Prediction
from kerasinit.report._words import counted, magnitude, percent

Figure = dict[str, Any]
LABEL_LENGTH = 26  # characters of a name beside an axis
GRADIENT_RANGE = (-10.0, 4.0)  # decades: what lies outside is drawn in the end colours
LEAST_SPAN = 2.0  # decades of a colour scale, so that equal panels do not look different
VISIBLE_SHARE = 0.002  # of the values: rarer bins at both ends are cut off
POWER_STEP = 4  # powers of two between the ticks of a distribution


def charts_of(
    members: Sequence[Series],
    index: Callable[[str], int],
    predict: Callable[[Series], Prediction | None],
) -> dict[str, Figure]:
    """All charts of one setting that its records allow, by the name the page knows them by.

    Args:
        members: The series of the setting, best first.
        index: Place of an initializer in the page's list.
        predict: What theory says about a series, or None.
    """
    marked = [(series, index(series.row.initializer), predict(series)) for series in members]
    charts = {
        "loss": _curves(marked, "loss", {"type": "log", "title": "training loss"}, 1.0),
        "accuracy": _curves(
            marked, "val_accuracy", {"title": "validation accuracy, %", "rangemode": "tozero"}, 100.0
        ),
        "gradients": _gradients(marked),
        "signal": _by_depth(marked, "signal_rms", "forward", "RMS of the activations"),
        "backward": _by_depth(marked, "gradient_rms", "backward", "RMS of the gradients"),
        "activation_bins": _bins(marked, "activation_histogram", "signal_rms", "forward"),
        "gradient_bins": _bins(marked, "gradient_histogram", "gradient_rms", "backward"),
        "units": _units(members),
        "seeds": _seeds(members),
    }
    return {name: chart for name, chart in charts.items() if chart}


Marked = Sequence[tuple[Series, int, Prediction | None]]


def _curves(marked: Marked, name: str, axis: dict[str, Any], unit: float) -> Figure | None:
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
            {"type": "scatter", "mode": "lines", "x": [*x, *x[::-1]], "y": _short(edge),
             "fill": "toself", "hoverinfo": "skip", "meta": {"role": "band", "i": place}}
        )  # fmt: skip
        traces.append(
            {"type": "scatter", "mode": "lines", "x": list(range(1, len(middle) + 1)),
             "y": _short(middle), "name": label(series.row.initializer), "meta": {"role": "line", "i": place},
             "hovertemplate": "epoch %{x}: %{y:.4~g}<extra>%{fullData.name}</extra>"}
        )  # fmt: skip
        rows.append((series.row.initializer, middle))
    if not traces:
        return None
    at = sorted({0, epochs // 4, epochs // 2, epochs - 1})
    return {
        "data": traces,
        "layout": {"xaxis": {"title": "epoch"}, "yaxis": axis},
        "table": {
            "caption": f"{axis['title'].capitalize()}, median over the seeds",
            "columns": ["initializer", *(f"epoch {i + 1}" for i in at)],
            "rows": [
                [who, *(f"{v[i]:.3g}" if i < len(v) and np.isfinite(v[i]) else "–" for i in at)]
                for who, v in rows
            ],
        },
    }


def _gradients(marked: Marked) -> Figure | None:
    tables = [(s, place, s.by_layer("gradient_norms")) for s, place, _ in marked]
    tables = [(s, place, table) for s, place, table in tables if table.size]
    if not tables:
        return None
    finite = np.concatenate([t[np.isfinite(t)] for *_, t in tables])
    low, high = _limits(finite)
    panels = []
    for series, place, table in tables:
        names = _numbered(series.layers)
        panels.append(
            {"meta": {"i": place},
             "data": [{
                 "type": "heatmap", "x": [str(e) for e in series.replicas[0].measured_epochs[: len(table)]],
                 "y": names, "z": [_short(column, 3) for column in table.T], "zmin": low, "zmax": high,
                 "hovertemplate": "%{y}, epoch %{x}: 10<sup>%{z:.1f}</sup><extra></extra>",
                 "meta": {"role": "heat", "scale": "magnitude"}}],
             "layout": {
                 "xaxis": {"title": "epoch", "type": "category", "nticks": 6},
                 "yaxis": {"type": "category", "tickvals": [names[0], names[-1]], "ticktext": ["first", "last"]}}}
        )  # fmt: skip
    return {
        "panels": panels,
        "legend": {
            "scale": "magnitude",
            "low": f"1e{low:.0f} or less",
            "high": f"1e{high:.0f} or more",
        },
        "table": {
            "caption": "Gradient norm of the first and the last layer, before and after training",
            "columns": ["initializer", "first, start", "last, start", "first, end", "last, end"],
            "rows": [
                [s.row.initializer, *(_power(t[when][layer]) for when in (0, -1) for layer in (0, -1))]
                for s, _, t in tables
            ],
        },
    }  # fmt: skip


def _by_depth(marked: Marked, measure: str, direction: str, title: str) -> Figure | None:
    traces, rows = [], []
    for series, place, prediction in marked:
        table = series.by_layer(measure)
        if not table.size:
            continue
        depths = list(range(1, table.shape[1] + 1))
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "x": depths, "y": _short(10.0 ** table[0]),
             "text": _numbered(series.layers), "name": label(series.row.initializer),
             "meta": {"role": "line", "i": place},
             "hovertemplate": "%{text}: %{y:.2~g}<extra>%{fullData.name}</extra>"}
        )  # fmt: skip
        predicted = getattr(prediction, direction) if prediction else None
        if predicted:
            traces.append(
                {"type": "scatter", "mode": "lines", "x": depths[: len(predicted)],
                 "y": _short([10.0**v for v in predicted]), "name": "theory",
                 "meta": {"role": "theory", "i": place},
                 "hovertemplate": "theory: %{y:.2~g}<extra></extra>"}
            )  # fmt: skip
        rows.append((series.row.initializer, table[0], predicted))
    if not traces:
        return None
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": "layer", "tickformat": "d"},
            "yaxis": {"type": "log", "title": title, "exponentformat": "power", "nticks": 7},
        },
        "table": _layer_table(title + " before training", rows),
    }


def _layer_table(caption: str, rows: Sequence[tuple[str, np.ndarray, list[float] | None]]) -> Figure:
    return {
        "caption": caption,
        "columns": ["initializer", "first layer", "middle", "last layer", "theory, last hidden"],
        "rows": [
            [who, *(_power(values[i]) for i in (0, len(values) // 2, -1)),
             _power(predicted[-1]) if predicted else "–"]
            for who, values, predicted in rows
        ],
    }  # fmt: skip


def _bins(marked: Marked, histogram: str, measure: str, direction: str) -> Figure | None:
    tables = [(s, place, p, s.histogram(histogram)) for s, place, p in marked]
    tables = [entry for entry in tables if entry[3].size]
    if not tables:
        return None
    peaks = np.max([entry[3].max(axis=0) for entry in tables], axis=0)
    used = 1 + np.flatnonzero(peaks[1:] > VISIBLE_SHARE)
    first, last = (int(used[0]), int(used[-1])) if len(used) else (1, 2)
    powers = [LOWEST_POWER + bin_ - 1 for bin_ in range(first, last + 1)]  # lower edges
    ticks = [p for p in powers if p % POWER_STEP == 0]
    panels, rows = [], []
    for series, place, prediction, table in tables:
        rms = series.by_layer(measure)
        shares = np.column_stack([table[:, 0] + table[:, 1:first].sum(axis=1), table[:, first : last + 1]])
        depths = list(range(1, len(table) + 1))
        data: list[Figure] = [
            {"type": "heatmap", "x": depths, "y": [powers[0] - 0.5, *(p + 0.5 for p in powers)],
             "z": [_short(row, 2) for row in shares.T], "zmin": 0, "zmax": 0.5,
             "hovertemplate": "layer %{x}, 2<sup>%{y:.0f}</sup>: %{z:.0%}<extra></extra>",
             "meta": {"role": "heat", "scale": "share"}}
        ]  # fmt: skip
        for values, own in (
            (rms[0] if rms.size else None, {}),
            (getattr(prediction, direction) if prediction else None, {"dash": "dot"}),
        ):
            if values is not None:
                inside = [v / math.log10(2) if np.isfinite(v) else math.nan for v in values]
                inside = [v if powers[0] - 1 <= v <= powers[-1] + 1 else math.nan for v in inside]
                data.append(
                    {"type": "scatter", "mode": "lines", "x": depths[: len(inside)],
                     "y": _short(inside, 3), "line": own, "hoverinfo": "skip", "meta": {"role": "overlay"}}
                )  # fmt: skip
        panels.append(
            {"meta": {"i": place}, "data": data,
             "layout": {
                 "xaxis": {"title": "layer", "tickformat": "d", "nticks": 5},
                 "yaxis": {"tickvals": [powers[0] - 0.5, *ticks],
                           "ticktext": ["0", *(f"2<sup>{p}</sup>" for p in ticks)]}}}
        )  # fmt: skip
        rows.append([series.row.initializer, percent(shares[0, 0]), percent(shares[-1, 0])])
    return {
        "panels": panels,
        "legend": {"scale": "share", "low": "no value", "high": "half of the values or more"},
        "table": {
            "caption": f"Share of values that are zero or below 2^{powers[0]}, %",
            "columns": ["initializer", "first layer", "last layer"],
            "rows": rows,
        },
    }


def _units(members: Sequence[Series]) -> Figure | None:
    dead = [(series, series.dead) for series in members]
    if not any(len(values) for _, values in dead):
        return None
    names = [
        label(s.row.initializer) + (" *" if s.symmetric_seeds else "") for s, _ in dead
    ]
    depths = max(len(values) for _, values in dead)
    return {
        "data": [
            {"type": "heatmap", "x": list(range(1, depths + 1)), "y": list(range(len(dead))),
             "z": [_short(values, 3) for _, values in dead], "zmin": 0, "zmax": 1,
             "hovertext": [[f"{name}, {layer}" for layer in _numbered(s.layers)]
                           for name, (s, _) in zip(names, dead, strict=True)],
             "hovertemplate": "%{hovertext}: %{z:.0%} dead<extra></extra>",
             "meta": {"role": "heat", "scale": "gradient"}}
        ],
        "layout": _named_rows(names, "layer"),
        "table": {
            "caption": "Dead and symmetric units at the start",
            "columns": ["initializer", "symmetric", "dead, mean over layers, %", "worst layer", "dead there, %"],
            "rows": [
                [s.row.initializer, f"{s.symmetric_seeds} of {counted(len(s.replicas), 'seed')}",
                 percent(float(np.mean(values))), s.layers[int(np.argmax(values))], percent(float(np.max(values)))]
                for s, values in dead if len(values)
            ],
        },
    }  # fmt: skip


def _seeds(members: Sequence[Series]) -> Figure | None:
    names = [label(series.row.initializer) for series in members]
    found = [np.array([100 * r.final.get("val_accuracy", math.nan) for r in s.replicas]) for s in members]
    places = [[place] * len(values) for place, values in enumerate(found)]
    medians = [float(np.median(values)) for values in found]
    layout = _named_rows(names, "final validation accuracy, %")
    layout["xaxis"] |= {"range": [-2, 102]}
    return {
        "data": [
            {"type": "scatter", "mode": "markers", "x": medians, "y": list(range(len(found))),
             "hoverinfo": "skip", "meta": {"role": "median"}},
            {"type": "scatter", "mode": "markers", "x": _short(np.concatenate(found)),
             "y": [place for row in places for place in row],
             "text": [names[place] for row in places for place in row],
             "customdata": [r.seed for s in members for r in s.replicas],
             "hovertemplate": "%{text}, seed %{customdata}: %{x:.1f} %<extra></extra>",
             "meta": {"role": "dots"}},
        ],
        "layout": layout,
        "table": {
            "caption": "Final validation accuracy over the seeds, %",
            "columns": ["initializer", "seeds", "lowest", "median", "highest"],
            "rows": [
                [s.row.initializer, str(len(v)), *(f"{f(v):.1f}" for f in (np.min, np.median, np.max))]
                for s, v in zip(members, found, strict=True)
            ],
        },
    }  # fmt: skip


def _named_rows(names: Sequence[str], title: str) -> Figure:
    """Layout of a chart with one named row per initializer, the first on top."""
    return {
        "height": 70 + 24 * len(names),
        "xaxis": {"title": title, "tickformat": "d"},
        "yaxis": {
            "tickvals": list(range(len(names))),
            "ticktext": list(names),
            "range": [len(names) - 0.5, -0.5],
        },
    }


def label(name: str) -> str:
    """A name as Plotly shall show it: short, and with nothing that it would read as markup.

    >>> label("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    text = name if len(name) <= LABEL_LENGTH else name[: LABEL_LENGTH - 1] + "…"
    return html.escape(text, quote=False)


def _numbered(layers: Sequence[str]) -> list[str]:
    return [f"{number} {label(name)}" for number, name in enumerate(layers, start=1)]


def _limits(decades: np.ndarray) -> tuple[float, float]:
    """Whole decades that hold nearly all values, within `GRADIENT_RANGE`."""
    if not decades.size:
        return -LEAST_SPAN, 0.0
    low, high = np.percentile(decades, (2, 98))
    low, high = math.floor(max(low, GRADIENT_RANGE[0])), math.ceil(min(high, GRADIENT_RANGE[1]))
    return float(min(low, high - LEAST_SPAN)), float(max(high, GRADIENT_RANGE[0] + LEAST_SPAN))


def _power(decades: float) -> str:
    if decades == -math.inf:
        return "0"
    return magnitude(10.0**decades if np.isfinite(decades) else None)


def _short(values: Any, digits: int = 4) -> list[float | None]:
    """Numbers as JSON holds them: few digits, None for what is not finite."""
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in np.asarray(values, float)]
