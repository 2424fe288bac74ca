"""A short training of copies of one model that differ in their start and their learning rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.experiments._stacking import Weights
from kerasinit.experiments._trainer import MEMORY, bytes_of, find_calls
from kerasinit.preparation._batches import Batches, tensors
from kerasinit.preparation._copies import Copies, Copy
from kerasinit.preparation._in_turn import CopiesInTurn
from kerasinit.preparation._mapped import MappedCopies
from kerasinit.preparation._task import Task
from kerasinit.preparation._untouched import same_attributes

PER_CALL = 4  # copies in one compiled call; fewer where they would take more than `MEMORY`


@dataclass(frozen=True)
class Cost:
    """What a trial took.

    Args:
        steps: Steps of single copies: as many steps of the model is the most that it cost.
        seconds: For them.
        compile_seconds: For the first steps, which compile.
        way: How the copies were trained.
    """

    steps: int
    seconds: float
    compile_seconds: float
    way: str

    def since(self, before: Cost) -> Cost:
        """What was added to an earlier cost of the same trial."""
        return replace(self, steps=self.steps - before.steps, seconds=self.seconds - before.seconds)

    def __str__(self) -> str:
        return (
            f"{self.steps} steps of copies, {self.way}: {self.seconds:.1f} s, and "
            f"{self.compile_seconds:.1f} s to compile"
        )


class Trial:
    """Trains copies of a model on the same batches, and counts what it costs.

    The first way that works is kept: several copies in one mapped call, or else one after the
    other.

    Args:
        task: The model, its loss and its optimizer; all of it stays as it is.
        batches: One for each step.
        y_pred: Outputs of the model for the first of them, or their shapes.

    Raises:
        ValueError: If the model cannot be trained on them.
    """

    def __init__(self, task: Task, batches: Batches, y_pred: Any) -> None:
        if batches.items[0][1] is None and task.compares:
            raise ValueError(
                f"The loss of {task.model.name!r} compares its outputs with targets. "
                "Received: y=None."
            )
        self._task = task
        self._batches = batches
        self._y_pred = y_pred
        self._steps, self._seconds = 0, 0.0
        self._copies, self._way = self._first_way()

    @property
    def is_mapped(self) -> bool:
        """Whether several copies train in one call."""
        return isinstance(self._copies, MappedCopies)

    @property
    def cost(self) -> Cost:
        """What it took so far."""
        return Cost(self._steps, self._seconds, self._compile_seconds, self._way)

    def start(self, weights: Weights, rate: float) -> Copy:
        """A copy of the model with other weights, whose optimizer has seen nothing."""
        return self._copies.start(weights, rate)

    def advance(
        self, copies: Sequence[Copy], first: int, last: int
    ) -> tuple[list[Copy], np.ndarray]:
        """The copies after the steps from `first` up to `last`, and their losses."""
        began = time.perf_counter()
        with same_attributes(self._task.model):
            trained, losses = self._copies.advance(copies, self._batches.items[first:last])
        self._seconds += time.perf_counter() - began
        self._steps += losses.size
        return trained, losses

    def _first_way(self) -> tuple[Copies, str]:
        began = time.perf_counter()
        mapped, why = self._mapped()
        copies: Copies = CopiesInTurn(self._task) if mapped is None else mapped
        if mapped is None:
            try:
                self._try(copies)
            except _backend.errors() as error:
                raise ValueError(
                    f"{self._task.model.name!r} cannot be trained on this data: "
                    f"{_backend.cause_of(error)}"
                ) from error
        self._compile_seconds = time.perf_counter() - began
        return copies, f"one after the other ({why})" if mapped is None else why

    def _mapped(self) -> tuple[MappedCopies | None, str]:
        """Copies that are mapped, and how; or None, and why not."""
        if not _backend.has_keras_train_step(self._task.model):
            return None, "it has a `train_step` of its own"
        size = _copies_per_call(self._task, self._batches)
        if size == 0:
            return None, "only one fits into memory"
        mapped = MappedCopies(self._task, self._batches.items[0][1], self._y_pred, size)
        try:
            self._try(mapped)
        except _backend.errors() as error:
            return None, f"they cannot be mapped: {_backend.cause_of(error)}"
        return mapped, f"{size} in one mapped call"

    def _try(self, copies: Copies) -> None:
        with same_attributes(self._task.model):
            copies.advance(
                [copies.start(Weights.of(self._task.model), 0.0)], self._batches.items[:1]
            )


def outputs_of(model: Any, x: Any) -> Any:
    """Outputs of a model for one batch, or only their shapes where these are cheaper.

    Raises:
        ValueError: If the model cannot be called on it.
    """
    inputs = tensors(x)

    def outputs() -> Any:
        with keras.StatelessScope():
            return model(inputs, training=False)

    try:
        with same_attributes(model):
            return _backend.run_for_shapes(outputs)
    except _backend.errors() as error:
        raise ValueError(
            f"{model.name!r} cannot be called on this data: {_backend.cause_of(error)}"
        ) from error


def _copies_per_call(task: Task, batches: Batches) -> int:
    try:
        with same_attributes(task.model):
            _, shapes = find_calls(task.model, batches.items[0][0])
    except _backend.errors():  # the code of any layer runs here; the training will report
        shapes = []
    return int(min(PER_CALL, MEMORY // bytes_of(task.model, shapes, batches.size)))
