"""What was decided for each variable of a model, and why."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kerasinit._columns import columns, html_table, width
from kerasinit._safe_text import encodable, safe
from kerasinit._typing import Shape

OWN = "the layer's own initializer"  # reason of a variable that no rule speaks of
IDENTITY = "a norm starts as the identity"
COPIED = "equal to its twin before: a copy (average, target) that stays equal"
NO_BIAS = "no bias is needed beside these kernels"


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

    Example:
        ```python
        row = kerasinit.initialize(model)["dense/kernel"]
        print(row.initializer, row.fan_in, row.gain, row.reason)
        ```
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

    The table counts in one line what starts at 0 or 1 as its layer says, such as most biases, and
    the states of random generators; `plan.rows` holds them all.

    Args:
        model: Name of the model.
        seed: The seed that repeats exactly these draws (in a `Preparation`, before its `bias`).
        rows: One row per variable.
        dry_run: Whether the model was left as it was.

    Example:
        >>> import keras, kerasinit
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="head")])
        >>> plan = kerasinit.initialize(model, "he_normal", seed=1, dry_run=True)
        >>> plan["head/kernel"].initializer, plan["head/kernel"].fan_in
        ('HeNormal()', 4)
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
        headings, rows, reasons = _table(self)
        lines = [_title(self), "", columns(headings, rows), "", *map(_wrapped, reasons)]
        return encodable("\n".join(lines))

    def __repr__(self) -> str:
        return f"<{_title(self)}>"

    def _repr_html_(self) -> str:
        headings, rows, reasons = _table(self)
        return html_table(_title(self), headings, rows, reasons)


def _table(plan: Plan) -> tuple[list[str], list[list[str]], list[str]]:
    """Headings, a row per variable, the reasons that the rows name by number, and what is left."""
    usual = [row for row in plan.rows if _is_usual(row)]
    shown = [row for row in plan.rows if not _is_usual(row)]
    reasons = list(dict.fromkeys(map(_reason, shown)))
    with_data = any(row.tries is not None for row in shown)
    headings = ["variable", "shape", "initializer", "fans", "gain"]
    headings += ["output std", "why"] if with_data else ["why"]
    rows = []
    for row in shown:
        cells = [
            row.path.removeprefix(f"{plan.model}/"),
            "x".join(map(str, row.shape)) or "()",
            row.initializer.partition("(")[0] or "(left alone)",
            "" if row.fan_in is None else f"{row.fan_in:g}, {row.fan_out:g}",
            "" if row.gain is None else f"{row.gain:.4g}",
        ]
        if with_data:
            cells.append(_measured(row))
        rows.append([*cells, f"{1 + reasons.index(_reason(row))}"])
    notes = [f"{number} {text}" for number, text in enumerate(reasons, start=1)]
    return headings, rows, notes + [f"+ {line}" for line in _counted(usual)]


def _is_usual(row: PlanRow) -> bool:
    """Whether it needs no row: a bias or a part of a norm that starts at 0 or 1 as its layer says.

    Nor do those of a copy. The state of a random generator, of which each `Dropout` has one, is no
    weight at all.
    """
    if row.kind == "seed":
        return True
    constant = row.initializer.removesuffix("()") in ("Zeros", "Ones")
    expected = constant and row.reason in (OWN, IDENTITY, NO_BIAS)
    return row.changed and row.kind in ("bias", "norm") and (expected or row.reason == COPIED)


def _counted(rows: list[PlanRow]) -> list[str]:
    """A line for each reason: how many variables of which name start from what."""
    lines = []
    for reason in dict.fromkeys(row.reason for row in rows):
        alike = [row for row in rows if row.reason == reason]
        counts = Counter(
            (row.path.rpartition("/")[2], row.initializer.removesuffix("()") or "left alone")
            for row in alike
        )
        each = ", ".join(f"{count} x {name} ({start})" for (name, start), count in counts.items())
        lines.append(f"{each}: {reason}")
    return lines


def _reason(row: PlanRow) -> str:
    """The reason, with the initializer in front if it has arguments."""
    plain = not row.initializer or row.initializer.endswith("()") or "(" not in row.initializer
    return row.reason if plain else f"{row.initializer}: {row.reason}"


def _wrapped(reason: str) -> str:
    number, _, text = safe(reason).partition(" ")
    return textwrap.fill(text, width(), initial_indent=f"{number:>3}  ", subsequent_indent=" " * 5)


def _title(plan: Plan) -> str:
    verb = "would change" if plan.dry_run else "changed"
    return safe(
        f"Plan for {plan.model!r}: {verb} {len(plan.changed)} of {len(plan)} variables, "
        f"seed={plan.seed}"
    )


def _measured(row: PlanRow) -> str:
    if row.output_std is None:
        return ""
    mark = "" if row.converged else " (!)"
    return f"{row.output_std:.3f} in {row.tries}{mark}"
