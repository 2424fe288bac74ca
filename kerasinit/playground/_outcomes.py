"""How every training of a playground ended, as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasinit.playground._film import Film, Reel
from kerasinit.report._words import DASH, magnitude, percent

LEARNED = 0.9  # share of the test points from which a training counts as one that learned


@dataclass(frozen=True)
class Outcome:
    """One start, on every data set.

    Args:
        start: Its name.
        shares: Per data set: median share of the seeds, its range, and whether it learned.
        first_gradient: Gradient of the first kernel before training, over that of the last one.
        distinct: Least number of different units that a hidden layer has at the end.
    """

    start: str
    shares: tuple[tuple[str, str, bool], ...]
    first_gradient: str
    distinct: str


def outcomes(reels: Sequence[Reel]) -> list[Outcome]:
    """One row per start, in the order of the films."""
    return [_outcome([reel.films[place] for reel in reels]) for place in range(len(reels[0].films))]


def _outcome(films: Sequence[Film]) -> Outcome:
    first, last = films[0].gradient_rms[0, [0, -1]]
    width = films[0].kernels[0].shape[-1]
    fewest = min(int(film.distinct_units[-1].min()) for film in films)
    return Outcome(
        start=films[0].start,
        shares=tuple(_share(film.seeds_accuracy) for film in films),
        first_gradient=magnitude(float(first / last)) if last > 0 else "0",
        distinct=f"{fewest} of {width}",
    )


def _share(values: np.ndarray) -> tuple[str, str, bool]:
    median = float(np.median(values))
    ends = f"{percent(float(values.min()), 0)}{DASH}{percent(float(values.max()), 0)}"
    return percent(median, 0), ends, median >= LEARNED
