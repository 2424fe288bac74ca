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
from kerasinit.preparation._batches import Batches, tensors
from kerasinit.preparation._copies import Copies, Copy
from kerasinit.preparation._task import Task
from kerasinit.preparation._untouched import same_attributes


@dataclass(frozen=True)
class Cost:
    """What a trial took.

    Args:
        steps: Training steps of the model.
        seconds: For them.
        compile_seconds: For the first step, which compiles.
    """

    steps: int
    seconds: float
    compile_seconds: float

    def since(self, before: Cost) -> Cost:
        """What was added to an earlier cost of the same trial."""
        return replace(self, steps=self.steps - before.steps, seconds=self.seconds - before.seconds)

    def __str__(self) -> str:
        return (
            f"{self.steps} training steps in {self.seconds:.1f} s, and {self.compile_seconds:.1f} "
            "s to compile"
        )


class Trial:
    """Trains copies of a model on the same batches, and counts what it costs.

    Args:
        task: The model, its loss and its optimizer; all of it stays as it is.
        batches: One for each step.

    Raises:
        ValueError: If the model cannot be trained on them.
    """

    def __init__(self, task: Task, batches: Batches) -> None:
        if batches.items[0][1] is None and task.compares:
            raise ValueError(
                f"The loss of {task.model.name!r} compares its outputs with targets. "
                "Received: y=None."
            )
        began = time.perf_counter()
        self._batches = batches
        self._steps, self._seconds = 0, 0.0
        self._copies = Copies(task)
        before = Weights.of(task.model)
        try:
            (at_rest,), _ = self.advance([self.start(before, 0.0)], 0, 1)
        except _backend.errors() as error:
            raise ValueError(
                f"{task.model.name!r} cannot be trained on this data: {_backend.cause_of(error)}"
            ) from error
        _check_rate_counts(task.model, before, at_rest.weights)
        self._steps, self._seconds = 0, 0.0
        self._compile_seconds = time.perf_counter() - began

    @property
    def cost(self) -> Cost:
        """What it took so far."""
        return Cost(self._steps, self._seconds, self._compile_seconds)

    def start(self, weights: Weights, rate: float) -> Copy:
        """A copy of the model with other weights, whose optimizer has seen nothing."""
        return self._copies.start(weights, rate)

    def advance(
        self, copies: Sequence[Copy], first: int, last: int
    ) -> tuple[list[Copy], np.ndarray]:
        """The copies after the steps from `first` up to `last`, and their losses."""
        began = time.perf_counter()
        trained, losses = self._copies.advance(copies, self._batches.items[first:last])
        self._seconds += time.perf_counter() - began
        self._steps += losses.size
        return trained, losses


def _check_rate_counts(model: Any, before: Weights, after: Weights) -> None:
    """Refuses a model whose weights all move at a rate of 0: another rate trains them.

    Raises:
        ValueError: If so.
    """
    moved = [
        bool(np.isfinite(new).all()) and not np.array_equal(old, new)  # FTRL divides by its rate
        for variable, old, new in zip(
            model.trainable_variables, before.trainable, after.trainable, strict=True
        )
        if variable.constraint is None
    ]
    if moved and all(moved):
        raise ValueError(
            f"The `train_step` of {model.name!r} does not train by the compiled optimizer: at a "
            "learning rate of 0, all weights moved. Let it use `self.optimizer`, or only "
            "initialize the model: `kerasinit.initialize(model)`."
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
