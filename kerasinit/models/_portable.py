"""A model whose saved file opens where kerasinit is not installed."""

from __future__ import annotations

from typing import Any, TypeVar

import keras

from kerasinit import _backend
from kerasinit._typing import Model
from kerasinit.layers import kind_of
from kerasinit.models._builtin import builtin, is_ours
from kerasinit.models._slots import Slot, require_built, slots

Built = TypeVar("Built", bound=Model)


def portable(model: Built) -> Built:
    """Replaces, in place, each of our initializers in a model's configs by an equal built-in one.

    Weights, compile state and optimizer stay as they are. The file of `model.save` then opens in
    a process without kerasinit, and a model rebuilt from the config draws from the same
    distributions. Kernels with a structure that no built-in draws are written out as a
    `Constant`, or, above 65,536 entries, become normal weights of the same variance with a
    warning.

    Args:
        model: A built Keras model.

    Returns:
        The same model.

    Raises:
        ValueError: If the model is not built: fans are counted on its variables.

    >>> import keras, kerasinit
    >>> head = keras.layers.Dense(2, kernel_initializer="kerasinit>HeNormal")
    >>> model = portable(keras.Sequential([keras.Input((3,)), head]))
    >>> type(head.kernel_initializer).__name__
    'VarianceScaling'
    """
    require_built(model)
    known = slots(model)
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    for layer in _backend.flat_layers(model):
        own = type(layer).__module__.partition(".")[0] == "keras"  # its `get_config` reads `vars`
        for holder in (vars(layer), {} if own else _backend.automatic_config(layer)):
            for name, value in list(holder.items()):
                initializer = _named(value) if name.endswith("_initializer") else value
                if is_ours(initializer):
                    replaced.append((holder, name, _equal(initializer, name, layer, known)))
    for holder, name, initializer in replaced:
        holder[name] = initializer
    return model


def _named(value: Any) -> Any:
    """The initializer that a string in a recorded config stands for."""
    return keras.initializers.get(value) if isinstance(value, str) else value


def _equal(initializer: Any, name: str, layer: Any, known: tuple[Slot, ...]) -> Any:
    role = name.strip("_").removesuffix("initializer").strip("_")
    roles = (role, f"{role}_kernel", f"{role}_weights")
    inside = {id(one) for one in _backend.flat_layers(layer)}
    own = [
        slot
        for slot in known
        if slot.layer is layer and (slot.role in roles or slot.initializer is initializer)
    ]
    below = [slot for slot in known if id(slot.layer) in inside and slot.role in roles]
    found = own or below
    if not found:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} keeps {type(initializer).__name__} as "
            f"{name!r}, but has no variable of that name to count fans on. Replace it by hand. "
            "Nothing was changed."
        )
    shared = not own and len({slot.shape for slot in found}) > 1
    return builtin(initializer, found[0], shared=shared or kind_of(layer).family == "attention")
