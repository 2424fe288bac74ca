"""Entries that were taken of tensors, in the step or outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.signals._layout import RUN, Layout
from kerasinit.signals._matrices import Matrices
from kerasinit.signals._vectors import Vectors


class Samples(Protocol):
    """Sampled entries of several tensors: `Matrices` in the step, `Vectors` outside of it."""

    @property
    def layout(self) -> Layout: ...

    def __sub__(self, other: Any) -> Samples: ...

    def __truediv__(self, scale: Any) -> Samples: ...

    def norms(self) -> Tensor:
        """Norm of the entries of each tensor, `(..., tensors, 1)`; may overflow."""

    def sums(self) -> Tensor:
        """Sum, norm, minimum, maximum, zeros and non-finite entries, `(..., tensors, 6)`.

        Only the zeros and the last count what is not finite.
        """

    def for_histogram(self, entries: int) -> dict[str, Tensor]:
        """About `entries` of each tensor: the `histogram`, or the `samples` it takes.

        `histogram` is `(..., tensors, bins)`, `samples` `(tensors, width)`, padded with 0.
        """


def runs_of(tensors: Sequence[Tensor | None], layout: Layout) -> list[list[Any]]:
    """Where the sampled entries of each group lie, for `read_runs`."""
    return [
        _backend.strided_runs(
            [tensors[i] for i in group],
            [layout.steps[i] for i in group],
            lengths,
            run=RUN,
        )
        for group, lengths in zip(layout.groups, layout.lengths, strict=True)
    ]


def read_runs(runs: Sequence[list[Any]]) -> tuple[Any, ...]:
    """The sampled entries of each group, as they come: all that reads the tensors themselves."""
    return tuple([_backend.read_runs(own) for own in runs])


def taken(tensors: Sequence[Tensor | None], layout: Layout) -> tuple[Any, ...]:
    """The sampled entries of each group of the layout, for `arranged`."""
    return read_runs(runs_of(tensors, layout))


def arranged(entries: Sequence[Any] | np.ndarray, layout: Layout) -> Samples:
    """What was `taken`, as `Samples`.

    Args:
        entries: As they were taken; or all in one numpy array, `(..., entries)`, of one step or
            of several.
        layout: The layout they were taken with.
    """
    if isinstance(entries, np.ndarray):
        return Vectors(entries, layout)
    return Matrices.of(entries, layout)
