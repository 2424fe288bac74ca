"""The page of one training, from the rows that `GradientStats(path=...)` recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasinit._numbers import is_finite
from kerasinit.report._figures import Figure, label, numbered, power, short
from kerasinit.report._files import write_whole
from kerasinit.report._layers import GRADIENT_LEGEND, GRADIENT_RANGE, filled
from kerasinit.report._page import packed_data, render
from kerasinit.report._words import counted, magnitude
from kerasinit.signals._rules_of_gradients import EXPLODED, VANISHED

MOST_STEPS = 400  # columns of the charts: more steps than that are thinned out evenly
LAYERS_SHOWN = 5  # lines drawn when the page opens, evenly spread over the depth
MEASURES = (  # part of a row, number of each layer in it
    ("layers", "norm"), ("layers", "update_ratio"), ("layers", "signal_gradient_rms"),
    ("activations", "rms"), ("activations", "dead_share"),
)  # fmt: skip
CONTENTS = (
    ("summary", "Summary"),
    ("training", "The training"),
    ("layers", "Gradients over time"),
    ("updates", "Updates"),
    ("units", "Activations"),
)


@dataclass(frozen=True)
class Recording:
    """The recorded steps of a training, thinned out; what is unknown is NaN.

    Args:
        count: Number of recorded steps before thinning.
        layers: Names of the layers, in the order of the variables.
        steps: Step of every row, `(rows,)`.
        epochs: Number of epochs that were begun.
        loss: Training loss, `(rows,)`.
        norm: Norm of the whole gradient, `(rows,)`.
        by_layer: Per measure (`norm`, `update_ratio`, `signal_gradient_rms`, `rms`,
            `dead_share`): `(rows, layers)`.
    """

    count: int
    layers: tuple[str, ...]
    steps: np.ndarray
    epochs: int
    loss: np.ndarray
    norm: np.ndarray
    by_layer: dict[str, np.ndarray]


def write_gradients(path: str | Path, out: str | Path) -> Path:
    """Writes the page of one training as one self-contained HTML file.

    Args:
        path: The `.jsonl` file that `kerasinit.callbacks.GradientStats(path=...)` filled.
        out: The file to write; an older one is replaced in one step.

    Raises:
        ValueError: If `path` holds no recorded steps.
        ImportError: If the extra `compare` is not installed.
        OSError: If a file cannot be read or written.

    Example:
        ```python
        model.fit(x, y, callbacks=[kerasinit.GradientStats(path="rows.jsonl")])
        write_gradients("rows.jsonl", "gradients.html")
        ```
    """
    recording = read(Path(path))
    context = {
        "title": "Gradients of a training",
        "facts": f"{Path(path).name} · {counted(recording.count, 'recorded step')} · "
        f"{counted(recording.epochs, 'epoch')} · {counted(len(recording.layers), 'layer')}",
        "sentences": sentences(recording),
        "contents": [
            entry for entry in CONTENTS if entry[0] != "units" or "rms" in recording.by_layer
        ],
        "data": packed_data(
            {
                "initializers": list(recording.layers),
                "baseline": -1,
                "order": list(range(len(recording.layers))),
                "shown": _spread(len(recording.layers)),
                "cells": [charts(recording)],
            }
        ),
    }
    return write_whole(out, render("gradients.html.j2", context))


def read(path: Path) -> Recording:
    """The recorded steps of a file, at most `MOST_STEPS` of them.

    Raises:
        ValueError: If the file holds no recorded steps.
    """
    with path.open(encoding="utf-8", errors="replace") as stream:
        total = sum(1 for line in stream if line.endswith("\n"))
    wanted = set(np.linspace(0, max(total - 1, 0), min(total, MOST_STEPS)).round().astype(int))
    rows = list(_rows(path, wanted))
    if not rows:
        raise ValueError(
            f"{str(path)!r} holds no recorded steps. Pass a file that "
            "kerasinit.callbacks.GradientStats(path='gradients.jsonl') filled."
        )
    layers = tuple(dict.fromkeys(name for row in rows for name in row["layers"]))
    by_layer = {measure: _table(rows, layers, part, measure) for part, measure in MEASURES}
    return Recording(
        count=total,
        layers=layers,
        steps=np.array([row["step"] for row in rows]),
        epochs=1 + max(row["epoch"] for row in rows),
        loss=np.array([_float(row["loss"]) for row in rows]),
        norm=np.array([_float(row["grad_norm"]) for row in rows]),
        by_layer={name: table for name, table in by_layer.items() if np.isfinite(table).any()},
    )


def _rows(path: Path, wanted: set[int]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        for place, line in enumerate(stream):
            if place not in wanted or not line.endswith("\n"):  # a torn last line is no row
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not _is_step(row):
                raise ValueError(
                    f"{str(path)!r}, line {place + 1}, is no recorded step. Pass a file that "
                    "kerasinit.callbacks.GradientStats(path='gradients.jsonl') filled; "
                    "a .csv file has not all that the page shows."
                )
            yield row


def _is_step(row: Any) -> bool:
    """Whether a row has what the page reads, as `kerasinit.callbacks` writes it."""
    return (
        isinstance(row, dict)
        and all(type(row.get(name)) is int and abs(row[name]) < 2**53 for name in ("step", "epoch"))
        and {"loss", "grad_norm", "layers"} <= row.keys()
        and all(row[name] is None or is_finite(row[name]) for name in ("loss", "grad_norm"))
        and all(_are_parts(row.get(name) or {}) for name in ("layers", "activations"))
    )


def _are_parts(parts: Any) -> bool:
    return isinstance(parts, dict) and all(
        isinstance(part, dict)
        and all(part.get(name) is None or is_finite(part[name]) for _, name in MEASURES)
        for part in parts.values()
    )


def _table(
    rows: Sequence[dict[str, Any]], layers: Sequence[str], part: str, measure: str
) -> np.ndarray:
    return np.array(
        [[_float((row.get(part) or {}).get(n, {}).get(measure)) for n in layers] for row in rows]
    )


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def sentences(recording: Recording) -> tuple[str, ...]:
    """What the training did, in plain words: the loss, the gradient by depth, what blew up."""
    found = []
    losses = recording.loss[np.isfinite(recording.loss)]
    if len(losses):
        found.append(f"The loss went from {losses[0]:.3g} to {losses[-1]:.3g}.")
    if (ratio := _first_to_last(recording)) is not None:
        found.append(
            f"At the first recorded step the gradient that reaches the first layer "
            f"({recording.layers[0]}) is {magnitude(ratio)} times that of the last "
            f"({recording.layers[-1]}){_meaning(ratio)}."
        )
    lost = int(np.sum(~np.isfinite(recording.norm)))
    found.append(
        f"{counted(lost, 'recorded step')} had a gradient that was not finite."
        if lost
        else "Every recorded gradient was finite."
    )
    return tuple(found)


def _meaning(ratio: float) -> str:
    """What a ratio beyond the limits of `diagnose` means; between them, depth alone explains it.

    No verdict: `GradientStats` gives one where the first layers do not move, either.
    """
    if ratio < VANISHED:
        return ": next to nothing arrives"
    return ": it grows by far on its way" if ratio > EXPLODED else ""


def _first_to_last(recording: Recording) -> float | None:
    """Ratio of the gradients of first and last layer at the first step, None if unknown.

    Of the pre-activations where they were measured: those of the weights hide a signal that fades
    in both directions.
    """
    for measure in ("signal_gradient_rms", "norm"):
        table = recording.by_layer.get(measure)
        if table is not None and table.shape[1] > 1 and np.isfinite(table[0, [0, -1]]).all():
            return float(table[0, 0] / table[0, -1]) if table[0, -1] > 0 else None
    return None


def charts(recording: Recording) -> dict[str, Figure]:
    """The charts of the page, by name."""
    tables = recording.by_layer
    found = {
        "loss": _whole(recording, recording.loss, "training loss", {}),
        "norm": _whole(recording, recording.norm, "gradient norm", {"type": "log"}),
    }
    if "norm" in tables:
        found["gradients"] = _heat(recording, tables["norm"])
    for name, measure, title, axis in (
        ("gradient_lines", "norm", "gradient norm", {"type": "log"}),
        ("updates", "update_ratio", "update / weight", {"type": "log"}),
        ("signal", "rms", "RMS of the activations", {"type": "log"}),
        ("dead", "dead_share", "share of dead units", {"range": [-0.02, 1.02]}),
    ):
        if measure in tables:
            found[name] = _lines(recording, tables[measure], title, axis)
    return found


def _whole(recording: Recording, values: np.ndarray, title: str, axis: Figure) -> Figure:
    known = values[np.isfinite(values)]
    ends = (known[0], known.min(), known.max(), known[-1]) if len(known) else ()
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "x": recording.steps.tolist(),
                "y": short(_positive(values) if axis.get("type") == "log" else values),
                "meta": {"role": "total"},
                "hovertemplate": "step %{x}: %{y:.4~g}<extra></extra>",
            }
        ],
        "layout": {
            "height": 260,
            "xaxis": {"title": "step", "tickformat": "d"},
            "yaxis": {"title": title, "exponentformat": "power", **axis},
        },
        "table": {
            "caption": title.capitalize(),
            "columns": ["", "first", "lowest", "highest", "last"],
            "rows": [[title, *(f"{end:.4g}" for end in ends)]] if ends else [],
        },
    }


def _lines(recording: Recording, table: np.ndarray, title: str, axis: Figure) -> Figure:
    logarithmic = axis.get("type") == "log"
    measured = np.isfinite(table).any(axis=1)  # probes of the activations are not in every row
    steps, table = recording.steps[measured], table[measured]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "x": steps.tolist(),
                "y": short(_positive(column) if logarithmic else column),
                "name": label(name),
                "meta": {"role": "line", "i": place},
                "hovertemplate": "step %{x}: %{y:.3~g}<extra>%{fullData.name}</extra>",
            }
            for place, (name, column) in enumerate(zip(recording.layers, table.T, strict=True))
        ],
        "layout": {
            "xaxis": {"title": "step", "tickformat": "d"},
            "yaxis": {"title": title, "exponentformat": "power", **axis},
        },
        "table": {
            "caption": f"{title.capitalize()} by layer",
            "columns": ["layer", "first", "middle", "last"],
            "rows": [
                [name, *(magnitude(column[i]) for i in (0, len(column) // 2, -1))]
                for name, column in zip(recording.layers, table.T, strict=True)
            ],
        },
    }


def _heat(recording: Recording, table: np.ndarray) -> Figure:
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.log10(table)
    low, high = GRADIENT_RANGE
    names = numbered(recording.layers)
    ends = [names[0], names[-1]]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": recording.steps.tolist(),
                "y": names,
                "z": [filled(row) for row in decades.T],
                "zmin": low,
                "zmax": high,
                "hovertemplate": "%{y}, step %{x}: 10<sup>%{z:.1f}</sup><extra></extra>",
                "meta": {"role": "heat", "scale": "magnitude"},
            }
        ],
        "legend": GRADIENT_LEGEND,
        "layout": {
            "height": 140 + min(18 * len(names), 360),
            "xaxis": {"title": "step", "tickformat": "d"},
            "yaxis": {"type": "category", "tickvals": ends, "ticktext": ["first", "last"]},
        },
        "table": {
            "caption": "Gradient norm by layer at the first and the last recorded step",
            "columns": ["layer", "first step", "last step"],
            "rows": [
                [name, *map(power, (row[0], row[-1]))]
                for name, row in zip(recording.layers, decades.T, strict=True)
            ],
        },
    }


def _positive(values: np.ndarray) -> np.ndarray:
    """What a logarithm can show; NaN for the rest."""
    with np.errstate(invalid="ignore"):
        return np.where(values > 0, values, np.nan)


def _spread(count: int) -> list[int]:
    """Places of a few layers, evenly spread, the first and the last among them."""
    return sorted({int(v) for v in np.linspace(0, count - 1, min(count, LAYERS_SHOWN)).round()})
