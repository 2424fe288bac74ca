"""Whether the remedy of a verdict helps: copies of the model with it and without it, trained."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.experiments._stacking import Weights
from kerasinit.models import initialize
from kerasinit.preparation._batches import Batches
from kerasinit.preparation._copies import Copy
from kerasinit.preparation._task import Task
from kerasinit.preparation._trial import Trial
from kerasinit.preparation._untouched import marks_of, taken_back
from kerasinit.signals import Remedy
from kerasinit.signals._remedy import STANDARDIZE

STEPS = 30
# Times the optimizer's rate: a start that trains well may want more than a bad one took. Both are
# tried at all of them, and the best counts.
RATES = (1.0, 3.0, 10.0)
LOWER = 0.02  # of the loss without a remedy, by which the loss with it is lower if it helps
# Of that, up to which the right loss is as low: what trained by a wrong one may have come as far.
AS_LOW = 1.1
UNTRIED = ("unfreeze", "batch_size")  # they change what is trained, and on how much
LINES_ONLY = ("code", "scale_rate")  # they change the model or its optimizer themselves
# The right loss is judged.
OTHER_LOSS = (
    "loss", "class_loss", "output_activation", "regression", "several_labels", "map_targets"
)  # fmt: skip
# The activation and the loss of an output that is changed in both.
BOTH = {"regression": ("linear", "mse"), "several_labels": ("sigmoid", "binary_crossentropy")}
OTHER_SCALE = ("scale_targets", "scale_data")  # only shares of the loss can be compared


@dataclass(frozen=True)
class Tried:
    """The losses of a model with a remedy and without it.

    Args:
        first: Loss of the first step with it.
        last: Loss of the last step with it.
        without: Last loss without it.
        helps: Whether the model trains better with it.
    """

    first: float
    last: float
    without: float
    helps: bool

    def __str__(self) -> str:
        return (
            f"loss {self.first:.3g} -> {self.last:.3g} in {STEPS} steps, "
            f"without it {self.without:.3g}"
        )


class RemedyTrials:
    """Tries remedies on copies of one model, which stays as it is.

    Args:
        task: The model, its loss and its optimizer.
        x: Inputs of one batch, which every step sees.
        y: Its targets.
        weight: What each of its samples counts; None where all count the same.
    """

    def __init__(self, task: Task, x: Any, y: Any, weight: Any = None) -> None:
        self._task, self._x, self._y, self._weight = task, x, y, weight
        self._own = Weights.of(task.model)
        self._trial = _trial(task, x, y, weight)
        self._rates = [factor * task.rate for factor in RATES]
        self._plain = _runs(self._trial, self._own, self._rates)

    def tried(self, remedy: Remedy) -> Tried:
        """What the remedy does.

        Raises:
            ValueError: If it cannot be tried.
        """
        if remedy.kind in UNTRIED:
            raise ValueError("it changes what is trained")
        if remedy.kind in LINES_ONLY:
            raise ValueError("copies do not take a line like this")
        if remedy.kind in ("learning_rate", "constant_rate"):
            (run,) = _runs(self._trial, self._own, [float(remedy.value or 0.0)])
            return _compared(run, self._plain[0].last)
        if remedy.kind == "initialize":
            run = _best(_runs(self._trial, _drawn(self._task.model), self._rates))
            return _compared(run, _best(self._plain).last)
        with _applied(remedy, self._task, self._x, self._y) as (task, x, y):
            trial = _trial(task, x, y, self._weight)
            run = _best(_runs(trial, self._own, self._rates))
            plain = _best(self._plain)
            if remedy.kind in OTHER_LOSS:
                others = [_judged(trial, one.end) for one in self._plain]
                without = min(others, key=_or_infinite)
                helps = _or_infinite(run.last) <= AS_LOW * without
                return Tried(run.first, run.last, without, helps)
        if remedy.kind in OTHER_SCALE:
            return Tried(run.first, run.last, plain.last, run.share < plain.share - LOWER)
        return _compared(run, plain.last)


@dataclass(frozen=True)
class _Run:
    first: float
    last: float
    end: Copy

    @property
    def share(self) -> float:
        """What is left of the loss."""
        return _or_infinite(self.last / self.first if self.first else self.last)


def _runs(trial: Trial, weights: Weights, rates: Sequence[float]) -> list[_Run]:
    """Copies at each rate, one after the other."""
    ends, losses = trial.advance([trial.start(weights, rate) for rate in rates], 0, STEPS)
    return [_Run(row[0], row[-1], end) for row, end in zip(losses.tolist(), ends, strict=True)]


def _judged(trial: Trial, copy: Copy) -> float:
    """The loss that a trial sees at the weights of a copy of another one."""
    _, losses = trial.advance([trial.start(copy.weights, 0.0)], 0, 1)
    return float(losses[0, 0])


def _best(runs: Sequence[_Run]) -> _Run:
    return min(runs, key=lambda run: _or_infinite(run.last))


def _compared(run: _Run, without: float) -> Tried:
    gain = _or_infinite(without) - _or_infinite(run.last)
    helps = math.isfinite(run.last) and gain > LOWER * abs(without if math.isfinite(without) else 1)
    return Tried(run.first, run.last, without, helps)


def _or_infinite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _trial(task: Task, x: Any, y: Any, weight: Any) -> Trial:
    return Trial(task, Batches(((x, y, weight),) * STEPS, y, weight))


def _drawn(model: Any) -> Weights:
    """What `initialize` gives the model; it keeps its own."""
    with taken_back(model.variables), contextlib.ExitStack() as undone, warnings.catch_warnings():
        undone.callback(marks_of(model))
        warnings.simplefilter("ignore")  # of learned weights, which stay
        initialize(model, seed=0)
        return Weights.of(model)


@contextlib.contextmanager
def _applied(remedy: Remedy, task: Task, x: Any, y: Any) -> Iterator[tuple[Task, Any, Any]]:
    """The task and the data with a remedy, as long as this is open."""
    hooks: Any = contextlib.nullcontext()
    kind, value = remedy.kind, str(remedy.value)
    if kind == "output_activation" or kind in BOTH:
        activation = keras.activations.get(BOTH[kind][0] if kind in BOTH else value)
        hooks = _backend.replaced(_layer(task.model, remedy.where), activation=activation)
    if kind in BOTH:
        task = replace(task, loss=BOTH[kind][1])
    elif kind in ("loss", "class_loss"):
        task = replace(task, loss=_evaluated(value, keras=keras))
    elif kind == "clip_norm":
        task = replace(task, optimizer=task.with_options(clipnorm=float(value)))
    if kind in ("scale_inputs", "scale_data"):
        x = _evaluated(value if kind == "scale_inputs" else STANDARDIZE.format("x"), x=x, np=np)
    if kind in ("scale_targets", "scale_data", "map_targets", "regression"):
        y = _evaluated(value, y=y, np=np)
    elif kind == "fill_inputs":
        x = keras.tree.map_structure(_filled, x)
    elif kind == "fill_targets":
        y = keras.tree.map_structure(_filled, y)
    with hooks:
        yield task, x, y


def _layer(model: Any, path: str | None) -> Any:
    for name in (path or "").split("/"):
        model = model.get_layer(name)
    return model


def _evaluated(expression: str, **names: Any) -> Any:
    """The value of the Python of a remedy, which is written by the rules of `signals`."""
    return eval(expression, names)  # numpy imports parts of itself at their first use


def _filled(array: Any) -> Any:
    return np.nan_to_num(array, posinf=0, neginf=0) if array.dtype.kind == "f" else array
