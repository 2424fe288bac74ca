"""Whether a model trains better from its new start than from the one it came with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kerasinit.preparation._rate_advice import RateAdvice
from kerasinit.preparation._rate_rule import WINDOW, RateCurve

SURE = 2.0  # standard errors of the mean difference, over the last batches, that count


@dataclass(frozen=True)
class Proof:
    """The same trial from two starts, each at the rate that suits it.

    Args:
        own: From the weights that the model came with.
        ready: From the new weights and biases.
        adopted: Whether the model gets the new ones.
        reason: Why.
    """

    own: RateCurve
    ready: RateCurve
    adopted: bool
    reason: str

    def __str__(self) -> str:
        def words(curve: RateCurve) -> str:
            return f"loss {curve.losses[0]:.4g} -> {curve.end:.4g} (rate {curve.rate:.2g})"

        return (
            f"{len(self.ready.losses)} steps: {words(self.ready)}; from its own start: "
            f"{words(self.own)}. {self.reason}"
        )


def proof_of(own: RateAdvice, ready: RateAdvice) -> Proof:
    """Compares the two starts on the last batches, which both have seen.

    The model keeps its own start only if that ends lower by more than the batches differ.
    """
    ours, theirs = _at_its_rate(ready), _at_its_rate(own)
    if not math.isfinite(ours.end) and math.isfinite(theirs.end):
        return Proof(theirs, ours, False, "The new start diverges: the model keeps its own.")
    last = min(WINDOW, len(ours.losses), len(theirs.losses))
    gaps = np.array(ours.losses[-last:]) - np.array(theirs.losses[-last:])
    error = gaps.std(ddof=1) / math.sqrt(last) if last > 1 else 0.0
    if math.isfinite(theirs.end) and gaps.mean() > SURE * error:
        return Proof(theirs, ours, False, "The own start is better: the model keeps it.")
    is_better = not math.isfinite(theirs.end) or gaps.mean() < -SURE * error
    word = "better" if is_better else "as good within the spread of the batches"
    return Proof(theirs, ours, True, f"The new start is {word}.")


def _at_its_rate(advice: RateAdvice) -> RateCurve:
    return next(curve for curve in advice.curves if curve.rate == advice.rate)
