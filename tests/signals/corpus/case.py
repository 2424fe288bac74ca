"""One small training: a model, its data, and how well it can be told to have learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

BATCH = 32


@dataclass
class Case:
    """A model and all that `fit` needs.

    Args:
        model: Built, not compiled yet.
        x, y: Data as for `fit`.
        loss: As for `compile`; None if the model adds its own.
        score: Of the predictions: 1 is perfect, 0 is as good as knowing nothing.
        rate: Learning rate.
        optimizer: Class of the optimizer.
        options: More arguments of the optimizer.
        steps: Training steps.
        batch: Size of a batch.
        heads: Names of the layers whose output is the model's.
        compiled: More arguments of `compile`.
        fitted: More arguments of `fit`.
    """

    model: Any
    x: Any
    y: Any
    loss: Any
    score: Callable[[Any], float]
    rate: float = 3e-3
    optimizer: Callable[..., Any] = keras.optimizers.Adam
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 240
    batch: int = BATCH
    heads: tuple[str, ...] = ("head",)
    compiled: dict[str, Any] = field(default_factory=dict)
    fitted: dict[str, Any] = field(default_factory=dict)

    def compile(self) -> None:
        optimizer = self.optimizer(self.rate, **self.options)
        # XLA takes long on TensorFlow; without it, JAX runs each operation on its own.
        xla = keras.config.backend() == "jax"
        self.model.compile(optimizer, self.loss, jit_compile=xla, **self.compiled)

    @property
    def samples(self) -> int:
        return len(keras.tree.flatten(self.x)[0])

    def fit(self, callbacks: list[Any] | None = None) -> None:
        per_epoch = -(-self.samples // self.batch)
        self.model.fit(
            self.x,
            self.y,
            batch_size=self.batch,
            epochs=max(1, round(self.steps / per_epoch)),
            verbose=0,
            callbacks=callbacks,
            **self.fitted,
        )

    def learned(self) -> float:
        """How well the model does on its own data now; at least -1, and -1 for NaN."""
        value = float(self.score(self.model.predict(self.x, batch_size=256, verbose=0)))
        return max(value, -1.0) if np.isfinite(value) else -1.0


@dataclass(frozen=True)
class Program:
    """A labelled program of the corpus.

    Args:
        name: `family/fault/strength`.
        family: Programs of one family are all in the same part.
        held: Whether the family is in the part that no threshold was set on.
        causes: What may stand first in a diagnosis; empty if the program is healthy.
        where: Names of layers, one of which should be named; empty if none should be.
        make: Makes the program, not compiled.
        cure: Makes the same without the fault; None if the program is healthy.
        cured_by: What undoes the fault, in words.
        cured_as: Programs with the same name here are the same when cured.
    """

    name: str
    family: str
    held: bool
    causes: tuple[str, ...]
    make: Callable[[], Case]
    where: tuple[str, ...] = ()
    cure: Callable[[], Case] | None = None
    cured_by: str = ""
    cured_as: str = ""

    @property
    def healthy(self) -> bool:
        return not self.causes


@dataclass(frozen=True)
class Knobs:
    """What a family lets others choose when it builds its model; None is its own choice."""

    activation: Any = None
    depth: int | None = None
    width: int | None = None
    kernel: Callable[[], Any] | str | None = None  # initializer of hidden layers
    output: Any = "own"  # activation of the head
    batch_norm: bool = False
    blocked: bool = False  # a gradient that stops before the head

    def hidden(self, activation: Any = "relu") -> dict[str, Any]:
        """Arguments of a hidden layer."""
        kernel = self.kernel() if callable(self.kernel) else self.kernel
        chosen = {"activation": self.activation or activation}
        return chosen | ({"kernel_initializer": kernel} if kernel else {})

    def but(self, **changes: Any) -> Knobs:
        return replace(self, **changes)


PLAIN = Knobs()


def accuracy(labels: np.ndarray) -> Callable[[Any], float]:
    """Share of right classes above that of the most frequent class."""
    labels = np.asarray(labels).reshape(-1)
    most = np.bincount(labels).max() / labels.size

    def score(outputs: Any) -> float:
        found = np.asarray(outputs)
        return (np.mean(found.argmax(-1).reshape(-1) == labels) - most) / (1 - most)

    return score


def binary_accuracy(labels: np.ndarray, threshold: float = 0.5) -> Callable[[Any], float]:
    labels = np.asarray(labels).reshape(-1) > 0
    most = max(labels.mean(), 1 - labels.mean())

    def score(outputs: Any) -> float:
        found = np.asarray(outputs).reshape(-1)
        if not np.isfinite(found).all():
            return -1.0
        return (np.mean((found > threshold) == labels) - most) / (1 - most)

    return score


def explained(targets: np.ndarray) -> Callable[[Any], float]:
    """Share of the variance of the targets that is explained."""
    targets = np.asarray(targets, "float64")

    def score(outputs: Any) -> float:
        found = np.asarray(outputs, "float64").reshape(targets.shape)
        return 1 - np.mean((found - targets) ** 2) / np.var(targets)

    return score
