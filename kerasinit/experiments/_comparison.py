"""The result of a run in plain values: everything that a table or a report needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from kerasinit._columns import columns, html_table
from kerasinit._safe_text import encodable, safe
from kerasinit._typing import Config
from kerasinit.experiments._bootstrap import Estimate
from kerasinit.experiments._records import Replica, Score, cell_key

HEADINGS = ("initializer", "validation {score}", "trained", "start", "against baseline")
Conclusion: TypeAlias = Literal["better", "worse", "equal", "undetermined", "baseline"]


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One initializer in one cell, over its seeds, at its best learning rate.

    Args:
        cell: The cell without its learning rate.
        initializer: Label of the initializer.
        learning_rate: The rate with the best median validation accuracy over the seeds.
        rank: Place in the cell by mean validation accuracy, from 1.
        rank_interval: Places that 95 % of the resampled seeds gave.
        replicas: Number of seeds.
        diverged: Number of seeds whose loss ended as NaN or infinity. They have no accuracy; in the
            place and in the difference they count as 0.
        train_accuracy: Final training accuracy of the others; NaN if there are none.
        val_accuracy: Final validation accuracy of the others.
        val_accuracy_by_seed: The same per seed, in the order of the seeds; NaN where diverged.
        score: What these accuracies are: "accuracy", or "R2" of a regression.
        trained_share: Share of seeds that trained.
        epochs_to_target: Median over seeds; None if fewer than half of them got there.
        first_gradient: Norm of the first layer's kernel gradient before training, geometric
            mean over seeds; None if nothing was measured.
        last_gradient: The same for the last layer.
        verdict: One plain word for how it starts: "healthy", a cause of
            `kerasinit.signals`, or, after a healthy start, "did not train" or "diverged".
        evidence: What the verdict was seen by.
        difference: Validation accuracy less that of the baseline, paired over seeds; None for
            the baseline itself or where no seeds can be paired.
        conclusion: "better", "worse", "equal" (within 0.01), "undetermined" or "baseline".

    Example:
        ```python
        for row in compare("runs").rows:
            print(row.initializer, row.val_accuracy, row.verdict, row.conclusion)
        ```
    """

    cell: Config
    initializer: str
    learning_rate: float
    rank: int
    rank_interval: tuple[int, int]
    replicas: int
    diverged: int = 0
    train_accuracy: Estimate
    val_accuracy: Estimate
    val_accuracy_by_seed: tuple[float, ...]
    trained_share: float
    epochs_to_target: float | None
    first_gradient: float | None
    last_gradient: float | None
    verdict: str
    evidence: str
    difference: Estimate | None
    conclusion: Conclusion
    score: Score = "accuracy"


@dataclass(frozen=True)
class Comparison:
    """Everything a table or a report needs, in plain values.

    Args:
        spec: The spec as a plain dict.
        baseline: Label of the initializer that the others are compared with.
        replicas: All finished replicas, also those at other learning rates.
        rows: One per cell and initializer, cells in the order of the spec, best first.

    Example:
        ```python
        comparison = compare("runs")
        print(comparison)  # a table for each setting
        best = comparison.rows_of(comparison.cells[0])[0]
        ```
    """

    spec: Config
    baseline: str
    replicas: tuple[Replica, ...]
    rows: tuple[ComparisonRow, ...]

    @property
    def score(self) -> str:
        """What the accuracies of the rows are: "accuracy", "R2" of regressions, or both."""
        return " or ".join(sorted({row.score for row in self.rows}, reverse=True)) or "accuracy"

    @property
    def cells(self) -> tuple[Config, ...]:
        """The cells without learning rate, in order."""
        return tuple({cell_key(row.cell): dict(row.cell) for row in self.rows}.values())

    def rows_of(self, cell: Mapping[str, Any]) -> tuple[ComparisonRow, ...]:
        """The rows of one cell, best first."""
        return tuple(row for row in self.rows if row.cell == dict(cell))

    def replicas_of(self, row: ComparisonRow) -> tuple[Replica, ...]:
        """The replicas that a row sums up, by seed."""
        cell = {**row.cell, "learning_rate": row.learning_rate}
        found = [r for r in self.replicas if r.initializer == row.initializer and r.cell == cell]
        return tuple(sorted(found, key=lambda replica: replica.seed))

    def __repr__(self) -> str:
        initializers = len({row.initializer for row in self.rows})
        return safe(
            f"<Comparison of {initializers} initializers in {len(self.cells)} setting(s): "
            f"{len(self.replicas)} trainings, baseline {self.baseline!r}>"
        )

    def __str__(self) -> str:
        parts = [repr(self)[1:-1]]
        for cell in self.cells:
            title = ", ".join(f"{name} {value}" for name, value in cell.items())
            parts += [
                "",
                safe(title),
                columns(self._headings, [_cells(r) for r in self.rows_of(cell)]),
            ]
        return encodable("\n".join(parts))

    def _repr_html_(self) -> str:
        parts = list(dict.fromkeys(name for cell in self.cells for name in cell))
        rows = [[*(str(row.cell.get(p, "")) for p in parts), *_cells(row)] for row in self.rows]
        return html_table(repr(self)[1:-1], [*parts, *self._headings], rows)

    @property
    def _headings(self) -> list[str]:
        return [heading.format(score=self.score) for heading in HEADINGS]

    def to_dict(self) -> Config:
        """Plain values, without the replicas."""
        return {
            "spec": self.spec,
            "baseline": self.baseline,
            "rows": [asdict(row) for row in self.rows],
        }


def _cells(row: ComparisonRow) -> list[str]:
    """A row in the words of `HEADINGS`."""
    everyone = row.diverged == row.replicas
    return [
        row.initializer,
        "diverged" if everyone else str(row.val_accuracy),
        f"{round(row.trained_share * row.replicas)} of {row.replicas}",
        row.verdict,
        row.conclusion,
    ]
