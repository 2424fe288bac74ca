"""Equal seeds in one model: a place of its own for every variable that they fill."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from kerasinit import _backend
from kerasinit._seeds import without_numbers
from kerasinit.initializers._counted_seed import CountedSeed
from kerasinit.initializers._site import Site


class _Fill(NamedTuple):
    seed: CountedSeed
    name: tuple[int, str, str]  # number of the seed, role and path of the variable
    position: int


_fills: WeakKeyDictionary[Any, list[_Fill]] = WeakKeyDictionary()  # by the layer that was filled


def next_position(seed: CountedSeed, site: Site) -> int:
    """How many variables of this name, in one model, equal seeds filled before.

    The count of the instance, unless another instance with an equal seed has used that number for
    a variable of the same name (`dense` and `dense_1` are one name) in the same model.

    Args:
        seed: The seed of the instance.
        site: The variable that is filled, of a layer that is being built.
    """
    name = (int(seed), site.role, without_numbers(site.path))
    position = seed.next_position()
    alike = [
        (id(layer), fill.position)
        for layer, fills in list(_fills.items())
        for fill in fills
        if fill.name == name and fill.seed is not seed
    ]
    if alike:  # seldom: the search through the model is spared
        same = {id(site.layer), *map(id, _backend.layers_of_same_model())}
        taken = {number for layer, number in alike if layer in same}
        while position in taken:
            position += 1
    _fills.setdefault(site.layer, []).append(_Fill(seed, name, position))
    return position
