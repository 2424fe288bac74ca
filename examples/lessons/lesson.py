"""What the lessons share: trainings of a grid, pictures, and how a lesson is shown."""

import html
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
body {{ font-family: system-ui, sans-serif; max-width: 1320px; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.4rem }}
div, pre {{ overflow-x: auto }}
</style>
<h1>{title}</h1>
{plot}
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
    return figure.update_layout(template="plotly_white", width=430 * len(titles), height=430)


def line(figure: go.Figure, x: object, y: object, name: str, *, color: int, col: int = 1) -> None:
    """Adds a line with the colour of its place; its name is shown once."""
    known = {trace.name for trace in figure.data}
    figure.add_scatter(
        x=list(x), y=list(y), name=name, legendgroup=name, showlegend=name not in known,
        mode="lines+markers", marker={"size": 5},
        line={"color": COLORS[color % len(COLORS)]}, row=1, col=col,
    )  # fmt: skip


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
