"""Equal seeds in one model: a place of its own for every variable that they fill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from kerasinit import _backend
from kerasinit._seeds import without_numbers
from kerasinit.initializers._counted_seed import CountedSeed
from kerasinit.initializers._site import Site


@dataclass(frozen=True)
class _Fill:
    seed: CountedSeed
    role: str
    path: str
    position: int

    def is_alike(self, other: _Fill) -> bool:
        """Whether another instance filled a variable that has the same name and seed."""
        names = (int(self.seed), self.role, self.path)
        return self.seed is not other.seed and names == (int(other.seed), other.role, other.path)


_fills: WeakKeyDictionary[Any, list[_Fill]] = WeakKeyDictionary()  # by the layer that was filled


def next_position(seed: CountedSeed, site: Site) -> int:
    """How many variables of this name, in one model, equal seeds filled before.

    The count of the instance, unless another instance with an equal seed has used that number for
    a variable of the same name (`dense` and `dense_1` are one name) in the same model.

    Args:
        seed: The seed of the instance.
        site: The variable that is filled, of a layer that is being built.
    """
    fill = _Fill(seed, site.role, without_numbers(site.path), seed.next_position())
    alike = [
        (id(layer), one.position)
        for layer, fills in list(_fills.items())
        for one in fills
        if one.is_alike(fill)
    ]
    if alike:  # seldom: the search through the model is spared
        same = {id(site.layer), *map(id, _backend.layers_of_same_model())}
        taken = {position for layer, position in alike if layer in same}
        while fill.position in taken:
            fill = replace(fill, position=fill.position + 1)
    _fills.setdefault(site.layer, []).append(fill)
    return fill.position
