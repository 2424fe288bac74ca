"""What the lessons share: trainings of a grid, pictures, and how a lesson is shown."""

import html
import math
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from kerasinit.experiments import Experiment, Replica, compare, run

COLORS = ("#888888", "#b07aa1", "#4e79a7", "#e15759", "#f28e2b", "#76b7b2", "#9c755f", "#59a14f")
FOLDER = "kerasinit-runs/lessons"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; max-width: 1320px; margin: 1rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.4rem }}
.picture {{ overflow-x: auto; max-width: 100% }}
pre {{ white-space: pre-wrap }}
</style>
<h1>{title}</h1>
<div class="picture">{plot}</div>
<pre>{text}</pre>
</html>
"""


class Lesson(NamedTuple):
    """What a lesson found.

    Args:
        picture: The picture.
        text: The numbers, and what follows from them in the last line.
    """

    picture: go.Figure
    text: str


def normal(std: float) -> dict[str, object]:
    """The config of a random normal initializer."""
    return {"class_name": "RandomNormal", "config": {"stddev": std}}


def trained(starts: dict[str, object], **spec: object) -> list[Replica]:
    """The finished trainings of a grid, from every start; kept nowhere."""
    named = [{"label": name, "initializer": start} for name, start in starts.items()]
    with TemporaryDirectory() as folder:
        run(Experiment(initializers=named, **spec), folder)
        return list(compare(folder, baseline=next(iter(starts))).replicas)


def panels(*titles: str, **options: object) -> go.Figure:
    """Empty panels side by side."""
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=titles, **options)
    return figure.update_layout(
        template="plotly_white", width=max(560, min(430 * len(titles), 1280)), height=400,
        margin={"l": 60, "r": 20, "t": 60, "b": 90}, legend={"orientation": "h", "y": -0.25},
    )  # fmt: skip


def line(figure: go.Figure, x: object, y: object, name: str, *, color: int, col: int = 1) -> None:
    """Adds a line with the colour of its place; its name is shown once."""
    known = {trace.name for trace in figure.data}
    figure.add_scatter(
        x=list(x), y=list(y), name=name, legendgroup=name, showlegend=name not in known,
        mode="lines+markers", marker={"size": 5},
        line={"color": COLORS[color % len(COLORS)]}, row=1, col=col,
    )  # fmt: skip


def powers(figure: go.Figure, axis: str = "y", *, col: int | None = None) -> None:
    """Makes an axis of one panel, or of all, logarithmic, with ticks at powers of ten."""
    name = axis if col in (None, 1) else f"{axis}{col}"
    traces = [t for t in figure.data if col is None or (t[f"{axis}axis"] or axis) == name]
    values = [value for trace in traces for value in trace[axis] if value > 0]
    step = math.ceil(math.log10(max(values) / min(values)) / 8)
    update = {"x": figure.update_xaxes, "y": figure.update_yaxes}[axis]
    update(type="log", exponentformat="power", dtick=max(1, step), row=col and 1, col=col)


def show(make: Callable[[], Lesson], folder: str | Path | None = None) -> None:
    """Runs a lesson, prints what it found and writes its picture."""
    name = Path(sys.modules[make.__module__].__file__ or "lesson").stem
    folder = Path(folder or (sys.argv[1] if len(sys.argv) > 1 else FOLDER))
    folder.mkdir(parents=True, exist_ok=True)
    found = make()
    path = folder / f"{name}.html"
    # One plotly.min.js for all.
    plot = found.picture.to_html(include_plotlyjs="directory", full_html=False)
    if not (folder / "plotly.min.js").exists():
        (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    title = (sys.modules[make.__module__].__doc__ or name).splitlines()[0]
    page = PAGE.format(title=html.escape(title), plot=plot, text=html.escape(found.text))
    path.write_text(page, encoding="utf-8")
    print(f"{found.text}\nThe picture: {path}")
