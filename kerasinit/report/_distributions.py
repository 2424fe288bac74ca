"""How the values of a layer are spread over the powers of two, layer by layer."""

from __future__ import annotations

import math

import numpy as np

from kerasinit.experiments import RECORD_BINS
from kerasinit.report._figures import Figure, Marked, short
from kerasinit.report._words import percent

VISIBLE_SHARE = 0.002  # of the values: rarer bins at both ends are cut off
MOST_TICKS = 6  # powers of two named beside a distribution


def distributions(marked: Marked, histogram: str, measure: str, direction: str) -> Figure | None:
    """A panel of each initializer, powers of two by layer; None where nothing is measured.

    Args:
        marked: What is drawn.
        histogram: Field of the records, such as `"activation_histogram"`.
        measure: Field whose root mean square is drawn over it.
        direction: Field of the predictions that is drawn over it.
    """
    drawn = [(one, table) for one in marked if (table := one[0].histogram(histogram)).size]
    if not drawn:
        return None
    peaks = np.max([table.max(axis=0) for _, table in drawn], axis=0)
    used = 1 + np.flatnonzero(peaks[1:] > VISIBLE_SHARE)
    first, last = (int(used[0]), int(used[-1])) if len(used) else (1, 2)
    powers = [RECORD_BINS.lowest + bin_ for bin_ in range(first, last + 1)]  # lower edges
    step = next(s for s in (2, 4, 8, 16) if len(powers) <= s * MOST_TICKS)
    ticks = [p for p in powers if p % step == 0 and p > powers[0] + step / 2]
    panels, rows = [], []
    for (series, place, prediction), table in drawn:
        rms = series.by_layer(measure)
        shares = np.column_stack(
            [table[:, 0] + table[:, 1:first].sum(axis=1), table[:, first : last + 1]]
        )
        depths = list(range(1, len(table) + 1))
        data: list[Figure] = [
            {
                "type": "heatmap",
                "x": depths,
                "y": [powers[0] - 0.5, *(p + 0.5 for p in powers)],
                "z": [short(row, 2) for row in shares.T],
                "zmin": 0,
                "zmax": 0.5,
                "hovertemplate": "layer %{x}, 2<sup>%{y:.0f}</sup>: %{z:.0%}<extra></extra>",
                "meta": {"role": "heat", "scale": "share"},
            }
        ]
        for values, own in (
            (rms[0] if rms.size else None, {}),
            (getattr(prediction, direction) if prediction else None, {"dash": "dot"}),
        ):
            if values is not None:
                inside = [v / math.log10(2) if np.isfinite(v) else math.nan for v in values]
                inside = [v if powers[0] - 1 <= v <= powers[-1] + 1 else math.nan for v in inside]
                data.append(
                    {
                        "type": "scatter",
                        "mode": "lines",
                        "x": depths[: len(inside)],
                        "y": short(inside, 3),
                        "line": own,
                        "hoverinfo": "skip",
                        "meta": {"role": "overlay"},
                    }
                )
        panels.append(
            {
                "meta": {"i": place},
                "data": data,
                "layout": {
                    "xaxis": {"title": "layer", "tickformat": "d", "nticks": 5},
                    "yaxis": {
                        "tickvals": [powers[0] - 0.5, *ticks],
                        "ticktext": ["0", *(f"2<sup>{p}</sup>" for p in ticks)],
                    },
                },
            }
        )
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
