"""The weights of one model by one rule, for one seed after another."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Model, Rules, Tensor
from kerasinit.models._draw import (
    Choice,
    assign,
    check,
    checked_draw,
    comes_in_pieces,
    depends_on_seed,
    reads_weights,
)
from kerasinit.models._initialize import choose
from kerasinit.models._learned import remember
from kerasinit.models._reseeded import variable_seeds
from kerasinit.models._scene import scene_of


class Redraw:
    """Draws what `initialize(model, rules, seed=seed)` assigns, for many seeds.

    The rule is looked up once, and what no seed changes is drawn once. The model's own weights
    change where that is needed: where one variable is computed from another, or drawn in pieces.

    Args:
        model: A built Keras model, whose layers stay as they are.
        rules: As for `initialize`.

    Raises:
        ValueError: As `initialize` does.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> kernel, bias = Redraw(model, "he_normal")(seed=1)
    >>> kernel.shape, bias.tolist()
    ((3, 2), [0.0, 0.0])
    """

    def __init__(self, model: Model, rules: Rules = None) -> None:
        self._choices = choose(scene_of(model), rules)
        check(self._choices)
        self._in_place = any(reads_weights(choice) for choice in self._choices if choice.changes)
        self._fixed = {
            position: np.array(_backend.numpy_of(self._values(choice, 0)))
            for position, choice in enumerate(self._choices)
            if not choice.changes or not (self._in_place or depends_on_seed(choice))
        }

    def __call__(self, seed: int) -> list[np.ndarray]:
        """One array for each of `model.variables`, in their order.

        Args:
            seed: See `initialize`.
        """
        seeds = variable_seeds((choice.slot.address for choice in self._choices), seed)
        values = [  # all of them, before the first is waited for
            None if position in self._fixed else self._values(choice, own)
            for position, (choice, own) in enumerate(zip(self._choices, seeds, strict=True))
        ]
        return [
            self._fixed[position] if value is None else _backend.numpy_of(value)
            for position, value in enumerate(values)
        ]

    def _values(self, choice: Choice, seed: int) -> Tensor:
        """What the variable of `choice` gets; a variable left alone keeps what it holds."""
        variable = choice.slot.variable
        if not choice.changes:
            return ops.convert_to_tensor(variable)
        if self._in_place or comes_in_pieces(choice):
            assign(choice, seed)
            remember([choice])
            return ops.copy(variable)
        values = checked_draw(choice, seed)
        dtype = keras.backend.standardize_dtype(variable.dtype)
        is_same = keras.backend.standardize_dtype(values.dtype) == dtype
        return values if is_same else ops.cast(values, dtype)
