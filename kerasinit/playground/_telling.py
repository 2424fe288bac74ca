"""What can be seen in a film, in plain words made from its own numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasinit.playground._film import Film, Reel
from kerasinit.report._words import counted, joined, magnitude, percent
from kerasinit.signals._rules_of_gradients import EXPLODED, VANISHED


def told(film: Film, frame: int) -> tuple[str, str]:
    """One sentence on the units and one on the gradient, at a frame."""
    if not all(np.isfinite(kernel[frame]).all() for kernel in film.kernels):
        return ("This training diverged: its weights are no numbers any more.", "")
    return _units(film, frame), _gradient(film, frame)


def _units(film: Film, frame: int) -> str:
    width = film.kernels[0].shape[-1]
    distinct = film.distinct_units[frame]
    if not any(kernel[frame].any() for kernel in film.kernels):
        return (
            f"Every weight is exactly 0: the {width} units of a layer are {width} times the same."
        )
    if (distinct == 1).all():
        return (
            f"In every hidden layer the {width} units have equal weights: each layer computes one "
            f"function, {width} times."
        )
    copied = [
        f"layer {place} has {count} different of {width}"
        for place, count in enumerate(distinct, start=1)
        if count < width
    ]
    if copied:
        return f"Some units are copies of others: {joined(copied)}."
    return f"No unit is a copy: each hidden layer has {width} different ones."


def _gradient(film: Film, frame: int) -> str:
    rms = film.gradient_rms[frame]
    if not rms.any():
        learns = film.bias_gradients[-1][frame].any()
        rest = ": only the bias of the output learns" if learns else ""
        return f"The gradient of every weight is exactly 0{rest}."
    if rms[-1] == 0 or rms[0] == 0:
        return "The gradient of some layers is exactly 0."
    ratio = float(rms[0] / rms[-1])
    word = ""
    if ratio < VANISHED:
        word = ": it vanishes on the way"
    elif ratio > EXPLODED:
        word = ": it explodes on the way"
    return f"The first layer's gradient is {magnitude(ratio)} times the last one's{word}."


def summary_of(reels: Sequence[Reel], start: str) -> str:
    """What became of the trainings from one start on all data sets, as a sentence."""
    films = [reel.film_of(start) for reel in reels]
    sets = counted(len(films), "data set")
    shares = [float(np.median(film.seeds_accuracy)) for film in films]
    ends = percent(min(shares), 0), percent(max(shares), 0)
    right = f"{ends[0]} %" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} %"
    copied = sum(bool((film.distinct_units[-1] == 1).all()) for film in films)
    units = "the units of a layer all differ"
    if copied:
        where = f"all {sets}" if copied == len(films) else f"{copied} of {sets}"
        where = f"the {reels[0].data} data" if len(films) == 1 else where
        units = f"the units of a layer are still copies of one another on {where}"
    elif any((film.distinct_units[-1] < film.kernels[0].shape[-1]).any() for film in films):
        units = "some units are copies of others"
    steps = f"{int(reels[0].steps[-1]):,}"
    return (
        f"After {steps} steps from {start}, {units}, and {right} of the test points are right "
        f"(median of {counted(len(films[0].seeds_accuracy), 'seed')})."
    )
