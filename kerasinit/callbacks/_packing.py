"""What a training step read, in one vector: each tensor that a step returns costs it time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor

Tree = Any  # of dictionaries and lists, and of tuples of tensors


@dataclass(frozen=True, eq=False)
class Packing:
    """Where in the vector the tensors of a tree lie.

    A tuple of tensors has one place: it comes back as one vector.

    Args:
        places: The tree, with a place for each tensor.
    """

    places: dict[str, Tree]

    @classmethod
    def of(cls, tree: dict[str, Tree]) -> Packing:
        """The packing of trees with tensors like those of `tree`, of known shapes."""
        start = 0

        def place(part: Any) -> _Place:
            nonlocal start
            sizes = [math.prod(tensor.shape) for tensor in _leaves(part)]
            shape = (sum(sizes),) if isinstance(part, tuple) else tuple(part.shape)
            found = _Place(start, start + sum(sizes), shape)
            start = found.stop
            return found

        return cls(_mapped(place, tree))

    def unpacked(self, vectors: np.ndarray, *, key: str) -> Tree:
        """The arrays that the tree, a dictionary, has under `key`; None if it has no such.

        Args:
            vectors: One vector or several, `(..., length)`, which is also how the arrays' shapes
                begin.
            key: Part of the tree.
        """
        places = self.places.get(key)
        return places and _mapped(lambda place: place.part(vectors), places)


def packed(tree: Tree) -> Tensor:
    """All entries of the tensors of `tree` as one vector, float32."""
    return _backend.joined(list(_leaves(tree)))


@dataclass(frozen=True)
class _Place:
    start: int
    stop: int
    shape: Shape

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
    """As `keras.tree.map_structure`, with tuples as wholes, dictionaries in their own order."""
    if isinstance(tree, dict):
        return {key: _mapped(function, part) for key, part in tree.items()}
    if isinstance(tree, list):
        return [_mapped(function, part) for part in tree]
    return function(tree)
