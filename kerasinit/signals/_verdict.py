"""What can be wrong with a signal, in one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kerasinit._safe_text import safe
from kerasinit.signals._remedy import Remedy

CAUSES: tuple[str, ...] = tuple(
    "non_finite not_trainable bad_inputs bad_targets bad_loss single_sample constant_output "
    "zero_gradient symmetric vanishing exploding dead_units saturated bad_scale too_narrow "
    "unexpected_loss unscaled_input large_updates small_updates".split()
)
"""Causes that one batch shows at the current weights; the first ones hide the later ones."""

TRAINING_CAUSES: tuple[str, ...] = (*CAUSES, "spike", "slow")
"""`CAUSES`, then those that only a window of training steps shows."""


@dataclass(frozen=True)
class Verdict:
    """One fault of a model's signal: what, where, how we know, and what helps.

    Args:
        cause: One of `TRAINING_CAUSES`.
        where: Name of the layer, or `"input"`, `"targets"`, `"loss"` or `"model"`; with several
            outputs, `"targets of NAME"`.
        evidence: The numbers that led here, in plain words.
        fix: A line of code, and what it is for; a comment alone where only the author of the model
            can say which line it is.
        remedy: The same for a program that applies it; None where `fix` is a comment alone.

    Raises:
        ValueError: If `cause` is not one of `TRAINING_CAUSES`.

    >>> print(Verdict("dead_units", "dense_2", "30 of 32 units are off", "# lower the bias"))
    dead_units at dense_2: 30 of 32 units are off. Fix: # lower the bias
    """

    cause: str
    where: str
    evidence: str
    fix: str
    remedy: Remedy | None = None

    def __post_init__(self) -> None:
        if self.cause not in TRAINING_CAUSES:
            raise ValueError(
                f"`cause` must be one of {TRAINING_CAUSES}. Received: cause={self.cause!r}."
            )

    @classmethod
    def cured(
        cls, cause: str, where: str, evidence: str, remedy: Remedy | None, reason: str
    ) -> Verdict:
        """A verdict whose fix is the line of a remedy, with the reason as a comment.

        The comment alone where there is no remedy.
        """
        line = "" if remedy is None else f"{remedy.line}  "
        return cls(cause, where, evidence, f"{line}# {reason}", remedy)

    def keeping(self, compiled: Sequence[str] | None) -> Verdict:
        """The same, with a line that compiles the model with its metrics, loss weights and options.

        Args:
            compiled: These arguments of `compile`, as code; None if no code says what they are.
        """
        line = "" if self.remedy is None else self.remedy.line
        if "model.compile(" not in line or not self.fix.startswith(line):
            return self
        if "metrics=" in line:  # those that it had take other targets
            compiled = [one for one in compiled or () if "metrics=" not in one]
        if compiled is None:
            return replace(self, fix=f"{self.fix}; give your other arguments of `compile` again")
        whole = ", ".join([line[:-1], *compiled])
        return replace(self, fix=f"{whole}){self.fix.removeprefix(line)}")

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return safe(f"{self.cause} at {self.where}: {self.evidence}. Fix: {self.fix}")


def and_more(layers: Sequence[object], whose: str = "") -> str:
    """How many there are beside the first, for a sentence.

    >>> and_more(["a"]), and_more(["a", "b"]), and_more(["a", "b", "c"], "those of ")
    ('', ' (and 1 more layer)', ' (and those of 2 more layers)')
    """
    more = len(layers) - 1
    return f" (and {whose}{more} more layer{'s' * (more > 1)})" if more else ""


def table(**rows: str) -> dict[str, frozenset[str]]:
    """The causes that belong to each cause, from their names one after the other."""
    return {cause: frozenset(others.split()) for cause, others in rows.items()}


def without_restatements(
    found: list[Verdict], restates: Mapping[str, frozenset[str]]
) -> list[Verdict]:
    """Those that say more than any other one that was found.

    Args:
        found: All that rules found.
        restates: Which causes a cause says again, or follows from.
    """
    causes = {verdict.cause for verdict in found}
    return [one for one in found if not causes & restates.get(one.cause, frozenset())]
