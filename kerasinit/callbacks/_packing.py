"""What a training step read, in one vector: each tensor that a step returns costs it time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

Tree = Any  # of dictionaries and sequences


@dataclass(frozen=True, eq=False)
class Packing:
    """Where in the vector the tensors of a tree lie.

    Args:
        places: The tree, with a place for each tensor.
    """

    places: Tree

    @classmethod
    def of(cls, tree: Tree) -> Packing:
        """The packing of trees with tensors like those of `tree`, of known shapes."""
        starts = itertools.accumulate(
            (math.prod(tensor.shape) for tensor in _leaves(tree)), initial=0
        )
        return cls(_mapped(lambda tensor: _Place.of(next(starts), tensor.shape), tree))

    def unpacked(self, vectors: np.ndarray, *, key: str | None = None) -> Tree:
        """The tree of arrays.

        Args:
            vectors: One vector or several, `(..., length)`, which is also how the arrays' shapes
                begin.
            key: Only what each of a sequence of dictionaries has under this key.
        """
        places = self.places if key is None else [part[key] for part in self.places]
        return _mapped(lambda place: place.part(vectors), places)


def packed(tree: Tree) -> Tensor:
    """All entries of the tensors of `tree` as one vector, float32."""
    return _backend.joined(list(_leaves(tree)))


@dataclass(frozen=True)
class _Place:
    start: int
    stop: int
    shape: Shape

    @classmethod
    def of(cls, start: int, shape: Sequence[int]) -> _Place:
        return cls(start, start + math.prod(shape), tuple(shape))

    def part(self, vectors: np.ndarray) -> np.ndarray:
        found = vectors[..., self.start : self.stop]
        if len(self.shape) == 1:
            return found
        return found.reshape((*vectors.shape[:-1], *self.shape))


def _leaves(tree: Tree) -> Iterator[Any]:
    """As `keras.tree.flatten`, which on torch costs as much as all the rest."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        for part in tree:
            yield from _leaves(part)
    else:
        yield tree


def _mapped(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """As `keras.tree.map_structure`, with dictionaries in the order of `_leaves`."""
    if isinstance(tree, dict):
        return {key: _mapped(function, part) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_mapped(function, part) for part in tree]
    return function(tree)
