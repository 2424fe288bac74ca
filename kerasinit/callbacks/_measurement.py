"""What one training step measures on the device: one row for each trainable variable."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals import (
    STATISTICS,
    Samples,
    by_row,
    sample,
    some_entries,
    stack_statistics,
)

COLUMNS: tuple[str, ...] = (*STATISTICS, "weight_norm", "sampled_update", "sampled_weight")
"""Columns of `Measurement.rows`: of the gradient, then norms of the weights.

`sampled_update` and `sampled_weight` are norms over the same evenly spaced entries of a variable's
change in this step and of its value before it: their ratio is the update-to-weight ratio.
"""

# Entries of a variable that are looked at, if it has more; all are read for the gradient's norm.
ENTRIES = 2048  # for the other statistics of its gradient
UPDATE_ENTRIES = 1024  # for its update ratio and its weight norm, which is then 2 % off
HISTOGRAM_ENTRIES = 256


@dataclass(frozen=True)
class Variables:
    """The variables behind the rows, in order; known once the step was traced.

    Args:
        paths: Path of each variable.
        connected: Whether each has a gradient.
        ranks: Number of axes of each.
    """

    paths: tuple[str, ...]
    connected: tuple[bool, ...]
    ranks: tuple[int, ...]

    def __add__(self, other: Variables) -> Variables:
        return Variables(
            self.paths + other.paths,
            self.connected + other.connected,
            self.ranks + other.ranks,
        )


def layer_of(path: str) -> str:
    """Path of the layer that owns the variable at `path`.

    >>> layer_of("encoder/dense_1/kernel")
    'encoder/dense_1'
    """
    return path.rpartition("/")[0] or path


@np.errstate(all="ignore")  # some backends compute in numpy here: infinities are expected
def measure_step(
    variables: Sequence[Any],
    gradients: Sequence[Tensor | None],
    values: Sequence[Tensor],
    scale: Tensor | None,
    *,
    clip: Callable[[list[Tensor | None]], list[Tensor | None]] | None = None,
    histogram: bool = True,
    exact: bool = False,
) -> tuple[Variables, Callable[[Sequence[Tensor]], dict[str, Tensor]]]:
    """Measures gradients and weights before an update; the returned function, the update.

    Args:
        variables: The trainable Keras variables.
        gradients: Their gradients, None where there is none, times `scale`.
        values: Their values before the update.
        scale: Loss scale, or None for 1.
        clip: The optimizer's clipping, to measure gradients after it too.
        histogram: Whether entries of the gradients are kept for a histogram.
        exact: Whether all entries of large variables are read.
    """
    before = sample(values, UPDATE_ENTRIES)
    scale = None if scale is None else _backend.small_array(ops.cast(scale, "float32"))
    entries = None if exact else ENTRIES
    dense, counts = _dense(gradients, values)
    rows, samples = stack_statistics(dense, counts, scale=scale, entries=entries)
    found: dict[str, Tensor] = {}
    if clip is not None:
        whole = [
            g if g is None or scale is None else g / ops.cast(scale, g.dtype) for g in gradients
        ]
        found["clipped"], _ = stack_statistics(*_dense(clip(whole), values), entries=entries)
    if histogram:
        if samples is None:
            samples = sample(_of_known_shape(dense, scale), ENTRIES)
        found["samples"] = some_entries(samples, HISTOGRAM_ENTRIES)
    sampled = by_row(_norms, before)
    weight_norms = _weight_norms(values, before, sampled, exact)
    about = Variables(
        tuple(variable.path for variable in variables),
        tuple(gradient is not None for gradient in gradients),
        tuple(len(value.shape) for value in values),
    )

    @np.errstate(all="ignore")
    def finish(after: Sequence[Tensor]) -> dict[str, Tensor]:
        arrays = _backend.small_array_functions()
        moved = sample(after, UPDATE_ENTRIES)
        updates = by_row(lambda new, old, held: _norms(new - old, held), moved, before)
        norms = arrays.stack((weight_norms, updates, sampled), axis=1)
        return {**found, "rows": arrays.concatenate([rows, norms], axis=1)}

    return about, finish


@np.errstate(all="ignore")
def summarise(rows: Tensor, variables: Variables) -> dict[str, Tensor]:
    """The three numbers for the logs: global gradient norm, smallest and largest layer norm.

    Infinite if a gradient holds a NaN or an infinity.
    """
    arrays = _backend.small_array_functions()
    norms = rows[:, STATISTICS.index("norm")]
    unit = arrays.max(norms)
    unit = arrays.where(unit > 0, unit, 1.0)
    squares = arrays.square(norms / unit)
    by_layer = arrays.sqrt(arrays.sum(_members(variables) * squares, axis=1))
    bad = arrays.sum(rows[:, STATISTICS.index("non_finite")]) > 0
    numbers = {
        "grad_norm": arrays.sqrt(arrays.sum(squares)),
        "grad_norm_min": arrays.min(by_layer),
        "grad_norm_max": arrays.max(by_layer),
    }
    return {name: arrays.where(bad, math.inf, unit * value) for name, value in numbers.items()}


@functools.lru_cache(maxsize=8)  # torch asks at each step
def _members(variables: Variables) -> np.ndarray:
    """Which variables with a gradient each layer has, `(layers, variables)`, of 0 and 1."""
    owners = np.array([layer_of(path) for path in variables.paths])
    layers = list(dict.fromkeys(owners))
    rows = (owners == np.array(layers)[:, None]) & np.array(variables.connected)
    rows = rows[rows.any(axis=1)] if rows.any() else rows[:1]
    return rows.astype("float32")


def _dense(
    gradients: Sequence[Tensor | None], values: Sequence[Tensor]
) -> tuple[list[Tensor | None], list[int | None]]:
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


def _weight_norms(
    values: Sequence[Tensor], samples: Samples, sampled: Tensor, exact: bool
) -> Tensor:
    arrays = _backend.small_array_functions()
    if exact:
        squares = [_backend.sum_of_squares(value) for value in values]
        return arrays.sqrt(arrays.stack(squares))
    return sampled * np.sqrt(samples.layout.share)


def _norms(matrix: Tensor, held: np.ndarray) -> Tensor:
    """Norms of the rows; padding is 0."""
    if isinstance(matrix, np.ndarray):
        return np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    return ops.sqrt(ops.sum(ops.square(matrix), axis=1))
