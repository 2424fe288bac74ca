"""Whether a fix helps: its line of code is run, and the program trained again."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
from case import Case, Program
from outcomes import SEEDS, Labels, built, mean_of

HELPED = 0.5  # of what the cure gives


def worked(program: Program, verdict: dict[str, Any], known: Labels) -> bool | None:
    """Whether the line of a verdict undoes at least half of the harm; None if it is no line."""
    line = verdict["fix"].partition("  #")[0]
    if line.startswith(("#", "print", "kerasinit.diagnose")):
        return None
    ill, cured = mean_of(known, program.name), mean_of(known, program.cured_as)
    if ill is None or cured is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case = built(program.make, SEEDS[0])
            apply(case, line)
            case.fit()
            return case.learned() > ill + HELPED * (cured - ill)
        except Exception:  # noqa: BLE001 (a line that raises does not help)
            return False


def apply(case: Case, line: str) -> None:
    """Runs one line as a user would, who has `model`, `x` and `y`."""
    import kerasinit

    if line.startswith("model.fit("):
        case.batch = int(line.partition("batch_size=")[2].rstrip(")"))
        return
    names = {"model": case.model, "x": case.x, "y": case.y, "np": np, "keras": keras}
    exec(line, names | {"kerasinit": kerasinit}, names)
    if names["y"] is not case.y and case.y is not None:
        before, after = (np.asarray(y, "float64").ravel() for y in (case.y, names["y"]))
        if before.shape == after.shape and np.isfinite(before).all():
            slope, offset = np.polyfit(before, after, 1)  # scores are of the targets as they were
            score = case.score
            case.score = lambda found: score((np.asarray(found, "float64") - offset) / slope)
    case.x, case.y = names["x"], names["y"]
