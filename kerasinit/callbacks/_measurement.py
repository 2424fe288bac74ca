"""What a training step reads of its gradients and weights."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._plan import Plan, Variables
from kerasinit.signals import Layout, Read, Stack, layout_of, read_runs, runs_of, taken

# Entries of a variable that are looked at, if it has three times as many; all are read for the
# gradient's norm.
ENTRIES = 2048  # for the other statistics of its gradient
UPDATE_ENTRIES = 1024  # for its update ratio and its weight norm, which is then 2 % off


class StepReader:
    """Reads the gradients and weights of one optimizer in training steps.

    Args:
        clip: The optimizer's clipping, to measure gradients after it too.
        histogram: Whether entries of the gradients are kept for a histogram.
        exact: Whether all entries of large variables are read.
    """

    def __init__(
        self,
        *,
        clip: Callable[[list[Tensor | None]], list[Tensor | None]] | None = None,
        histogram: bool = True,
        exact: bool = False,
    ) -> None:
        self._clip = clip
        self._histogram = histogram
        self._exact = exact
        self._entries = None if exact else ENTRIES
        self._subject: _Subject | None = None  # torch, which asks at each step, may need it again

    def read(
        self,
        variables: Sequence[Any],
        gradients: Sequence[Tensor | None],
        values: Sequence[Tensor],
        scale: Tensor | None,
    ) -> tuple[Plan, Callable[[Sequence[Tensor]], Read]]:
        """Reads gradients and weights before an update; the returned function, what it left.

        Args:
            variables: The trainable Keras variables.
            gradients: Their gradients, None where there is none, times `scale`.
            values: Their values before the update.
            scale: Loss scale, or None for 1.

        Returns:
            What to make of it, and a function that takes the values after the update and returns
            what was read, for `Plan.work_out`.
        """
        scale = None if scale is None else ops.cast(scale, "float32")
        dense, counts = _dense(gradients, values)
        subject = self._subject
        if subject is None or not subject.is_of(variables, dense, counts, values):
            subject = _Subject.of(variables, dense, counts, values, self._entries)
            self._subject = subject
        stack = subject.stack
        read: Read = {"gradients": stack.read(dense, scale), "before": subject.weights_of(values)}
        clipped = None
        if self._clip is not None:
            whole = [
                g if g is None or scale is None else g / ops.cast(scale, g.dtype) for g in gradients
            ]
            dense_clipped, counts_clipped = _dense(self._clip(whole), values)
            clipped = Stack.of(dense_clipped, counts_clipped, entries=self._entries)
            read["clipped"] = clipped.read(dense_clipped)
        kept = stack.layout if self._histogram else None
        if self._histogram and kept is None:
            known = _of_known_shape(dense, scale)
            kept = layout_of(known, ENTRIES)
            read["histogram"] = taken(known, kept)
        if self._exact:
            read["weights"] = _backend.sums_of_squares(values)
        plan = _plan(subject.about, stack, clipped, kept, subject.weights, scale is not None)
        return plan, lambda after: {**read, "after": subject.weights_of(after)}


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is read: all that follows from the variables and the shapes of their gradients.

    Args:
        variables: The trainable Keras variables.
        shapes: Of their gradients; None where there is none.
        counts: Of entries, as for `Stack`.
        about: What is to be known of the variables later.
        stack: How the gradients are read.
        weights: Which entries of the weights are.
        addresses: Where the weights lie, if a step writes into them.
        runs: Their entries there.
    """

    variables: Sequence[Any]
    shapes: Sequence[Any]
    counts: Sequence[int | None]
    about: Variables
    stack: Stack
    weights: Layout
    addresses: tuple[int, ...] | None
    runs: Sequence[list[Any]] | None

    @classmethod
    def of(
        cls,
        variables: Sequence[Any],
        gradients: Sequence[Tensor | None],
        counts: Sequence[int | None],
        values: Sequence[Tensor],
        entries: int | None,
    ) -> _Subject:
        weights = layout_of(values, UPDATE_ENTRIES)
        addresses = _backend.addresses(values)
        return cls(
            variables=list(variables),
            shapes=_shapes(gradients),
            counts=counts,
            about=Variables(
                tuple(variable.path for variable in variables),
                tuple(gradient is not None for gradient in gradients),
                tuple(len(value.shape) for value in values),
            ),
            stack=Stack.of(gradients, counts, entries=entries),
            weights=weights,
            addresses=addresses,
            runs=None if addresses is None else runs_of(values, weights),
        )

    def is_of(
        self,
        variables: Sequence[Any],
        gradients: Sequence[Tensor | None],
        counts: Sequence[int | None],
        values: Sequence[Tensor],
    ) -> bool:
        """Whether it holds for these, as for those it was made of."""
        return (
            self.addresses is not None
            and len(variables) == len(self.variables)
            and all(map(operator.is_, variables, self.variables))
            and _shapes(gradients) == self.shapes
            and counts == self.counts
            and _backend.addresses(values) == self.addresses
        )

    def weights_of(self, values: Sequence[Tensor]) -> tuple[Any, ...]:
        """The sampled entries of the weights, as they are now."""
        return read_runs(self.runs or runs_of(values, self.weights))


def _shapes(tensors: Sequence[Tensor | None]) -> list[Any]:
    return [None if tensor is None else tensor.shape for tensor in tensors]


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
