"""The health report of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kerasinit import _backend
from kerasinit._columns import columns, ends, html_table, width
from kerasinit._safe_text import printed, safe
from kerasinit._typing import Batch, Model
from kerasinit.signals._batch import check_model
from kerasinit.signals._judge import judge
from kerasinit.signals._layer_signals import LayerSignals, Signals
from kerasinit.signals._measure import measure
from kerasinit.signals._verdict import Verdict

LEGEND = (
    "output, gradient: RMS of the activations, and of the gradient by the pre-activations. "
    "theory: 95 of 100 outputs of random weights of these sizes, healthy or not. "
    "dead, flat, copies: share of units."
)
AVERAGES = " Batch norms use the batch, as in training; `predict` uses their moving averages."
HEADINGS = tuple("layer activation units output theory gradient weights dead flat copies".split())
HEAD, TAIL = 12, 8  # rows shown of a longer table
INDENTED = "indented"  # stands for a style of `rich`


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; `print` shows it as a table.

    Args:
        signals: The measurements.
        verdicts: The faults, root cause first; empty for a healthy model.

    Example:
        ```python
        diagnosis = kerasinit.diagnose(model, x, y)
        assert diagnosis.healthy, diagnosis
        ```
    """

    signals: Signals
    verdicts: tuple[Verdict, ...]

    @property
    def layers(self) -> tuple[LayerSignals, ...]:
        """One record for each call of a weighted layer, in execution order."""
        return self.signals.layers

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.verdicts

    def assert_healthy(self) -> None:
        """Passes if nothing is wrong: for tests, notebooks and continuous integration.

        Raises:
            AssertionError: If there is a verdict, with all of them.
        """
        if self.verdicts:
            raise AssertionError("The model is not healthy.\n" + "\n".join(map(str, self.verdicts)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "healthy": self.healthy,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            **self.signals.to_dict(),
        }

    def __str__(self) -> str:
        return printed(self, width())

    def __repr__(self) -> str:
        found = ", ".join(f"{verdict.cause} at {verdict.where}" for verdict in self.verdicts)
        return safe(f"<Diagnosis of {len(self.layers)} layers: {found or 'healthy'}>")

    def _repr_html_(self) -> str:
        lines = [line for text, _ in _findings(self) for line in text.split("\n") if line]
        return html_table("Diagnosis", HEADINGS, [_cells(row) for row in self.layers], lines)

    def __rich__(self) -> Any:
        """Renders the report on a `rich` console."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        rows = ends([_cells(row) for row in self.layers], HEAD, TAIL)
        rest = f"all {len(self.layers)}: diagnosis.layers\n" if len(rows) < len(self.layers) else ""
        parts: list[Any] = [Text(f"{columns(HEADINGS, rows)}\n{rest}")]
        for text, style in _findings(self):
            indent = 2 if style == INDENTED else 0
            parts.append(Padding(Text(text, "" if indent else style), (0, 0, 0, indent)))
        return Group(*parts)


def examine(model: Model, x: Batch, y: Batch | None = None) -> Diagnosis:
    """What `kerasinit.diagnose` finds, which can also try the fixes.

    Args:
        model: A built Keras model.
        x: Inputs as for `model.predict`, shape `(batch, ...)`.
        y: Targets of the same samples.

    Raises:
        ValueError: If the model is not built, the batch is empty or has the wrong shape, or the
            model cannot be called on it.

    Example:
        ```python
        print(examine(model, x, y))
        ```
    """
    check_model(model)
    try:
        signals = measure(model, x, y)
    except _backend.errors() as error:
        if isinstance(error, ValueError) and not _backend.is_of_call(error):
            raise
        raise ValueError(
            f"The model {model.name!r} cannot be called on `x`: {_backend.cause_of(error)}"
        ) from error
    return Diagnosis(signals, judge(signals))


def _cells(row: LayerSignals) -> list[str]:
    return [
        row.name,
        row.activation or "-",
        str(row.units),
        f"{row.activation_rms:.2g}",
        _predicted(row),
        f"{row.gradient_rms:.1e}",
        f"{row.weight_norm:.3g}",
        *(_percent(s) for s in (row.dead_share, row.saturated_share, row.duplicate_share)),
    ]


def _findings(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Lines below the table, each with its style."""
    signals = diagnosis.signals
    norms = AVERAGES if signals.uses_batch else ""
    lines = [(f"{signals.samples} samples. {LEGEND}{norms}", "dim")]
    if signals.loss is not None:
        chance = signals.chance_loss
        told = [] if chance is None else [f"a model that knows nothing: {chance:.4g}"]
        if signals.guessed_loss is not None:
            told.append(f"not compiled: assumed to be {signals.guessed_loss}")
        known = f" ({'; '.join(told)})" if told else ""
        lines.append((f"Loss {signals.loss:.4g}{known}.", ""))
    if diagnosis.healthy and not diagnosis.layers:
        text = "No layer could be watched. Nothing found in outputs and loss."
        lines.append((text, ""))
    elif diagnosis.healthy:
        lines.append(("Healthy: nothing found.", "bold green"))
    for number, verdict in enumerate(diagnosis.verdicts):
        title = "Also" if number else "Root cause"
        cause = verdict.cause.replace("_", " ")
        lines.append((f"\n{title}: {cause} at {safe(verdict.where)}", "bold"))
        lines.append((f"Because {safe(verdict.evidence)}.", INDENTED))
        lines.append((f"To fix: {safe(verdict.fix)}", INDENTED))
    return lines


def _predicted(row: LayerSignals) -> str:
    """Two standard deviations to either side of what theory predicts."""
    if row.predicted_rms is None:
        return "-"
    factor = math.exp(2 * (row.predicted_spread or 0.0))
    return f"{row.predicted_rms / factor:.2g}..{row.predicted_rms * factor:.2g}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}%"
