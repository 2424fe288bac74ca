"""What programs do when they are trained, and what is said of them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import keras
from case import Case, Program

LABELS = Path(__file__).with_name("labels.json")
SEEDS = (0, 1)
HARM = 0.1  # a fault that costs less of the score is none
LEARNS = 0.5  # score of a healthy program


def built(make: Any, seed: int) -> Case:
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    case = make()
    case.compile()
    return case


def trained(make: Any, seed: int) -> float:
    """Score after training; -1 if it ends in NaN or an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = built(make, seed)  # what cannot be made is no program
        try:
            case.fit()
            return round(case.learned(), 3)
        except Exception:  # noqa: BLE001 (any end of a training is an outcome)
            return -1.0


def said(program: Program, seed: int = SEEDS[0], *, before: bool = True) -> dict[str, Any]:
    """Verdicts of `diagnose` on a first batch, and of `GradientStats` in the whole training.

    The score after the training is that of a training without the callback.
    """
    import kerasinit

    found: dict[str, Any] = {"before": [], "during": [], "errors": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if before:
            try:
                case = built(program.make, seed)
                x, y = (keras.tree.map_structure(_first, part) for part in (case.x, case.y))
                verdicts = kerasinit.diagnose(case.model, x, y).verdicts
                found["before"] = [verdict.to_dict() for verdict in verdicts]
            except Exception as error:  # noqa: BLE001
                found["errors"].append(f"before: {error!r}"[:300])
        case = built(program.make, seed)
        stats = kerasinit.callbacks.GradientStats()
        found["score"] = -1.0
        try:
            case.fit([stats])
            found["score"] = round(case.learned(), 3)
        except Exception as error:  # noqa: BLE001
            found["errors"].append(f"during: {error!r}"[:300])
        found["during"] = [verdict.to_dict() for verdict in stats.verdicts]
    return found


def _first(array: Any) -> Any:
    return None if array is None else array[:128]


Labels = dict[str, dict[str, float]]  # name of a program or a cure -> seed -> score


def labels() -> Labels:
    return json.loads(LABELS.read_text()) if LABELS.exists() else {}


def save(known: Labels) -> None:
    """Writes one program a line."""
    rows = (f"{json.dumps(name)}: {json.dumps(known[name])}" for name in sorted(known))
    LABELS.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def is_confirmed(program: Program, known: Labels) -> bool | None:
    """Whether training says what the label says; None if it was not trained."""
    score, cured = (mean_of(known, name) for name in (program.name, program.cured_as))
    if program.healthy:
        return None if score is None else score >= LEARNS
    if score is None or cured is None:
        return None
    return cured >= LEARNS and cured - score > HARM


def mean_of(known: Labels, name: str) -> float | None:
    """Mean score over the seeds; None if there is none."""
    scores = known.get(name)
    return sum(scores.values()) / len(scores) if scores else None
