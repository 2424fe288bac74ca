"""New values for variables: checked before anything changes, then drawn and assigned one by one.

Holding the old weights for a way back would double the memory, so everything that can be known
beforehand is checked first: the configs, and once per distinct (initializer, shape) that the draw
has the right shape. What cannot be known (a plain function, weights scaled by data) runs under a
journal on disk, from which the old values come back. Extra memory: the largest variable.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend, initializers
from kerasinit._typing import Shape, Tensor
from kerasinit.initializers._mirrors import Mirrors
from kerasinit.models._describe import describe
from kerasinit.models._reseeded import MAX_SEED, has_seed, reseeded, variable_seeds, with_seed
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
    """

    slot: Slot
    initializer: Any | None
    reason: str
    scale: float = 1.0
    mirrors: Mirrors | None = None
    in_pieces: bool = False

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
    return choice.initializer is not None and has_seed(choice.initializer.get_config())


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
        with _backend.layer_scope(slot.layer, slot.layer_path):
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
    slot.variable.assign(finite_draw(choice, seed))


def comes_in_pieces(choice: Choice) -> bool:
    """Whether `assign` draws the pieces of a kernel, each with a seed of its own."""
    wanted = choice.mirrors is not None and choice.in_pieces
    return wanted and _backend.takes_rows(choice.slot.variable)


def finite_draw(choice: Choice, seed: int) -> Tensor:
    """`draw`, which a user's initializer may fail.

    Raises:
        ValueError: If it drew a value that is not finite.
    """
    values = draw(choice, seed)
    if not is_known(choice):
        _require_finite(choice, values)
    return values


def apply(choices: list[Choice], seed: int) -> None:
    """Checks every choice, then draws and assigns them one by one.

    Raises:
        ValueError: If a choice cannot be drawn; the model is as it was before.
    """
    seeds = variable_seeds((choice.slot.path for choice in choices), seed)
    pairs = [(choice, own) for choice, own in zip(choices, seeds, strict=True) if choice.changes]
    check(choice for choice, _ in pairs)
    unknown = [choice.slot.variable for choice, _ in pairs if not is_known(choice)]
    every = [choice.slot.variable for choice, _ in pairs]
    with journal(every) if unknown else contextlib.nullcontext():
        for choice, own in pairs:
            assign(choice, own)


def check(choices: Iterable[Choice]) -> None:
    """Refuses what cannot be drawn, without drawing.

    Raises:
        ValueError: Naming the variable and the initializer.
    """
    for choice in choices:
        if choice.initializer is None or _cannot_fail(choice.initializer):
            continue
        key = _check_key(choice)
        if key is not None and key in _checked:
            continue
        shape = choice.slot.shape
        try:
            spec = _backend.output_spec(functools.partial(draw, choice, 0))
        except Exception as error:
            raise ValueError(
                f"{describe(choice.initializer)} cannot fill {choice.slot.path!r} of shape "
                f"{shape}: {error} Nothing was changed."
            ) from error
        if tuple(spec.shape) != shape:
            raise ValueError(
                f"{describe(choice.initializer)} returned shape {tuple(spec.shape)} for "
                f"{choice.slot.path!r} of shape {shape}. Nothing was changed."
            )
        if key is not None:
            _checked.add(key)


_checked: set[tuple[Any, ...]] = set()  # (initializer, layer kind, shape) seen to work


def _check_key(choice: Choice) -> tuple[Any, ...] | None:
    if choice.initializer is None or not is_known(choice):
        return None
    config = repr(with_seed(choice.initializer.get_config(), 0))
    return (type(choice.initializer), config, type(choice.slot.layer), choice.slot.shape)


def _cannot_fail(initializer: Any) -> bool:
    return isinstance(initializer, _FOR_ANY_SHAPE) and _is_ours(initializer, ("keras",))


def is_known(choice: Choice) -> bool:
    """Whether the draw is Keras' or ours, which cannot return anything but finite numbers."""
    return choice.initializer is None or _is_ours(choice.initializer, ("keras", "kerasinit"))


def _is_ours(initializer: Any, packages: tuple[str, ...]) -> bool:
    """Whether `initializer` is a class of `packages` whose numbers are all finite."""
    if not isinstance(initializer, keras.initializers.Initializer):
        return False
    if type(initializer).__module__.partition(".")[0] not in packages:
        return False
    inner = getattr(initializer, "initializer", None)
    numbers = [value for value in initializer.get_config().values() if isinstance(value, float)]
    return all(map(math.isfinite, numbers)) and (inner is None or _is_ours(inner, packages))


def _require_finite(choice: Choice, values: Tensor) -> None:
    if not bool(ops.convert_to_numpy(ops.all(ops.isfinite(values)))):
        raise ValueError(
            f"{describe(choice.initializer)} drew values that are not finite for "
            f"{choice.slot.path!r}. Every variable has its old values again."
        )


@contextlib.contextmanager
def journal(variables: Iterable[Any]) -> Iterator[None]:
    """Gives every variable its old values back if the body raises.

    The old values lie in a temporary file, not in memory.
    """
    variables = list(variables)
    with tempfile.TemporaryFile() as file:
        for variable in variables:
            values = ops.convert_to_numpy(ops.cast(variable, _exact(variable)))
            np.save(file, values, allow_pickle=False)
        try:
            yield
        except BaseException:
            file.seek(0)
            for variable in variables:
                variable.assign(np.load(file, allow_pickle=False))
            raise


def _exact(variable: Any) -> str:
    """A dtype numpy can store that holds every value of `variable`."""
    dtype = str(keras.backend.standardize_dtype(variable.dtype))
    return "float32" if dtype == "bfloat16" else dtype
