"""What a training step reads of its gradients and weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._plan import Plan, Variables
from kerasinit.signals import Layout, Read, Stack, layout_of, taken

# Entries of a variable that are looked at, if it has more; all are read for the gradient's norm.
ENTRIES = 2048  # for the other statistics of its gradient
UPDATE_ENTRIES = 1024  # for its update ratio and its weight norm, which is then 2 % off


def measure_step(
    variables: Sequence[Any],
    gradients: Sequence[Tensor | None],
    values: Sequence[Tensor],
    scale: Tensor | None,
    *,
    clip: Callable[[list[Tensor | None]], list[Tensor | None]] | None = None,
    histogram: bool = True,
    exact: bool = False,
) -> tuple[Plan, Callable[[Sequence[Tensor]], Read]]:
    """Reads gradients and weights before an update; the returned function, what it left.

    Args:
        variables: The trainable Keras variables.
        gradients: Their gradients, None where there is none, times `scale`.
        values: Their values before the update.
        scale: Loss scale, or None for 1.
        clip: The optimizer's clipping, to measure gradients after it too.
        histogram: Whether entries of the gradients are kept for a histogram.
        exact: Whether all entries of large variables are read.

    Returns:
        What to make of it, and a function that takes the values after the update and returns
        what was read, for `Plan.work_out`.
    """
    scale = None if scale is None else ops.cast(scale, "float32")
    entries = None if exact else ENTRIES
    dense, counts = _dense(gradients, values)
    stack = Stack.of(dense, counts, entries=entries)
    weights = layout_of(values, UPDATE_ENTRIES)
    read: Read = {"gradients": stack.read(dense, scale), "before": taken(values, weights)}
    clipped = None
    if clip is not None:
        whole = [
            g if g is None or scale is None else g / ops.cast(scale, g.dtype) for g in gradients
        ]
        dense_clipped, counts_clipped = _dense(clip(whole), values)
        clipped = Stack.of(dense_clipped, counts_clipped, entries=entries)
        read["clipped"] = clipped.read(dense_clipped)
    kept = stack.layout if histogram else None
    if histogram and kept is None:
        known = _of_known_shape(dense, scale)
        kept = layout_of(known, ENTRIES)
        read["histogram"] = taken(known, kept)
    if exact:
        read["weights"] = _backend.sums_of_squares(values)
    about = Variables(
        tuple(variable.path for variable in variables),
        tuple(gradient is not None for gradient in gradients),
        tuple(len(value.shape) for value in values),
    )
    plan = _plan(about, stack, clipped, kept, weights, scale is not None)
    return plan, lambda after: {**read, "after": taken(after, weights)}


@functools.lru_cache(maxsize=16)
def _plan(
    variables: Variables,
    gradients: Stack,
    clipped: Stack | None,
    histogram: Layout | None,
    weights: Layout,
    scaled: bool,
) -> Plan:
    return Plan(variables, gradients, clipped, histogram, weights, scaled)


def _dense(
    gradients: Sequence[Tensor | None], values: Sequence[Tensor]
) -> tuple[list[Tensor | None], list[int | None]]:
    if not _backend.any_sparse(gradients):
        return list(gradients), [None] * len(gradients)
    tensors: list[Tensor | None] = []
    counts: list[int | None] = []
    for gradient, value in zip(gradients, values, strict=True):
        tensor, partial = gradient, False
        if gradient is not None:
            tensor, partial = _backend.gradient_values(
                gradient, value.shape[0] if len(value.shape) else 1
            )
        tensors.append(tensor)
        counts.append(math.prod(value.shape) if partial else None)
    return tensors, counts


def _of_known_shape(tensors: Sequence[Tensor | None], scale: Tensor | None) -> list[Tensor | None]:
    # The length of a sparse gradient may be unknown while tracing: it has no histogram then.
    known = [None if t is None or None in tuple(t.shape) else t for t in tensors]
    if scale is None:
        return known
    return [None if t is None else ops.cast(t, "float32") / scale for t in known]
