"""New values for variables: checked before anything changes, then drawn and assigned one by one.

What Keras and we draw is traced first, once per distinct (initializer, shape): it has the right
shape, or nothing begins. A user's initializer may be anything that Keras takes (numpy, `float`),
so it is run only to draw, and what it drew is checked. Extra memory: the largest variable.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kerasinit import _backend, initializers
from kerasinit._safe_text import safe
from kerasinit._typing import Shape, Tensor
from kerasinit.initializers._mirrors import Mirrors
from kerasinit.models._describe import describe
from kerasinit.models._reseeded import (
    MAX_SEED,
    has_seed,
    is_library,
    reseeded,
    settings_of,
    variable_seeds,
    with_seed,
)
from kerasinit.models._slots import Slot, with_einsum_axes

PIECES = 64  # draws of a kernel that is drawn in pieces
_FOR_ANY_SHAPE = (
    keras.initializers.Constant,
    keras.initializers.Ones,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
    keras.initializers.VarianceScaling,
    keras.initializers.Zeros,
)


@dataclass(frozen=True)
class Choice:
    """What one variable is drawn from.

    Args:
        slot: The variable.
        initializer: Any initializer; None leaves the variable alone.
        reason: Why, in one line.
        scale: Factor on the drawn values, dimensionless.
        mirrors: How the kernel is put together from a smaller draw; None for a plain draw.
        in_pieces: Whether the mirrored kernel may be drawn and assigned piece by piece: all its
            entries are independent and alike.
        is_zero: Whether the author of the model lets it start at zero.
    """

    slot: Slot
    initializer: Any | None
    reason: str
    scale: float = 1.0
    mirrors: Mirrors | None = None
    in_pieces: bool = False
    is_zero: bool = False

    @property
    def changes(self) -> bool:
        """Whether the variable gets new values."""
        return self.initializer is not None


def depends_on_seed(choice: Choice) -> bool:
    """Whether another seed may give the variable of `choice` other values.

    >>> from kerasinit.models._slots import slots
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> [depends_on_seed(Choice(slot, slot.initializer, "")) for slot in slots(model)]
    [True, False]
    """
    if not is_known(choice):
        return True
    return choice.initializer is not None and has_seed(settings_of(choice.initializer))


def reads_weights(choice: Choice) -> bool:
    """Whether the draw may look at other variables, which must have their new values by then.

    An `OddPartBias` reads the kernel of its layer; what a user's initializer does is not known.
    """
    if not is_known(choice):
        return True
    inner = getattr(choice.initializer, "initializer", None)
    return any(isinstance(own, initializers.OddPartBias) for own in (choice.initializer, inner))


def draw(choice: Choice, seed: int) -> Tensor:
    """New values for the variable of `choice`, drawn as if its layer were being built."""
    shape, fill = choice.slot.shape, _filler(choice, seed)
    if not is_known(choice):  # it may draw without a seed
        with _backend.seeded(seed):
            return fill(shape)
    return choice.mirrors.kernel(fill, shape) if choice.mirrors else fill(shape)


def _filler(choice: Choice, seed: int) -> Callable[[Shape], Tensor]:
    """Gives values of a shape for the variable of `choice`."""
    slot = choice.slot
    dtype = keras.backend.standardize_dtype(slot.variable.dtype)
    drawn = "float32" if choice.in_pieces and dtype != "float64" else dtype
    initializer = reseeded(choice.initializer, seed)
    if slot.role == "kernel":
        initializer = with_einsum_axes(initializer, slot.layer, slot.variable)

    def fill(shape: Shape) -> Tensor:
        with _backend.layer_scope(slot.layer, slot.address.rpartition("/")[0]):
            values = initializer(shape, dtype=drawn)
        if choice.scale == 1.0 and drawn == dtype:
            return values
        return ops.cast(choice.scale * values, dtype)

    return fill


def assign(choice: Choice, seed: int) -> None:
    """Draws and assigns, in pieces where the choice and the variable allow it."""
    slot, mirrors = choice.slot, choice.mirrors
    if mirrors is not None and comes_in_pieces(choice):
        seeds = itertools.count(seed)
        pieces = mirrors.pieces(
            lambda shape: _filler(choice, next(seeds) % MAX_SEED)(shape), slot.shape, count=PIECES
        )
        _backend.assign_rows(slot.variable, pieces)
        return
    slot.variable.assign(checked_draw(choice, seed))


def comes_in_pieces(choice: Choice) -> bool:
    """Whether `assign` draws the pieces of a kernel, each with a seed of its own."""
    wanted = choice.mirrors is not None and choice.in_pieces
    return wanted and _backend.takes_rows(choice.slot.variable)


def checked_draw(choice: Choice, seed: int) -> Tensor:
    """`draw`, which a user's initializer may fail.

    Raises:
        ValueError: If it could not draw, or drew another shape or a value that is not finite.
    """
    if is_known(choice):
        return draw(choice, seed)
    slot, name = choice.slot, describe(choice.initializer)
    try:
        values = ops.convert_to_tensor(draw(choice, seed), slot.variable.dtype)
    except Exception as error:
        raise ValueError(
            f"{name} cannot fill {slot.path!r} of shape {slot.shape}: {_told(error)} Nothing was "
            "changed."
        ) from error
    if tuple(values.shape) != slot.shape:
        raise ValueError(
            f"{name} returned shape {tuple(values.shape)} for {slot.path!r} of shape {slot.shape}. "
            "Nothing was changed."
        )
    if not bool(_backend.numpy_of(ops.all(ops.isfinite(values)))):
        raise ValueError(
            f"{name} drew values that are not finite for {slot.path!r}. Nothing was changed."
        )
    return values


def apply(choices: list[Choice], seed: int) -> None:
    """Checks every choice, then draws and assigns them one by one.

    Raises:
        ValueError: If a choice cannot be drawn; some variables may have new values by then.
    """
    seeds = variable_seeds((choice.slot.address for choice in choices), seed)
    pairs = [(choice, own) for choice, own in zip(choices, seeds, strict=True) if choice.changes]
    check(choice for choice, _ in pairs)
    for choice, own in pairs:
        assign(choice, own)


def check(choices: Iterable[Choice]) -> None:
    """Refuses what Keras and we cannot draw, without drawing.

    Raises:
        ValueError: Naming the variable and the initializer.
    """
    for choice in choices:
        if choice.initializer is None or not is_known(choice) or _cannot_fail(choice.initializer):
            continue
        key = _check_key(choice)
        if key in _checked:
            continue
        shape = choice.slot.shape
        try:
            spec = _backend.output_spec(functools.partial(draw, choice, 0))
        except Exception as error:
            raise ValueError(
                f"{describe(choice.initializer)} cannot fill {choice.slot.path!r} of shape "
                f"{shape}: {_told(error)} Nothing was changed."
            ) from error
        if tuple(spec.shape) != shape:
            raise ValueError(
                f"{describe(choice.initializer)} returned shape {tuple(spec.shape)} for "
                f"{choice.slot.path!r} of shape {shape}. Nothing was changed."
            )
        _checked.add(key)


def _told(error: Exception) -> str:
    return safe(str(error), lines=True)


_checked: set[tuple[Any, ...]] = set()  # (initializer, layer kind, shape) seen to work


def _check_key(choice: Choice) -> tuple[Any, ...]:
    initializer: Any = choice.initializer
    config = repr(with_seed(settings_of(initializer), 0))
    return (type(initializer), config, type(choice.slot.layer), choice.slot.shape)


def _cannot_fail(initializer: Any) -> bool:
    return type(initializer) in _FOR_ANY_SHAPE


def is_known(choice: Choice) -> bool:
    """Whether the draw is Keras' or ours, which cannot return anything but finite numbers."""
    return choice.initializer is None or _is_finite(choice.initializer)


def _is_finite(initializer: Any) -> bool:
    """Whether `initializer` is a class of Keras or ours whose numbers are all finite."""
    if not is_library(initializer):
        return False
    inner = getattr(initializer, "initializer", None)
    numbers = [one for one in settings_of(initializer).values() if isinstance(one, float)]
    return all(map(math.isfinite, numbers)) and (inner is None or _is_finite(inner))
