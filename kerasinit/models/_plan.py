"""What was decided for each variable of a model, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kerasinit._safe_text import printed, safe
from kerasinit._typing import Shape

WIDTH = 140  # columns of the printed plan


@dataclass(frozen=True)
class PlanRow:
    """The decision for one variable.

    Args:
        path: Path of the variable, such as `"dense/kernel"`.
        shape: Shape of the variable.
        kind: `"kernel"`, `"bias"`, `"norm"`, `"embedding"`, `"state"`, `"seed"` or `"other"`.
        layer: Class name of the layer that owns it.
        initializer: What it was drawn from, in one line; empty where it was left alone.
        reason: Why this initializer, or why the variable was left alone.
        changed: Whether the variable gets new values.
        fan_in: Weights that feed one output; None where fans mean nothing.
        fan_out: Weights that one input feeds; None where fans mean nothing.
        gain: Factor on the weights asked of the initializer, dimensionless; None if it names none.
        tries: Forward passes that data-driven scaling used for this layer; None without data.
        output_std: Standard deviation of the layer's output on the data; None without data.
        converged: Whether `output_std` reached the tolerance; None without data.
    """

    path: str
    shape: Shape
    kind: str
    layer: str
    initializer: str
    reason: str
    changed: bool
    fan_in: float | None = None
    fan_out: float | None = None
    gain: float | None = None
    tries: int | None = None
    output_std: float | None = None
    converged: bool | None = None


@dataclass(frozen=True)
class Plan:
    """Every variable of a model with its decision; `print(plan)` shows a table.

    Args:
        model: Name of the model.
        seed: The seed that repeats exactly these weights.
        rows: One row per variable.
        dry_run: Whether the model was left as it was.
    """

    model: str
    seed: int
    rows: tuple[PlanRow, ...]
    dry_run: bool = False

    def __iter__(self) -> Iterator[PlanRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, path: str) -> PlanRow:
        """The row of the variable whose path is, or ends with, `path`."""
        exact = [row for row in self.rows if row.path == path]
        found = exact or [row for row in self.rows if row.path.endswith("/" + path)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} variables end with {path!r}.")
        return found[0]

    @property
    def changed(self) -> tuple[PlanRow, ...]:
        """Rows of the variables that get new values."""
        return tuple(row for row in self.rows if row.changed)

    @property
    def left_alone(self) -> tuple[PlanRow, ...]:
        """Rows of the variables that keep their values, each with its reason."""
        return tuple(row for row in self.rows if not row.changed)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return printed(_table(self), WIDTH)


def _table(plan: Plan) -> Any:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False, title_justify="left", title=_title(plan))
    table.add_column("variable", overflow="fold")
    table.add_column("shape", no_wrap=True)
    table.add_column("initializer", overflow="fold")
    table.add_column("fans", no_wrap=True)
    table.add_column("gain", justify="right", no_wrap=True)
    with_data = any(row.tries is not None for row in plan.rows)
    if with_data:
        table.add_column("output std", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for row in plan.rows:
        cells = [
            safe(row.path),
            "x".join(map(str, row.shape)) or "()",
            safe(row.initializer) or "(left alone)",
            "" if row.fan_in is None else f"{row.fan_in:g}, {row.fan_out:g}",
            "" if row.gain is None else f"{row.gain:.4g}",
        ]
        if with_data:
            cells.append(_measured(row))
        table.add_row(*cells, safe(row.reason))
    return table


def _title(plan: Plan) -> str:
    verb = "would change" if plan.dry_run else "changed"
    return (
        f"Plan for {plan.model!r}: {verb} {len(plan.changed)} of {len(plan)} variables, "
        f"seed={plan.seed}"
    )


def _measured(row: PlanRow) -> str:
    if row.output_std is None:
        return ""
    mark = "" if row.converged else " (!)"
    return f"{row.output_std:.3f} in {row.tries}{mark}"
