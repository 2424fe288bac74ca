"""Small parts that all figures share: names, numbers and layouts."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasinit.report._series import Series
from kerasinit.report._theory import Prediction
from kerasinit.report._words import magnitude

Figure = dict[str, Any]
# What is drawn: a series, the place of its initializer in the list of the page, and theory.
Marked = Sequence[tuple[Series, int, Prediction | None]]
LABEL_LENGTH = 26  # characters of a name beside an axis


def label(name: str) -> str:
    """A name as Plotly shall show it: short, and with nothing that it would read as markup.

    >>> label("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    text = name if len(name) <= LABEL_LENGTH else name[: LABEL_LENGTH - 1] + "…"
    return html.escape(text, quote=False)


def numbered(layers: Sequence[str]) -> list[str]:
    """Layer names with their place in front, so that no two are the same."""
    return [f"{number} {label(name)}" for number, name in enumerate(layers, start=1)]


def named_rows(names: Sequence[str], title: str) -> Figure:
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


def power(decades: float) -> str:
    """The number with this base-10 logarithm, for a table."""
    if decades == -math.inf:
        return "0"
    return magnitude(10.0**decades if np.isfinite(decades) else None)


def short(values: Any, digits: int = 4) -> list[float | None]:
    """Numbers as JSON holds them: few digits, None for what is not finite."""
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in np.asarray(values, float)]
