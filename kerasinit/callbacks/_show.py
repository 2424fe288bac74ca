"""Recorded steps as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from kerasinit.callbacks._schema import Row
from kerasinit.callbacks._sinks import flat_rows

LEVELS = ("variables", "layers")


def to_dataframe(rows: Iterable[Row], level: str = "variables") -> Any:
    """A pandas DataFrame with one line for each step and variable (or layer).

    Raises:
        ValueError: If `level` is unknown.
        ImportError: If pandas is not installed.
    """
    if level not in LEVELS:
        raise ValueError(f"`level` must be one of {LEVELS}. Received: level={level!r}.")
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("`to_dataframe` needs pandas: pip install pandas") from None
    flat = (line for row in rows for line in flat_rows(row))
    lines = [line for line in flat if f"{line['kind']}s" == level]
    return pd.DataFrame(lines).drop(columns=["kind", "histogram", "clipped"], errors="ignore")


def heat_map(rows: Iterable[Row], statistic: str = "norm") -> Any:
    """A plotly figure of one statistic: layers upwards, steps to the right, log10 colours.

    Raises:
        ValueError: If there are no rows, or the statistic is no number.
        ImportError: If plotly is not installed.
    """
    rows = list(rows)
    if not rows:
        raise ValueError(
            "`plot` needs recorded steps. Received: an empty history. Train with the callback "
            "first: `model.fit(..., callbacks=[stats])`."
        )
    layers = list(rows[-1]["layers"])
    numeric = sorted(
        {
            key
            for row in rows
            for part in row["layers"].values()
            for key, value in part.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
    )
    if statistic not in numeric:
        raise ValueError(
            f"`statistic` must be one of {tuple(numeric)}. Received: statistic={statistic!r}."
        )
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise ImportError("`plot` needs plotly: pip install plotly") from None
    parts: list[list[Any]] = [[row["layers"].get(layer, {}) for row in rows] for layer in layers]
    values = [[part.get(statistic) for part in line] for line in parts]
    logs = [[math.log10(abs(value)) if value else None for value in line] for line in values]
    figure = go.Figure(
        go.Heatmap(
            z=logs,
            x=[row["step"] for row in rows],
            y=layers,
            customdata=values,
            colorscale="Viridis",
            colorbar={"title": f"log10 {statistic}"},
            hovertemplate="step %{x}<br>%{y}<br>" + statistic + " %{customdata:.3g}<extra></extra>",
        )
    )
    figure.update_yaxes(type="category")  # first layer at the bottom, as on the page of a report
    figure.update_layout(
        title=f"Gradient {statistic} by layer",
        xaxis_title="training step",
        height=max(300, 120 + 22 * len(layers)),
    )
    return figure
