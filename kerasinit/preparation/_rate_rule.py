"""The rule: from losses of short trainings at several learning rates to the rate to train with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FACTOR = 2.4  # from one rate to the next
ABOVE, BELOW = 5, 6  # rates above and below the optimizer's usual one
# Copies that train on, and for how many steps (successive halving: Jamieson and Talwalkar, 2016,
# https://arxiv.org/abs/1502.07943): 147, with the copy that does not move. The advice is about as
# good as after 251 (`examples/results.md`, "A learning rate by trial").
STAGES = ((12, 4), (7, 5), (3, 19))
LATEST = 4  # steps, by whose mean loss copies go on
# Of the highest rate whose loss is as low as any: that one is too high for the end of a training.
# At a fifth, 96 % of 24 deep stacks end within 0.01 of the best accuracy, and 64 % of 36 trainings
# of small models near the best test loss (rate_advice.py and rate_held_out.py in tests/benchmarks).
SAFE = 0.2
# Times the largest loss of the lowest rate: weights that were there come back as a constant output.
BLOWN_UP = 100.0
SURE = 2.0  # standard errors of a mean difference over batches that count


@dataclass(frozen=True)
class RateCurve:
    """One learning rate and the loss of each step of its copy.

    Args:
        rate: The learning rate.
        losses: Loss of each step; fewer where the copy was given up.

    Example:
        >>> RateCurve(0.1, (2.0, 1.0, 0.5, 0.3)).end
        0.3
    """

    rate: float
    losses: tuple[float, ...]

    @property
    def last(self) -> np.ndarray:
        """Losses of the last quarter of the steps."""
        return np.array(self.losses[last_quarter(len(self.losses))])

    @property
    def end(self) -> float:
        """Mean of the last losses; infinite where one of them is not finite."""
        return self.end_after(len(self.losses))

    def end_after(self, steps: int) -> float:
        """What `end` was after fewer steps."""
        return _mean(np.array(self.losses[last_quarter(steps)]))


def last_quarter(steps: int) -> slice:
    """The steps by which a training of so many is judged; at least one.

    >>> last_quarter(9)
    slice(7, 9, None)
    """
    return slice(steps - max(1, steps // 4), steps)


def rates_around(usual: float) -> list[float]:
    """The rates that are tried, highest first."""
    return [usual * FACTOR**power for power in range(ABOVE, -BELOW - 1, -1)]


def going_on(losses: np.ndarray, count: int) -> list[int]:
    """Which copies train on: the one with the lowest loss now, and those at the nearest rates.

    As long as none is clearly better than the slowest, the highest rates that are not clearly
    worse: from the answer of a model that knows nothing, the loss hardly falls at first.

    Args:
        losses: `(copies, steps)`, highest rate first.
        count: How many; fewer go on where the others are too high.
    """
    too_high = count_too_high(losses)
    latest = losses[too_high:, -LATEST:]
    count = min(count, len(latest))
    best = int(np.argmin([_mean(row) for row in latest]))
    first = best - (count - 1) // 2
    if not is_lower(latest[best], latest[-1]):
        first = next(i for i, row in enumerate(latest) if not is_lower(latest[-1], row))
    first = too_high + max(0, min(first, len(latest) - count))
    return list(range(first, first + count))


def count_too_high(losses: Sequence[Sequence[float]] | np.ndarray) -> int:
    """How many rates are as high as one at which the loss blew up, or higher.

    Args:
        losses: Of the steps of each copy, highest rate first.

    >>> count_too_high([[1.0, 0.9], [1.0, 500.0], [1.0, 0.5], [1.0, 1.0]])
    2
    """
    most = BLOWN_UP * np.max(np.abs(losses[-1]))
    blown_up = [i for i, row in enumerate(losses[:-1]) if not np.max(np.abs(row)) <= most]
    return blown_up[-1] + 1 if blown_up else 0


def chosen(
    curves: Sequence[RateCurve], still: np.ndarray, usual: float
) -> tuple[float, tuple[float, float], str]:
    """The rate, the range around it that is worth trying, and why.

    From the rate with the lowest loss upwards, the last one counts before one that is worse: the
    lower ones look as good only because the training was short.

    Args:
        curves: Highest rate first; the copies that were not given up have the most steps.
        still: Losses of a model that does not move, on the last batches.
        usual: The rate that the optimizer has unless it is told otherwise.
    """
    tried, curves = curves, _not_too_high(curves)
    left = _trained_longest(curves)
    steps = len(left[0].losses)
    best = min(range(len(left)), key=lambda i: left[i].end)
    if not falls(curves, still):
        rate = _harmless(curves, usual)
        return rate, (rate / FACTOR, rate), (
            f"{steps} steps are too few to tell: at no rate does the loss fall by more than the "
            "batches differ. This is the highest rate up to the usual one that did no harm"
        )  # fmt: skip
    lowest, most = left[best].last, (left[best].end + _mean(still)) / 2  # half of the whole fall
    place = best
    while place > 0 and _is_as_low(left[place - 1].last, lowest, most):
        place -= 1
    highest = left[place].rate
    edge = {tried[0].rate: ", the highest that was tried", tried[-1].rate: ", the lowest"}
    rate = SAFE * highest
    return rate, (rate / FACTOR, (rate * highest) ** 0.5), (
        f"at {highest:.2g}{edge.get(highest, '')}, the loss after {steps} steps is the lowest, as "
        f"far as the batches tell; {SAFE} of that rate is safe for a longer training"
    )  # fmt: skip


def falls(curves: Sequence[RateCurve], still: np.ndarray) -> bool:
    """Whether at the best rate the loss falls by more than the batches differ.

    Args:
        curves: See `chosen`.
        still: See `chosen`.
    """
    best = min(_trained_longest(_not_too_high(curves)), key=lambda curve: curve.end)
    return len(best.last) == len(still) and is_lower(best.last, still)  # on the same batches


def _not_too_high(curves: Sequence[RateCurve]) -> Sequence[RateCurve]:
    return curves[count_too_high([curve.losses for curve in curves]) :]


def _trained_longest(curves: Sequence[RateCurve]) -> list[RateCurve]:
    steps = max(len(curve.losses) for curve in curves)
    return [curve for curve in curves if len(curve.losses) == steps]


def is_lower(losses: np.ndarray, others: np.ndarray) -> bool:
    """Whether losses are lower than others on the same batches by more than these differ."""
    gaps = np.asarray(others) - np.asarray(losses)
    if not np.isfinite(losses).all():
        return False
    if not np.isfinite(others).all():
        return True
    error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
    return bool(gaps.mean() > SURE * error)


def _is_as_low(losses: np.ndarray, lowest: np.ndarray, most: float) -> bool:
    """Whether losses are not clearly higher than the lowest.

    Jumps make the batches differ so much that nothing is clear: so their mean is limited, too.
    """
    return _mean(losses) <= most and not is_lower(lowest, losses)


def _harmless(curves: Sequence[RateCurve], usual: float) -> float:
    """From the lowest rate upwards, the last up to the usual one before one that is worse."""
    slowest, rate = np.array(curves[-1].losses), curves[-1].rate
    for curve in reversed(curves[:-1]):
        steps = min(len(curve.losses), len(slowest))
        losses, lowest = np.array(curve.losses[:steps]), slowest[:steps]
        most = _mean(lowest) + SURE * float(lowest.std())
        if curve.rate > usual * (1 + 1e-9) or not _is_as_low(losses, lowest, most):
            break
        rate = curve.rate
    return rate


def _mean(losses: np.ndarray) -> float:
    return float(losses.mean()) if np.isfinite(losses).all() else float("inf")
