"""What can be wrong with a signal, in one record."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kerasinit._safe_text import safe

CAUSES: tuple[str, ...] = (
    "non_finite",
    "zero_gradient",
    "symmetric",
    "vanishing",
    "exploding",
    "dead_units",
    "saturated",
    "bad_scale",
    "too_narrow",
    "unexpected_loss",
    "unscaled_input",
)
"""Causes that one batch shows at the current weights; the first ones hide the later ones."""

TRAINING_CAUSES: tuple[str, ...] = (*CAUSES, "spike", "large_updates", "small_updates", "slow")
"""`CAUSES`, then those that only a window of training steps shows."""

INITIALIZE = "`kerasinit.initialize(model)` gives every layer the scale that keeps the signal"
"""The fix that most verdicts on untrained weights name."""


@dataclass(frozen=True)
class Verdict:
    """One fault of a model's signal: what, where, how we know, and what helps.

    Args:
        cause: One of `TRAINING_CAUSES`.
        where: Name of the layer, or `"input"`, `"loss"` or `"model"`.
        evidence: The numbers that led here, in plain words.
        fix: What to do, in one sentence.

    Raises:
        ValueError: If `cause` is not one of `TRAINING_CAUSES`.

    >>> print(Verdict("dead_units", "dense_2", "30 of 32 units are never active", "lower the bias"))
    dead_units at dense_2: 30 of 32 units are never active. Fix: lower the bias
    """

    cause: str
    where: str
    evidence: str
    fix: str

    def __post_init__(self) -> None:
        if self.cause not in TRAINING_CAUSES:
            raise ValueError(
                f"`cause` must be one of {TRAINING_CAUSES}. Received: cause={self.cause!r}."
            )

    def to_dict(self) -> dict[str, str]:
        """The four fields as plain strings, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return safe(f"{self.cause} at {self.where}: {self.evidence}. Fix: {self.fix}")
