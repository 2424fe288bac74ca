"""The rows of a comparison for other programs: JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any, Literal, TypeAlias

from kerasinit._safe_text import csv_cell, safe
from kerasinit.experiments import Comparison, ComparisonRow, Estimate
from kerasinit.report._ranking import Ranked, headings_of, ranked
from kerasinit.report._settings import settings
from kerasinit.report._summary import summary

Form: TypeAlias = Literal["json", "csv", "md"]
ESTIMATES = ("train_accuracy", "val_accuracy", "difference")
PLAIN = (
    "learning_rate", "replicas", "diverged", "trained_share", "epochs_to_target", "first_gradient",
    "last_gradient", "verdict", "conclusion",
    "score",
)  # fmt: skip


def export(comparison: Comparison, form: Form) -> str:
    """The rows as text in another form.

    Args:
        comparison: From `kerasinit.experiments.compare`.
        form: "json" (summary, spec and rows), "csv" (one line per row) or "md" (one table per
            setting).

    Raises:
        ValueError: If `form` is unknown.

    Example:
        ```python
        Path("table.csv").write_text(export(kerasinit.experiments.compare("runs"), "csv"))
        ```
    """
    forms = {"csv": _as_csv, "json": _as_json, "md": _as_markdown}
    if form not in forms:
        raise ValueError(f"`form` must be one of {sorted(forms)}. Received: form={form!r}.")
    return forms[form](comparison)


def _as_json(comparison: Comparison) -> str:
    values = {"summary": list(summary(comparison)), **comparison.to_dict()}
    return json.dumps(_finite(values), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with None for what JSON cannot hold."""
    if isinstance(value, dict):
        return {str(name): _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_csv(comparison: Comparison) -> str:
    parts = list(dict.fromkeys(name for row in comparison.rows for name in row.cell))
    columns = [
        *parts, "rank", "rank_low", "rank_high", "initializer",
        *(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high")), *PLAIN,
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in comparison.rows:
        writer.writerow({name: _plain(value) for name, value in _flat(row).items()})
    return text.getvalue()


def _flat(row: ComparisonRow) -> dict[str, Any]:
    values: dict[str, Any] = {
        **row.cell,
        "rank": row.rank,
        "rank_low": row.rank_interval[0],
        "rank_high": row.rank_interval[1],
        "initializer": row.initializer,
        **{name: getattr(row, name) for name in PLAIN},
    }
    for name in ESTIMATES:
        estimate: Estimate | None = getattr(row, name)
        for end, part in (("", "value"), ("_low", "low"), ("_high", "high")):
            values[name + end] = getattr(estimate, part) if estimate else None
    return values


def _plain(value: Any) -> Any:
    """A value for a cell: empty for unknown."""
    is_unknown = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if is_unknown else csv_cell(value)


def _as_markdown(comparison: Comparison) -> str:
    headings = [text.replace("\n", " ") for text, _ in headings_of(comparison)]
    lines = [*(f"{sentence}\n" for sentence in map(_markdown, summary(comparison)))]
    for setting in settings(comparison):
        lines += [f"## {_markdown(setting.label)}", ""]
        lines += [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
        for row in ranked(setting.rows):
            values = (
                str(row.rank), row.initializer, row.verdict.text, _ranged(row.val),
                _ranged(row.train), ", ".join(filter(None, (row.trained.text, row.trained.note))),
                row.epochs.text, row.first.text, row.last.text,
                _ranged(row.difference), row.conclusion.text,
            )  # fmt: skip
            lines.append(f"| {' | '.join(map(_markdown, values))} |")
        lines.append("")
    return "\n".join(lines)


def _ranged(value: Ranked) -> str:
    if value.note:
        return f"{value.text} ({value.note})"
    return f"{value.text} ({value.low} to {value.high})" if value.low else value.text


def _markdown(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(_markdown("a|b_c<d>"))
    a\|b\_c\<d\>
    """
    flat = safe(" ".join(text.split()))
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|!" else char for char in flat)
