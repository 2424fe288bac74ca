"""What one training step measures on the device: one row for each trainable variable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals import STATISTICS, stack_statistics

COLUMNS: tuple[str, ...] = (*STATISTICS, "weight_norm", "sampled_update", "sampled_weight")
"""Columns of `Measurement.rows`: of the gradient, then norms of the weights.

`sampled_update` and `sampled_weight` are norms over the same evenly spaced entries of a variable's
change in this step and of its value before it: their ratio is the update-to-weight ratio.
"""

SAMPLE = 1024  # entries of a variable behind its histogram and update ratio (all if smaller)


@dataclass(frozen=True)
class Variables:
    """The variables behind the rows, in order; known once the step was traced.

    Args:
        paths: Path of each variable.
        sizes: Number of entries that each contributes to `samples`.
        connected: Whether each has a gradient.
        ranks: Number of axes of each.
    """

    paths: tuple[str, ...]
    sizes: tuple[int, ...]
    connected: tuple[bool, ...]
    ranks: tuple[int, ...]

    def __add__(self, other: Variables) -> Variables:
        return Variables(
            self.paths + other.paths,
            self.sizes + other.sizes,
            self.connected + other.connected,
            self.ranks + other.ranks,
        )


def layer_of(path: str) -> str:
    """Path of the layer that owns the variable at `path`.

    >>> layer_of("encoder/dense_1/kernel")
    'encoder/dense_1'
    """
    return path.rpartition("/")[0] or path


def every_so_often(shape: Sequence[int], wanted: int = SAMPLE) -> int:
    """Step between evenly spaced entries of a flattened tensor, at least `wanted` of them.

    The step shares no divisor with the last axis: the sample meets every column, not a few.

    >>> every_so_often((512, 512), 1024)
    255
    """
    step = max(math.prod(shape) // wanted, 1)
    while math.gcd(step, shape[-1] if shape else 1) > 1:
        step -= 1
    return step


def sample(tensor: Tensor) -> Tensor:
    """About `SAMPLE` evenly spaced entries of `tensor` in float32; all of a smaller one."""
    step = every_so_often(tuple(tensor.shape))
    return ops.cast(ops.reshape(tensor, (-1,))[::step], "float32")


def measure_step(
    variables: Sequence[Any],
    gradients: Sequence[Tensor | None],
    values: Sequence[Tensor],
    scale: Tensor | None,
    *,
    clip: Callable[[list[Tensor | None]], list[Tensor | None]] | None = None,
    histogram: bool = True,
) -> tuple[Variables, Callable[[Sequence[Tensor]], dict[str, Tensor]]]:
    """Measures gradients and weights before an update; the returned function, the update.

    Args:
        variables: The trainable Keras variables.
        gradients: Their gradients, None where there is none, times `scale`.
        values: Their values before the update.
        scale: Loss scale, or None for 1.
        clip: The optimizer's clipping, to measure gradients after it too.
        histogram: Whether entries of the gradients are sampled for a histogram.
    """
    values = [ops.convert_to_tensor(value) for value in values]
    before = [_backend.copied(sample(value)) for value in values]
    weights = [_backend.sum_of_squares(ops.cast(value, "float32")) for value in values]
    dense, counts = _dense(gradients, values)
    divisor = None if scale is None else ops.cast(scale, "float32")
    lengths = [_length(gradient) if histogram else 0 for gradient in dense]
    gradient_rows = stack_statistics(dense, counts, scale=divisor)
    found: dict[str, Tensor] = {}
    if clip is not None:
        clipped = clip(
            [g if g is None or scale is None else g / ops.cast(scale, g.dtype) for g in gradients]
        )
        found["clipped"] = stack_statistics(*_dense(clipped, values))
    if any(lengths):
        pairs = zip(dense, lengths, strict=True)
        samples = ops.concatenate([sample(gradient) for gradient, length in pairs if length])
        found["samples"] = samples if divisor is None else samples / divisor
    about = Variables(
        tuple(variable.path for variable in variables),
        tuple(lengths),
        tuple(gradient is not None for gradient in gradients),
        tuple(len(value.shape) for value in values),
    )

    def finish(after: Sequence[Tensor]) -> dict[str, Tensor]:
        updates, sampled = [], []
        for old, new in zip(before, after, strict=True):
            updates.append(_backend.sum_of_squares(sample(ops.convert_to_tensor(new)) - old))
            sampled.append(_backend.sum_of_squares(old))
        squares = ops.stack([ops.stack(column) for column in (weights, updates, sampled)], axis=1)
        extra = ops.sqrt(squares)
        return {**found, "rows": ops.concatenate([gradient_rows, extra], axis=1)}

    return about, finish


def summarise(rows: Tensor, variables: Variables) -> dict[str, Tensor]:
    """The three numbers for the logs: global gradient norm, smallest and largest layer norm.

    Infinite if a gradient holds a NaN or an infinity.
    """
    norms = rows[:, STATISTICS.index("norm")]
    unit = ops.max(norms)
    unit = ops.where(unit > 0, unit, 1.0)
    layers = list(dict.fromkeys(layer_of(path) for path in variables.paths))
    members = [
        [float(layer_of(path) == layer and ok) for path, ok in _pairs(variables)]
        for layer in layers
    ]
    members = [row for row in members if any(row)] or [[0.0] * len(variables.paths)]
    squares = ops.square(norms / unit)
    by_layer = ops.sqrt(ops.sum(ops.convert_to_tensor(members, "float32") * squares, axis=1))
    bad = ops.sum(rows[:, STATISTICS.index("non_finite")]) > 0
    numbers = {
        "grad_norm": ops.sqrt(ops.sum(squares)),
        "grad_norm_min": ops.min(by_layer),
        "grad_norm_max": ops.max(by_layer),
    }
    return {name: ops.where(bad, math.inf, unit * value) for name, value in numbers.items()}


def _pairs(variables: Variables) -> list[tuple[str, bool]]:
    return list(zip(variables.paths, variables.connected, strict=True))


def _dense(
    gradients: Sequence[Tensor | None], values: Sequence[Tensor]
) -> tuple[list[Tensor | None], list[int | None]]:
    tensors: list[Tensor | None] = []
    counts: list[int | None] = []
    for gradient, value in zip(gradients, values, strict=True):
        tensor, partial = gradient, False
        if gradient is not None:
            tensor, partial = _backend.gradient_values(
                gradient, value.shape[0] if value.shape else 1
            )
        tensors.append(tensor)
        counts.append(math.prod(value.shape) if partial else None)
    return tensors, counts


def _length(tensor: Tensor | None) -> int:
    # The length of a sparse gradient may be unknown while tracing: no histogram then.
    if tensor is None or None in tuple(tensor.shape):
        return 0
    shape = tuple(tensor.shape)
    return -(-math.prod(shape) // every_so_often(shape))
