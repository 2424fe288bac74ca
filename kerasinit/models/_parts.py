"""Containers: models whose parts are models, such as a GAN, or a network and its average."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor
from kerasinit.layers import is_closed
from kerasinit.models._draw import Choice
from kerasinit.models._plan import COPIED
from kerasinit.models._scene import Scene
from kerasinit.models._slots import Slot


def parts_of_container(scene: Scene) -> Iterator[Scene]:
    """The parts of what cannot be read, or what the model does not call, each a scene of its own.

    Args:
        scene: A built model.
    """
    yield from uncalled_parts(scene)
    for block in scene.unread_blocks:
        yield from _scenes(_composites(block), scene)


def uncalled_parts(scene: Scene) -> Iterator[Scene]:
    """What the model does not call; every part where it is not known what it calls.

    Args:
        scene: A built model.
    """
    parts = _composites(scene.model)
    if scene.graph is not None:
        parts = [part for part in parts if not scene.reaches(part)]
    return _scenes(parts, scene)


def _scenes(parts: list[Any], scene: Scene) -> Iterator[Scene]:
    for part in parts:
        inside = {id(variable) for variable in part.variables}
        own = tuple(slot for slot in scene.slots if id(slot.variable) in inside)
        yield Scene(part, own, is_part=True)


def with_twins(scene: Scene, choices: list[Choice]) -> list[Choice]:
    """The choices, with layers that equal earlier ones (averages, targets) equal afterwards.

    Args:
        scene: A built model.
        choices: One for each variable.
    """
    twins = dict(_twins(scene))
    return [
        _copied(choice, twins[id(choice.slot.variable)])
        if choice.changes and id(choice.slot.variable) in twins
        else choice
        for choice in choices
    ]


def _composites(model: Any) -> list[Any]:
    """The outermost layers of a model that hold layers themselves, and are read as a model."""
    if _backend.is_graph_model(model):
        return []
    inside = _backend.flat_layers(model)[1:]
    below = {id(layer): _backend.flat_layers(layer)[1:] for layer in inside}
    held = {id(layer) for layers in below.values() for layer in layers}
    return [
        layer
        for layer in inside
        if id(layer) not in held and below[id(layer)] and layer.variables and not is_closed(layer)
    ]


def _twins(scene: Scene) -> Iterator[tuple[int, Any]]:
    """Identity of a variable -> the variable of an earlier layer, or part, that it equals."""
    layers: dict[int, list[Slot]] = defaultdict(list)
    for slot in scene.slots:
        layers[id(slot.layer)].append(slot)
    for early, late in _equal_pairs(layers.values(), scene):
        if not _is_seeded(late):
            yield from _by_variable(early, late)
    # A part that is called on its own is a copy, too, where equal seeds made it one.
    parts = [part.slots for part in _scenes(_composites(scene.model), scene)]
    for early, late in _equal_pairs(parts, scene):
        if not (scene.reaches(early[0].layer) and scene.reaches(late[0].layer)):
            yield from _by_variable(early, late)


def _by_variable(early: Sequence[Slot], late: Sequence[Slot]) -> Iterator[tuple[int, Any]]:
    for one, other in zip(early, late, strict=True):
        yield id(other.variable), one.variable


def _equal_pairs(
    groups: Iterable[Sequence[Slot]], scene: Scene
) -> Iterator[tuple[Sequence[Slot], Sequence[Slot]]]:
    """Pairs of an earlier group of variables, and one that has the same shapes and values."""
    known = list(groups)
    shapes = [tuple(slot.shape for slot in own) for own in known]
    repeated = Counter(shapes)
    seen: dict[Any, list[Sequence[Slot]]] = defaultdict(list)
    for shape, own in zip(shapes, known, strict=True):
        if repeated[shape] == 1 or not _is_drawn(own, scene):
            continue
        alike = seen[shape, *map(_first_number, own)]
        early = next((one for one in alike if _are_equal(one, own)), None)
        if early is None:
            alike.append(own)
        else:
            yield early, own


def _first_number(slot: Slot) -> float | None:
    """The first entry of a variable; None of one that has none."""
    return next(iter(_backend.numpy_of(slot.variable).flat), None)


def _is_drawn(own: Sequence[Slot], scene: Scene) -> bool:
    """Whether some variable has unlike entries, and its author fixed none of them."""
    free = [slot for slot in own if id(slot.variable) not in scene.kept]
    values = (_backend.numpy_of(slot.variable) for slot in free)
    return any(one.size and one.min() != one.max() for one in values)


def _are_equal(first: Sequence[Slot], second: Sequence[Slot]) -> bool:
    return all(
        np.array_equal(_backend.numpy_of(one.variable), _backend.numpy_of(other.variable))
        for one, other in zip(first, second, strict=True)
    )


def _is_seeded(own: Sequence[Slot]) -> bool:
    """Whether its initializers gave a layer what it holds: by equal seeds, and not as a copy."""
    return any(map(_draws_its_values, own))


def _draws_its_values(slot: Slot) -> bool:
    values = _backend.numpy_of(slot.variable)
    if slot.initializer is None or not values.size or values.min() == values.max():
        return False
    try:
        initializer = copy.deepcopy(slot.initializer)  # a generator in it may count its draws
        with _backend.seeded(0):
            drawn = _backend.numpy_of(initializer(slot.shape, dtype=slot.variable.dtype))
    except Exception:  # noqa: BLE001 - the code of any initializer runs here
        return False
    return np.array_equal(drawn, values)


def _copied(choice: Choice, source: Any) -> Choice:
    def copy_of_twin(shape: Shape, dtype: Any = None) -> Tensor:
        return ops.cast(ops.convert_to_tensor(source), dtype)

    return Choice(choice.slot, copy_of_twin, COPIED)
