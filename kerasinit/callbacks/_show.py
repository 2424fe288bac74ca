"""Recorded steps as a few lines, as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

from kerasinit._columns import columns, ends, width
from kerasinit._safe_text import encodable, safe
from kerasinit.callbacks._schema import Row
from kerasinit.callbacks._sinks import flat_rows
from kerasinit.signals import Verdict

LEVELS = ("variables", "layers")
HEAD, TAIL = 3, 3  # layers that the lines show of a deep model: its ends
MOST_FOUND = 3  # verdicts in these lines


def in_lines(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
    """What was recorded, in about 15 lines: gradient norms by layer, and what was found.

    Args:
        rows: Recorded steps.
        verdicts: What was found wrong.
    """
    if not rows:
        return "GradientStats: nothing recorded yet. Pass it to `fit`: callbacks=[stats]."
    first, last = rows[0], rows[-1]
    shown = [first, last] if len(rows) > 1 else [last]
    lines = [
        [name, *(_norm(row, name) for row in shown)]
        for name in (last["layers"] or last["variables"])
    ]
    table = ends(lines, HEAD, TAIL, ": stats.plot()")
    return encodable(
        "\n".join(
            [
                f"GradientStats: {len(rows)} recorded step{'s' * (len(rows) > 1)}",
                "",
                columns(["norm of the gradient", *(f"step {row['step']}" for row in shown)], table),
                "",
                *_found(verdicts),
                fill(
                    "More: stats.history[-1] (a step in full), stats.verdicts, "
                    "stats.plot().show(), stats.to_dataframe()",
                    width(),
                ),
            ]
        )
    )


def _norm(row: Row, name: str) -> str:
    part = row["layers"].get(name) or row["variables"].get(name)
    if part is None:
        return "-"
    norm = None if part["non_finite"] else part["norm"]  # which leaves out what is not finite
    return "not finite" if norm is None else f"{norm:.2e}"


def _found(verdicts: Sequence[Verdict]) -> list[str]:
    """Each verdict and its fix."""
    if not verdicts:
        return ["Found: nothing wrong."]
    lines = []
    for verdict in verdicts[:MOST_FOUND]:
        cause = verdict.cause.replace("_", " ")
        told = safe(f"Found: {cause} at {verdict.where}, because {verdict.evidence}.")
        lines += [fill(told, width(), subsequent_indent="  ")]
        lines += [
            fill(
                safe(f"To fix: {verdict.fix}"), width(), initial_indent="  ", subsequent_indent="  "
            )
        ]
    more = len(verdicts) - MOST_FOUND
    return [*lines, f"... {more} more: stats.verdicts"] if more > 0 else lines


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
