"""Containers: models whose parts are models, such as a GAN, or a network and its average."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Shape, Tensor
from kerasinit.layers import is_closed
from kerasinit.models._draw import Choice
from kerasinit.models._plan import COPIED
from kerasinit.models._scene import Scene


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
    """The choices, with a part that equals an earlier one (an average, a target) equal afterwards.

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
    """Identity of a variable -> the variable of an earlier part that it equals."""
    parts = _composites(scene.model)
    shapes = [[tuple(v.shape) for v in part.weights] for part in parts]
    for late, part in enumerate(parts):
        for early in range(late):
            if shapes[early] == shapes[late] and _are_equal(parts[early], part):
                if not (scene.reaches(parts[early]) and scene.reaches(part)):
                    # else they are parts of one computation
                    yield from zip(map(id, part.weights), parts[early].weights, strict=True)
                break


def _are_equal(first: Any, second: Any) -> bool:
    pairs = list(zip(first.weights, second.weights, strict=True))
    if any(one is other for one, other in pairs):
        return False
    values = [[_backend.numpy_of(v) for v in pair] for pair in pairs]
    equal = all(np.array_equal(one, other) for one, other in values)
    return equal and any(one.min() != one.max() for one, _ in values if one.size)


def _copied(choice: Choice, source: Any) -> Choice:
    def copy_of_twin(shape: Shape, dtype: Any = None) -> Tensor:
        return ops.cast(ops.convert_to_tensor(source), dtype)

    return Choice(choice.slot, copy_of_twin, COPIED)
