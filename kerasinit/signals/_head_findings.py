"""What rules find of an output: what is seen, and the line of code that helps."""

from __future__ import annotations

from typing import TypeAlias

from kerasinit.signals._heads import HeadSignals
from kerasinit.signals._remedy import Remedy, RemedyKind

CLASS_LOSSES = {
    name.lower(): f"keras.losses.{name}({{}})"
    for name in (
        "SparseCategoricalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
        "BinaryCrossentropy", "BinaryFocalCrossentropy",
    )
}  # fmt: skip
SQUARED = "meansquarederror"
DISTANCES = SQUARED, "meanabsoluteerror", "huber", "logcosh"
REGRESSIONS = (*DISTANCES, "meanabsolutepercentageerror", "meansquaredlogarithmicerror")

Finding: TypeAlias = tuple[str, Remedy | None, str]
"""What is seen, what helps (None if no line of code can say it), and why it does."""


def other_loss(name: str, from_logits: bool, kind: RemedyKind = "loss") -> Remedy:
    """Another loss of classes, by its name in lower case."""
    return Remedy(kind, CLASS_LOSSES[name].format("from_logits=True" if from_logits else ""))


def switched(head: HeadSignals, activation: str) -> Remedy | None:
    """Another activation, where it is an attribute of the layer."""
    return Remedy("output_activation", activation, head.switch) if head.switch else None
