"""The page of a comparison: one HTML file that needs no network."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import Any

from kerasinit._safe_text import safe_values
from kerasinit._version import __version__
from kerasinit.experiments import Comparison
from kerasinit.report._charts import charts_of
from kerasinit.report._files import extra, write_whole
from kerasinit.report._ranking import best_first, depth_map, headings_of, ranked
from kerasinit.report._series import Series
from kerasinit.report._settings import Setting, most_telling, settings
from kerasinit.report._summary import summary
from kerasinit.report._theory import predictor
from kerasinit.report._toml import to_toml
from kerasinit.report._words import counted

CONFIDENCE = "95 %"  # of the intervals of `kerasinit.experiments.Estimate`
SHOWN_AT_FIRST = 5  # best initializers drawn when the page opens, besides the baseline
MOST_ROWS = 1_200  # of the ranked tables: below 2 MB of the page
MOST_CHART_BYTES = 1_500_000  # of the packed charts; with Plotly's 2 MB and the rows below 6 MB

SETTING_PARTS = ("model", "data", "width")  # named above every table
CONTENTS = (
    ("summary", "Summary"),
    ("map", "Who trains where"),
    ("ranking", "Ranking"),
    ("curves", "Learning curves"),
    ("gradients", "Gradients over time"),
    ("signal", "Signal by depth"),
    ("units", "Dead units"),
    ("seeds", "Seeds"),
    ("reproduce", "How to reproduce"),
)


def write(comparison: Comparison, path: str | Path) -> Path:
    """Writes the report of a comparison as one self-contained HTML file.

    Args:
        comparison: From `kerasinit.experiments.compare`.
        path: The file to write; an older one is replaced in one step.

    Raises:
        ImportError: If the extra `compare` is not installed.
        OSError: If the file cannot be written.

    Example:
        ```python
        write(kerasinit.experiments.compare("runs"), "page.html")
        ```
    """
    return write_whole(path, page(comparison))


def page(comparison: Comparison) -> str:
    """The text of the report."""
    found = settings(comparison)
    kept = _within(found)
    names = best_first(comparison)
    views = [
        {
            "label": setting.label,
            "caption": _caption(setting),
            "rows": ranked(setting.rows),
        }
        for setting in kept
    ]
    charts, undrawn = _charts(comparison, kept, names)
    depths = depth_map(comparison, [setting.cell for setting in kept])
    context = {
        "title": "Which initialization trains best?",
        "facts": _facts(comparison, len(found)),
        "sentences": summary(comparison),
        "contents": [entry for entry in CONTENTS if entry[0] != "map" or depths["rows"]],
        "map": depths,
        "cells": views,
        "chosen": most_telling(kept[: len(kept) - undrawn] or kept),
        "headings": headings_of(comparison),
        "score": comparison.score,
        "confidence": CONFIDENCE,
        "baseline": comparison.baseline,
        "command": "kerasinit compare spec.toml --out results "
        f"--baseline {shlex.quote(comparison.baseline)}",
        "toml": to_toml(comparison.spec),
        "versions": sorted(comparison.replicas[0].versions.items()),
        "omitted": _omitted(len(found) - len(kept), undrawn),
        "data": packed_data(
            {
                "initializers": names,
                "baseline": _place(names, comparison.baseline),
                "order": _colour_order(names, comparison.baseline),
                "shown": _shown(names, comparison.baseline),
                "cells": charts,
            }
        ),
    }
    return render("page.html.j2", context)


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page from one of the package's templates, with Plotly packed in; names stay text.

    Raises:
        ImportError: If the extra `compare` is not installed.
    """
    markup = extra("markupsafe").Markup
    own = {
        "css": markup(_asset("page.css")),
        "script": markup(_asset("page.js")),
        "plotly": _plotly(),
        "version": __version__,
    }
    return str(templates(_asset).get_template(template).render({**own, **context}))


def templates(read: Callable[[str], str]) -> Any:
    """The environment of a page's templates, in which names of strangers stay text.

    Args:
        read: Gives the text of a template by its name.

    Raises:
        ImportError: If the extra `compare` is not installed.
    """
    jinja2, markup = extra("jinja2"), extra("markupsafe").Markup
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, markup) else safe_values(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (resources.files("kerasinit.report") / "templates" / name).read_text("utf-8")


@cache
def _plotly() -> str:
    return _packed(extra("plotly.offline").get_plotlyjs())


def packed_data(values: Mapping[str, Any]) -> str:
    """Plain values as the script of the page unpacks them; NaN is refused."""
    return _packed(json.dumps(safe_values(values), separators=(",", ":"), allow_nan=False))


def _packed(text: str) -> str:
    """Text as base64 of gzip: a third of the size, and no character in it can end a script."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _within(found: Sequence[Setting]) -> Sequence[Setting]:
    """The first settings, as many as keep the tables within `MOST_ROWS`, at least one."""
    ends = list(accumulate(len(setting.rows) for setting in found))
    return found[: max(1, sum(end <= MOST_ROWS for end in ends))]


def _charts(
    comparison: Comparison, kept: Sequence[Setting], names: Sequence[str]
) -> tuple[list[dict[str, Any] | None], int]:
    """Charts per setting while they fit, None beyond, and how many were left out."""
    places = {name: place for place, name in enumerate(names)}
    predict = predictor(comparison)
    charts: list[dict[str, Any] | None] = []
    used = 0
    for setting in kept:
        members = [Series(row, comparison.replicas_of(row)) for row in setting.rows]
        drawn = charts_of(members, places.__getitem__, predict)
        used += len(_packed(json.dumps(drawn, separators=(",", ":"))))
        if used > MOST_CHART_BYTES:
            break
        charts.append(drawn)
    undrawn = len(kept) - len(charts)
    return charts + [None] * undrawn, undrawn


def _facts(comparison: Comparison, count: int) -> str:
    replicas = comparison.replicas
    seconds = sum(replica.seconds for replica in replicas)
    return " · ".join(
        (
            counted(len(replicas), "training"),
            counted(len({row.initializer for row in comparison.rows}), "initializer"),
            counted(count, "setting"),
            counted(len({replica.seed for replica in replicas}), "seed"),
            f"{seconds:.0f} s of training",
        )
    )


def _caption(setting: Setting) -> str:
    parts = [f"{name} {setting.cell[name]}" for name in SETTING_PARTS if name in setting.cell]
    tried = sorted({row.learning_rate for row in setting.rows})
    shown = " or ".join(f"{rate:g}" for rate in tried)
    return f"{', '.join(parts)}; learning rate {shown}" + (
        " (the best for each initializer)." if len(tried) > 1 else "."
    )


def _place(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else -1


def _colour_order(names: Sequence[str], baseline: str) -> list[int]:
    """A colour number per initializer; the baseline has a look of its own and takes none."""
    others = [name for name in names if name != baseline]
    return [0 if name == baseline else others.index(name) for name in names]


def _shown(names: Sequence[str], baseline: str) -> list[int]:
    """Best initializers, baseline and the last one, so that the charts start with a contrast."""
    picked = {*range(min(SHOWN_AT_FIRST, len(names))), len(names) - 1}
    return sorted(picked | ({names.index(baseline)} if baseline in names else set()))


def _omitted(cells: int, undrawn: int) -> str:
    parts = []
    if cells:
        parts.append(f"{counted(cells, 'setting')} more are in the records but not on this page")
    if undrawn:
        parts.append(f"the charts of {counted(undrawn, 'setting')} are left out")
    if not parts:
        return ""
    return (
        f"To keep the file small, {' and '.join(parts)}; "
        "`kerasinit report DIR --format csv` has all rows."
    )
