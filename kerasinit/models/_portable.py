"""A model whose saved file opens where kerasinit is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import keras

from kerasinit import _backend
from kerasinit._typing import Model
from kerasinit.layers import kind_of
from kerasinit.models._builtin import builtin, is_ours
from kerasinit.models._describe import describe
from kerasinit.models._slots import Slot, require_built, slots

NESTED = 8  # levels of options inside a layer that are searched
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
        ValueError: If the model is not built: fans are counted on its variables. Or if its saved
            config names kerasinit where no equal can be put; the model is unchanged then.

    >>> import keras, kerasinit
    >>> head = keras.layers.Dense(2, kernel_initializer="kerasinit>HeNormal")
    >>> model = portable(keras.Sequential([keras.Input((3,)), head]))
    >>> type(head.kernel_initializer).__name__
    'VarianceScaling'
    """
    require_built(model)
    known = slots(model)
    replaced: list[tuple[Any, Any, Any]] = []  # holder, key, what it held
    try:
        for layer in _backend.flat_layers(model):
            own = _backend.is_of_keras(layer)  # `get_config` reads `vars`
            for holder in (vars(layer), {} if own else _backend.automatic_config(layer)):
                for place, key, name, initializer in _found(holder):
                    equal = _equal(initializer, name, layer, known)
                    as_config = isinstance(place[key], (str, Mapping)) and place is not holder
                    replaced.append((place, key, place[key]))
                    place[key] = keras.initializers.serialize(equal) if as_config else equal
        _require_portable(model)
    except BaseException:
        for place, key, value in reversed(replaced):
            place[key] = value
        raise
    return model


def _found(holder: Any) -> list[tuple[Any, Any, str, Any]]:
    """(container, key, name, initializer) for each of our initializers in a nested container."""
    found: list[tuple[Any, Any, str, Any]] = []
    waiting: list[tuple[Any, str, int]] = [(holder, "", 0)]
    while waiting:
        place, above, depth = waiting.pop()
        for key, value in list(place.items() if isinstance(place, Mapping) else enumerate(place)):
            name = key if isinstance(key, str) else above
            initializer = _ours(value, name)
            if initializer is not None:
                found.append((place, key, name, initializer))
            elif isinstance(value, (dict, list)) and depth < NESTED:
                waiting.append((value, name, depth + 1))
    return found


def _ours(value: Any, name: str) -> Any | None:
    """The initializer of ours that `value` is, or names, or is the config of."""
    text = value if isinstance(value, str) else ""
    if isinstance(value, Mapping) and isinstance(value.get("registered_name"), str):
        text = value["registered_name"]
    if text.startswith("kerasinit>") or (text and name.endswith("_initializer")):
        value = keras.initializers.get(value if isinstance(value, str) else dict(value))
    return value if is_ours(value) else None


def _require_portable(model: Any) -> None:
    """Refuses a model whose saved config still names kerasinit.

    Raises:
        ValueError: Naming the place in the config.
    """
    try:
        config = keras.saving.serialize_keras_object(model)
    except Exception:  # noqa: BLE001 - the `get_config` of any layer runs here
        return  # there is no file that could need kerasinit
    place = _named_in(config, "config")
    if place:
        raise ValueError(
            f"The saved model would still need kerasinit: {place}. Replace it by hand. "
            "Nothing was changed."
        )


def _named_in(config: Any, place: str) -> str:
    """Where a saved config names kerasinit; empty where it does not."""
    if isinstance(config, Mapping):
        named = str(config.get("module", "")).partition(".")[0] == "kerasinit"
        parts = [(f"{place}[{key!r}]", value) for key, value in config.items()]
    elif isinstance(config, (list, tuple)):
        named, parts = False, [(f"{place}[{key}]", value) for key, value in enumerate(config)]
    else:
        return place if isinstance(config, str) and config.startswith("kerasinit>") else ""
    return place if named else next(filter(None, (_named_in(v, p) for p, v in parts)), "")


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
    alike = [  # kept under another name than its variable
        slot
        for slot in known
        if slot.layer is layer
        and slot.kind in ("kernel", "embedding")
        and (slot.initializer is None or describe(slot.initializer) == describe(initializer))
    ]
    found = own or below or alike
    if not found:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} keeps {type(initializer).__name__} as "
            f"{name!r}, but has no variable of that name to count fans on. Replace it by hand. "
            "Nothing was changed."
        )
    shared = not (own or alike) and len({slot.shape for slot in found}) > 1
    return builtin(initializer, found[0], shared=shared or kind_of(layer).family == "attention")
