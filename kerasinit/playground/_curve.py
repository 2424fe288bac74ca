"""An activation as a table of points, which a page can draw with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasinit import theory
from kerasinit.experiments._known_names import activation_names
from kerasinit.models._near_names import near

REACH = 16.0  # the table goes from -REACH to REACH; beyond, the page goes on straight
POINTS = 1025  # a step of 1/32, so that kinks at whole numbers and halves are points
FAR = 2 * REACH  # where an activation is asked whether it really goes on straight


@dataclass(frozen=True)
class Curve:
    """An activation between `-REACH` and `REACH`.

    Args:
        name: Of the activation.
        values: At `POINTS` places, evenly spaced.
    """

    name: str
    values: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """What the page computes: a straight line between the points, and beyond them."""
        place = (np.asarray(x, "float64") + REACH) / (2 * REACH) * (POINTS - 1)
        left = np.clip(np.floor(place), 0, POINTS - 2).astype(int)
        share = place - left
        return np.asarray((1 - share) * self.values[left] + share * self.values[left + 1])


def curve_of(activation: str) -> Curve:
    """The table of an activation.

    Raises:
        ValueError: If Keras has none of this name, or it mixes units or grows faster than a line.
    """
    names = activation_names()
    if activation not in names:
        raise ValueError(f"Unknown activation {activation!r}. {near(activation, names)}")
    function = theory.resolve(activation).function
    curve = Curve(activation, function(np.linspace(-REACH, REACH, POINTS)))
    far = np.array([-FAR, FAR])
    if not np.all(np.abs(function(far)) <= 2 * np.abs(curve(far)) + 1):
        raise ValueError(
            f"The activation {activation!r} grows faster than a line, which the playground cannot "
            "draw. Use one such as 'tanh', 'relu', 'sigmoid' or 'gelu'."
        )
    return curve
