"""Weights of several replicas as one, and the optimizers that act on them as on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Config

# Optimizers that treat every number by itself: one of these on stacked weights is many of them
# on single weights.
ELEMENTWISE = (
    "SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """Weights of one or several replicas.

    Args:
        trainable: One array per trainable variable; stacked ones with a leading replica axis.
        states: One array per other variable (moving statistics, seeds).
    """

    trainable: list[np.ndarray]
    states: list[np.ndarray]

    @classmethod
    def of(cls, model: Any) -> Weights:
        """A copy of the current weights of `model`."""
        return cls(
            [np.array(_backend.numpy_of(v)) for v in model.trainable_variables],
            [np.array(_backend.numpy_of(v)) for v in model.non_trainable_variables],
        )

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(array.nbytes for array in (*self.trainable, *self.states))

    @classmethod
    def stack(cls, replicas: Sequence[Weights]) -> Weights:
        """Stacks single replicas along a new leading axis."""
        return cls(
            [np.stack(group) for group in zip(*(r.trainable for r in replicas), strict=True)],
            [np.stack(group) for group in zip(*(r.states for r in replicas), strict=True)],
        )


def why_not_mapped(optimizer: Config) -> str:
    """Why trainings with this optimizer cannot be stacked; empty if they can.

    Examples:
        >>> why_not_mapped({"class_name": "Adam", "config": {"clipnorm": 1.0}})
        'clipnorm acts on whole tensors'
    """
    built = keras.optimizers.get(optimizer)
    if type(built).__name__ not in ELEMENTWISE:
        return f"{type(built).__name__} does not treat every number by itself"
    for option in ("clipnorm", "global_clipnorm", "gradient_accumulation_steps"):
        if getattr(built, option, None):
            return f"{option} acts on whole tensors"
    return ""
