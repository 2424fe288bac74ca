"""How a quantity changes along the depth of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kerasinit.signals._layer_signals import LayerSignals

TREND_LAYERS = 4  # fewer points make no trend
ENDS = 3  # layers looked at on each end of a deep model
TINY = 1e-300  # stands for zero in a logarithm


@dataclass(frozen=True)
class Profile:
    """One quantity along the layers of a model, in the direction in which it travels.

    Activations travel from the first layer to the last, gradients from the last to the first.

    Args:
        values: One number for each layer, finite, >= 0.

    >>> profile = Profile((8.0, 4.0, 2.0, 1.0))
    >>> round(profile.shrinks_to, 6), round(profile.per_layer, 6)
    (0.125, 0.5)
    >>> odd = Profile((1.0, 1.0, 1.0, 1e-6, 1.0, 1.0, 1.0))  # queries of attention, by design
    >>> odd.shrinks_to, odd.grows_to
    (1.0, 1.0)
    """

    values: tuple[float, ...]

    @property
    def per_layer(self) -> float:
        """Factor from one layer to the next: the median of all slopes of the logarithm.

        Source: Theil, 1950; Sen, 1968: up to 29 % of the layers may be odd.
        """
        logs = [math.log(max(value, TINY)) for value in self.values]
        slopes = sorted(
            (logs[j] - logs[i]) / (j - i) for i in range(len(logs)) for j in range(i + 1, len(logs))
        )
        return math.exp(slopes[len(slopes) // 2]) if slopes else 1.0

    @property
    def shrinks_to(self) -> float:
        """Share that arrives, by the trend or by the ends, whichever says less."""
        start, end = self._ends()
        return min(self._trend(), max(end) / max(min(start), TINY))

    @property
    def grows_to(self) -> float:
        """Multiple that arrives, by the trend or by the ends, whichever says more."""
        start, end = self._ends()
        return max(self._trend(), min(end) / max(*start, TINY))

    def _trend(self) -> float:
        if len(self.values) < TREND_LAYERS:
            return 1.0
        return self.per_layer ** (len(self.values) - 1)

    def _ends(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        # Each end is a few layers, and the verdict must hold for all of them.
        size = min(ENDS, max(1, len(self.values) // 3))
        return self.values[:size], self.values[-size:]


def gradient_profile(rows: Sequence[LayerSignals]) -> Profile:
    """Gradient from the last layer down, as far as it is meant to go."""
    rows = [row for row in rows if not row.is_gate]  # a closed gate passes little, on purpose
    heads = sorted((row for row in rows if row.is_output), key=lambda row: row.gradient_norm)
    rows = [row for row in rows if not row.is_output] + heads[-1:]  # losses may differ in weight
    wanted = [row.trainable or row.gradient_norm > 0 for row in rows]
    first = wanted.index(True) if any(wanted) else 0  # below it, frozen and cut off
    arrived = next((i for i, row in enumerate(rows) if row.gradient_norm > 0), len(rows))
    learning = {row.path for row in rows if row.gradient_norm > 0}
    # Where the gradient arrives further down, a layer without one is beside its way; so is a call
    # of a layer that another call teaches, as of targets that are kept from learning (BYOL).
    rows = [
        row
        for i, row in enumerate(rows)
        if row.gradient_norm > 0 or (first <= i < arrived and row.path not in learning)
    ]
    return Profile(tuple(row.gradient_norm for row in reversed(rows)))


def difference_profile(rows: Sequence[LayerSignals]) -> Profile | None:
    """Difference between inputs, from the first hidden layer up."""
    hidden = [row for row in rows if not (row.is_output or row.is_gate)]
    values = tuple(math.sqrt(row.preactivation_variance) for row in hidden)
    return Profile(values) if len(values) > 1 and values[0] > 0 else None


def length_variance(rows: Sequence[LayerSignals]) -> float:
    """Variance of the log of the squared length after random Gaussian ReLU layers.

    Source: Hanin & Nica, 2019, https://arxiv.org/abs/1812.05994
    """
    return 5.0 * sum(1.0 / row.units for row in rows if not row.is_output)
