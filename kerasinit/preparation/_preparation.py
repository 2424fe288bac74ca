"""What was done to make a model ready, and how well it works."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

from kerasinit._columns import width
from kerasinit._safe_text import printed, safe
from kerasinit.models import Plan
from kerasinit.preparation._output_bias import BiasRow
from kerasinit.preparation._proof import Proof
from kerasinit.preparation._rate_advice import RateAdvice
from kerasinit.preparation._trial import Cost
from kerasinit.preparation._unmoved import REASON
from kerasinit.signals import Diagnosis


@dataclass(frozen=True)
class Preparation:
    """What `prepare` did; `print` shows it.

    Args:
        model: Name of the model.
        plan: What the new weights were drawn from, one row for each variable. Its seed repeats
            these draws; `bias` comes on top of them.
        bias: The bias of each output, and the factor on the kernel beside it.
        learning_rate: The advice for the start that the model has now. A compiled model has this
            rate, unless `notes` say why its optimizer keeps its own.
        bias_adopted: Whether the model got these biases: with the new start, or, on learned layers
            that stay, as those of a new head.
        trial: The new start beside the one that the model came with.
        cost: What all trainings took: two searches for a rate, and the proof.
        diagnosis: Health of the signal at the end; None where it could not be told.
        undiagnosed: Why there is no diagnosis; empty where there is one.
        notes: Why the learning rate was not set; empty where it was.
        forgotten_steps: Steps of the optimizer that belonged to the weights that were replaced: its
            moments, averages and step count began anew. 0 where it keeps them.
        dry_run: Whether everything was left as it was.

    Example:
        ```python
        preparation = kerasinit.prepare(model, x, y)
        print(preparation)
        print(preparation.plan)
        ```
    """

    model: str
    plan: Plan
    bias: tuple[BiasRow, ...]
    learning_rate: RateAdvice
    bias_adopted: bool
    trial: Proof
    cost: Cost
    diagnosis: Diagnosis | None
    undiagnosed: str
    notes: tuple[str, ...]
    forgotten_steps: int
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "model": self.model,
            "plan": self.plan.to_dict(),
            "bias": [asdict(row) for row in self.bias],
            "learning_rate": self.learning_rate.to_dict(),
            "bias_adopted": self.bias_adopted,
            "trial": asdict(self.trial),
            "cost": asdict(self.cost),
            "diagnosis": None if self.diagnosis is None else self.diagnosis.to_dict(),
            "undiagnosed": self.undiagnosed,
            "notes": list(self.notes),
            "forgotten_steps": self.forgotten_steps,
            "dry_run": self.dry_run,
        }

    def __str__(self) -> str:
        return printed(self, width())

    def __repr__(self) -> str:
        start = "new start" if self.trial.adopted else "own start"
        rate = self.learning_rate.rate
        return safe(f"<Preparation of {self.model!r}: {start}, learning rate {rate:.3g}>")

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __rich__(self) -> Any:
        """Renders the report on a `rich` console."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        parts: list[Any] = [Text(f"{self._title()}\n", style="bold")]
        for heading, lines in self._steps():
            parts.append(Text(heading, style="bold"))
            parts += [Padding(Text(safe(line)), (0, 0, 0, 3)) for line in lines]
        return Group(*parts)

    def _title(self) -> str:
        name = safe(self.model)
        if self.dry_run:
            return f"Preparation of {name!r} (dry run: nothing was changed)"
        return f"Preparation of {name!r}"

    def _steps(self) -> list[tuple[str, list[str]]]:
        kept = "" if self.trial.adopted else " (not kept: see 4)"
        plan = self.plan
        advice = self.learning_rate
        low, high = advice.range
        had = "" if self.notes else f"; the optimizer had {advice.own_rate:.2g}"
        drawn = [row for row in plan.changed if row.kind == "kernel"]
        reasons = {row.reason for row in drawn}
        stay = sum(row.reason == REASON for row in plan)
        return [
            (
                f"1. Weights{kept}",
                [
                    f"{len(plan.changed)} of {len(plan)} variables drawn, seed {plan.seed}: "
                    f"print(preparation.plan)",
                    *sorted(reasons)[:3],
                    *([f"{stay} variables stay: {REASON}"] if stay else []),
                    *([self._forgotten()] if self.forgotten_steps else []),
                ],
            ),
            (
                "2. Output bias" + ("" if self.bias_adopted else kept),
                [str(row) for row in self.bias],
            ),
            (
                "3. Learning rate"
                + ("" if self.trial.adopted else ", from the start that is kept"),
                [
                    f"{advice.rate:.2g} with {advice.optimizer}, for batches of "
                    f"{advice.batch_size} samples (worth trying: {low:.2g} to {high:.2g}{had})",
                    f"{advice.reason}",
                    *(f"Not done: {note}" for note in self.notes),
                ],
            ),
            ("4. Proof", [*str(self.trial).splitlines(), f"Cost: {self.cost}"]),
            ("5. Health", self._health()),
        ]

    def _forgotten(self) -> str:
        return (
            f"the optimizer begins anew: its {self.forgotten_steps} steps belonged to the weights "
            "that are replaced"
        )

    def _health(self) -> list[str]:
        if self.diagnosis is None:
            return [self.undiagnosed]
        if self.diagnosis.healthy:
            return ["nothing found"]
        return [str(verdict) for verdict in self.diagnosis.verdicts]
