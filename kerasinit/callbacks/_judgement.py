"""New verdicts on a training, from its recorded steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from kerasinit.callbacks._record import Record
from kerasinit.signals import Setup, TrainingStep, Verdict, judge_window
from kerasinit.signals._window import WINDOW, losses_of

JUDGE_EVERY = 5  # records between two judgements, unless the gradient jumps
OF_MODEL = ("small_updates",)  # said once, whatever the layer
JUMP = 10.0  # times the window's median gradient norm


@dataclass(frozen=True)
class Found:
    """A new verdict and the step that led to it.

    Args:
        verdict: What is wrong.
        step: Newest step of the window.
        onset: First step of the window that looks like a blow-up; None if none does.
    """

    verdict: Verdict
    step: int
    onset: int | None


@dataclass
class Findings:
    """What was found in all trainings that one callback has seen.

    Args:
        verdicts: What is wrong, each cause and layer once.
        overflows: Recorded steps that loss scaling skipped.
        opening: The first recorded steps of the model.
        best_loss: Lowest mean loss of `WINDOW` records in a row; None if unknown.
        said: What was found since a model was compiled anew.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    overflows: int = 0
    opening: list[TrainingStep] = field(default_factory=list)
    best_loss: float | None = None
    said: list[Verdict] = field(default_factory=list)

    def begin(self, *, anew: bool) -> None:
        """Forgets the course of the training: of another model, or of the same compiled `anew`.

        What was found in the latter is new when it comes again.
        """
        self.opening, self.best_loss = [], None
        if anew:
            self.said = []

    def follow(self, steps: Sequence[TrainingStep]) -> None:
        """Notes what the newest of the last steps says of the course of the training."""
        if len(self.opening) < WINDOW:
            self.opening.append(steps[-1])
        losses = losses_of(steps)
        if len(losses) == WINDOW:
            mean = fmean(losses)
            self.best_loss = mean if self.best_loss is None else min(mean, self.best_loss)

    def add(self, verdict: Verdict) -> bool:
        """Adds a verdict, unless it is there: whether it is new, of the model as it is now."""
        if not _is_among(verdict, self.verdicts):
            self.verdicts.append(verdict)
        is_new = not _is_among(verdict, self.said)
        if is_new:
            self.said.append(verdict)
        return is_new


def _is_among(verdict: Verdict, others: Sequence[Verdict]) -> bool:
    """Whether its cause was found already, of that layer."""
    return any(
        other.cause == verdict.cause and (other.where == verdict.where or verdict.cause in OF_MODEL)
        for other in others
    )


class Judgement:
    """Judges the records of one training, in the order in which the steps were taken.

    Args:
        findings: What is known already, and where new verdicts go.
        setup: What is known from before the first step.
    """

    def __init__(self, findings: Findings, setup: Setup) -> None:
        self._findings, self._setup = findings, setup
        self._steps: deque[TrainingStep] = deque(maxlen=WINDOW)
        self._norms: deque[float] = deque(maxlen=WINDOW)
        self._unjudged = 0
        self._broken = False  # by what is not finite, in the record before, and said

    def consider(self, record: Record) -> list[Found]:
        """Takes in one more record; returns what is newly found wrong."""
        findings = self._findings
        self._steps.append(record.training_step())
        findings.follow(self._steps)
        self._norms.append(record.grad_norm)
        self._unjudged += 1
        if self._broken and not math.isfinite(record.grad_norm):
            return []  # what one NaN leads to is no news
        if self._unjudged < JUDGE_EVERY and not self._jumped():
            return []
        self._unjudged = 0
        verdicts = judge_window(
            tuple(self._steps),
            opening=findings.opening,
            best_loss=findings.best_loss,
            setup=self._setup,
        )
        self._broken = any(verdict.cause == "non_finite" for verdict in verdicts)
        new = [verdict for verdict in verdicts if findings.add(verdict)]
        return [Found(verdict, record.step, self._onset()) for verdict in new]

    def _jumped(self) -> bool:
        if self._steps[-1].overflow:
            return False
        norms = [
            norm
            for step, norm in zip(self._steps, self._norms, strict=True)
            if not step.overflow and math.isfinite(norm)
        ]
        return not math.isfinite(self._norms[-1]) or self._norms[-1] > JUMP * median(norms)

    def _onset(self) -> int | None:
        norms = list(self._norms)
        first = [norm for norm in norms[: max(len(norms) // 2, 1)] if math.isfinite(norm)]
        usual = median(first) if first else 0.0
        for step, norm in zip(self._steps, norms, strict=True):
            if not step.overflow and not norm <= JUMP * usual:
                return step.step
        return None
