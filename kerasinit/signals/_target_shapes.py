"""Shapes of targets that do not meet the shape of their output."""

from __future__ import annotations

import math

from kerasinit.signals._head_findings import CLASS_LOSSES, Finding, other_loss
from kerasinit.signals._heads import HeadSignals
from kerasinit.signals._remedy import Remedy
from kerasinit.signals._targets import TargetSignals


def wrong_shape(head: HeadSignals, targets: TargetSignals) -> Finding:
    """What to change where targets and output of a regression have two shapes."""
    if head.activation == "softmax" and targets.whole and len(targets.shape) < 2:
        evidence = f"the targets are numbers of classes, and the output has {head.units} units"
        remedy = other_loss("sparsecategoricalcrossentropy", False)
        return evidence, remedy, "compares the units with the number of the class"
    reason = "give targets and output one shape"
    is_of_one_step = len(head.shape) > 1 and targets.shape == head.shape[-1:]
    if is_of_one_step or len(head.shape) > len(stripped(targets.shape)) + 1:
        reason += ": `return_sequences=False`, pooling or Flatten before the output"
    elif targets.shape in (head.shape[:-1], (*head.shape[:-1], 1)):
        reason = f"give {head.name} 1 unit"
        if targets.whole and 0 <= targets.low < targets.high < head.units:
            reason += "; or, of numbers of classes, a loss that takes them: "
            reason += "'sparse_categorical_crossentropy', and softmax on the output"
    return both_shapes(head, targets), None, reason


def refused_shape(head: HeadSignals) -> Finding | None:
    """Shapes that a loss of classes does not take together, where it was refused."""
    targets = head.targets
    if targets is None or head.loss not in CLASS_LOSSES:
        return None
    wanted = head.shape[:-1] if head.loss.startswith("sparse") else head.shape
    if stripped(targets.shape) == stripped(wanted):
        return None
    alike = len(targets.shape) == len(head.shape) and targets.shape[:-1] == head.shape[:-1]
    if alike and wanted == head.shape and targets.shape[-1] > 1:
        columns, units = targets.shape[-1], head.units
        evidence = f"the targets have {columns} columns, and {head.name} has {units} units"
        return evidence, None, f"give {head.name} {columns} units, one for each column"
    remedy, reason = None, f"for this output, targets of shape {_with_batch(wanted)}"
    if len(wanted) > len(stripped(targets.shape)):
        reason = "`return_sequences=False`, pooling or Flatten before the output; or " + reason
    elif math.prod(targets.shape) == math.prod(wanted):
        sizes = ", ".join(map(str, (-1, *wanted)))
        remedy = Remedy("map_targets", f"y.reshape({sizes})")
    return both_shapes(head, targets), remedy, reason


def both_shapes(head: HeadSignals, targets: TargetSignals) -> str:
    """The two shapes, in a sentence."""
    shapes = _with_batch(targets.shape), _with_batch(head.shape)
    return f"targets of shape {shapes[0]} meet an output of shape {shapes[1]}"


def _with_batch(shape: tuple[int, ...]) -> str:
    """A shape with its first axis.

    >>> _with_batch((12, 1)), _with_batch(())
    ('(batch, 12, 1)', '(batch,)')
    """
    return f"(batch, {', '.join(map(str, shape))})" if shape else "(batch,)"


def stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without a last axis of 1."""
    return shape[:-1] if shape[-1:] == (1,) else shape
