"""What becomes of what a training step read: one row for each trainable variable."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals import STATISTICS, Layout, Read, Stack, arranged

COLUMNS: tuple[str, ...] = (*STATISTICS, "weight_norm", "sampled_update", "sampled_weight")
"""Columns of the rows: of the gradient, then norms of the weights.

`sampled_update` and `sampled_weight` are norms over the same evenly spaced entries of a variable's
change in this step and of its value before it: their ratio is the update-to-weight ratio.
"""

SUMMARY = ("grad_norm", "grad_norm_min", "grad_norm_max")
"""Norm of the whole gradient, and the smallest and the largest of a layer."""

HISTOGRAM_ENTRIES = 256  # of a variable, whose magnitudes are counted


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


@dataclass(frozen=True, eq=False)
class Plan:
    """How what one optimizer's step read becomes rows; known once the step was traced.

    Args:
        variables: The variables behind the rows.
        gradients: How their gradients were read.
        clipped: How their gradients after clipping were read, if they were.
        histogram: Entries of the gradients that are kept for a histogram: those that were looked
            at, if not all were. None for no histogram.
        weights: Entries of the weights that are looked at.
        scaled: Whether the gradients are divided by a loss scale.
    """

    variables: Variables
    gradients: Stack
    clipped: Stack | None
    histogram: Layout | None
    weights: Layout
    scaled: bool

    @np.errstate(all="ignore")  # in numpy infinities are expected
    def work_out(self, read: Read) -> dict[str, Tensor]:
        """`rows` and, if they were read, `clipped` and `histogram`, or `samples` for it.

        Args:
            read: What was read, as tensors or as numpy arrays, then of one step or of several.
        """
        found: dict[str, Tensor] = {}
        if self.clipped is not None:
            found["clipped"] = self.clipped.statistics(read["clipped"])
        samples = self.gradients.samples(read["gradients"])
        rows = self.gradients.statistics(read["gradients"], samples)
        if self.histogram is not None:
            kept = samples or arranged(read["histogram"], self.histogram)
            found |= kept.for_histogram(HISTOGRAM_ENTRIES)
        before, after = (arranged(read[when], self.weights) for when in ("before", "after"))
        sampled, updates = before.norms(), (after - before).norms()
        arrays = _backend.functions_of(rows)
        if "weights" in read:
            weights = arrays.sqrt(read["weights"])[..., None]
        else:
            weights = sampled * np.sqrt(self.weights.share)[:, None]
        found["rows"] = arrays.concatenate([rows, weights, updates, sampled], axis=-1)
        return found


@dataclass(frozen=True, eq=False)
class StepPlan:
    """How what a whole step read becomes rows.

    Args:
        parts: Of each optimizer that was used.
    """

    parts: tuple[Plan, ...]

    @functools.cached_property
    def variables(self) -> Variables:
        """The variables behind the rows."""
        return sum((part.variables for part in self.parts[1:]), self.parts[0].variables)

    def work_out(self, read: Sequence[Read]) -> dict[str, Tensor]:
        """What `Plan.work_out` finds, of all parts."""
        found = [part.work_out(own) for part, own in zip(self.parts, read, strict=True)]
        names = dict.fromkeys(name for part in found for name in part)
        return {name: _joined([part[name] for part in found if name in part]) for name in names}

    @np.errstate(all="ignore")
    def summary(self, rows: Tensor) -> Tensor:
        """The numbers of `SUMMARY`; infinite if a gradient holds a NaN or an infinity."""
        arrays = _backend.functions_of(rows)
        norms = rows[:, STATISTICS.index("norm")]
        unit = arrays.max(norms)
        unit = arrays.where(unit > 0, unit, 1.0)
        squares = arrays.square(norms / unit)
        by_layer = arrays.sqrt(arrays.sum(self._members * squares, axis=1))
        numbers = [arrays.sqrt(arrays.sum(squares)), arrays.min(by_layer), arrays.max(by_layer)]
        bad = arrays.sum(rows[:, STATISTICS.index("non_finite")]) > 0
        return arrays.where(bad, math.inf, unit * arrays.stack(numbers))

    def layer_squares(self, read: Sequence[Read]) -> Tensor | None:
        """Sum of squares of the gradient of each layer, `(layers,)`; None if it takes the rows.

        Called in the step, where steps are not compiled.

        Args:
            read: What was read, of each part.
        """
        if len(self._layouts) < len(self.parts):
            return None
        squares = [
            square
            for part, own in zip(self.parts, read, strict=True)
            for square in part.gradients.squares(own["gradients"])
        ]
        return _backend.sums_by_group(squares, self._layer_of_each, len(self._rows_by_layer))

    def quick_summary(self, layer_squares: np.ndarray) -> list[float] | None:
        """`summary` from `layer_squares`; None if it takes the rows.

        In plain numbers, which are faster than numpy in the middle of a training.
        """
        squares: list[float] = layer_squares.tolist()
        if not all(map(operator.lt, self._least_squares, squares)) or max(squares) == math.inf:
            return None
        return [math.sqrt(value) for value in (sum(squares), min(squares), max(squares))]

    @functools.cached_property
    def _rows_by_layer(self) -> list[list[int]]:
        """Rows with a gradient of each layer that has one; of the first layer if none has."""
        layers: dict[str, list[int]] = {}
        for row, path in enumerate(self.variables.paths):
            layers.setdefault(layer_of(path), []).append(row)
        connected = [
            [row for row in rows if self.variables.connected[row]] for rows in layers.values()
        ]
        return [rows for rows in connected if rows] or connected[:1]

    @functools.cached_property
    def _members(self) -> np.ndarray:
        """Which rows each layer has, `(layers, rows)`, of 0 and 1."""
        members = np.zeros((len(self._rows_by_layer), len(self.variables.paths)), "float32")
        for layer, rows in zip(members, self._rows_by_layer, strict=True):
            layer[rows] = 1.0
        return members

    @functools.cached_property
    def _layer_of_each(self) -> tuple[int, ...]:
        """Number of the layer of each row, in the order in which they were read.

        Rows without a gradient, which add nothing, count to the first.
        """
        order: list[int] = []
        for layout in self._layouts:
            order += [len(order) + row for row in layout.order]
        return tuple(self._members.argmax(axis=0)[order].tolist())

    @functools.cached_property
    def _least_squares(self) -> list[float]:
        """Sum of squares above which that of each layer is exact in float32."""
        least = np.concatenate([layout.least_squares for layout in self._layouts])
        return (self._members @ least).tolist()

    @functools.cached_property
    def _layouts(self) -> list[Layout]:
        """Which entries were read of the gradients of each part, but for those read in full."""
        return [part.gradients.layout for part in self.parts if part.gradients.layout]


@functools.lru_cache(maxsize=16)  # torch asks at each step
def step_plan(*parts: Plan) -> StepPlan:
    """The plan of a step from those of its parts; the same object for the same parts."""
    return StepPlan(parts)


def _joined(parts: list[Tensor]) -> Tensor:
    """Rows of several optimizers below each other, as wide as the widest."""
    if len(parts) == 1:
        return parts[0]
    arrays = _backend.functions_of(parts[0])
    width = max(part.shape[-1] for part in parts)
    filled = []
    for part in parts:
        if part.shape[-1] < width:
            nothing = np.full((*part.shape[:-1], width - part.shape[-1]), math.nan, "float32")
            part = arrays.concatenate([part, nothing], axis=-1)
        filled.append(part)
    return arrays.concatenate(filled, axis=-2)
