"""Variance-scaled initializers: independent weights of variance `gain**2 / fan`."""

from __future__ import annotations

import difflib
import math
from typing import ClassVar, get_args

import keras

from kerasinit._numbers import checked_number
from kerasinit._typing import Axes, Mode, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer
from kerasinit.initializers._gains import GainLike, checked_gain, gain_at
from kerasinit.initializers._site import Site
from kerasinit.initializers._truncated import truncated_normal
from kerasinit.layers import Fans

MODES: tuple[Mode, ...] = get_args(Mode)


class ScaledInitializer(LayerInitializer, keras.initializers.VarianceScaling):
    """Independent weights of variance `gain**2 / fan`, with the fans that the layer really has.

    The base of the Xavier, Lasagne, He and LeCun classes, and of your own: a subclass sets other
    defaults, `uniform`, or its own `std`. It is a `keras.initializers.VarianceScaling`, so that
    code which asks for one finds it.

    Args:
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own
            activation.
        mode: Whose number of weights divides the variance: `"fan_in"` keeps the forward signal,
            `"fan_out"` the gradient, `"fan_avg"` (arithmetic mean) and `"fan_geo"` (geometric mean)
            compromise.
        truncate: None, or where a normal distribution is cut, in standard deviations before the
            cut; the scale is corrected so that the variance stays.
        seed: None, a non-negative int, or a `keras.random.SeedGenerator`. While a layer builds, an
            int gives each variable values of its own, the same ones in each run.
        input_axes: Axes summed over, where the layer does not tell; see `LayerInitializer`.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels. The fans count the window (axes named nowhere) and
            leave the batch axes out.

    Attributes:
        uniform: Whether the weights are uniform; else normal.

    Raises:
        ValueError: If a number is out of range, the mode or activation unknown, or only one of
            `input_axes` and `output_axes` is given.
        TypeError: If an argument is of the wrong type.

    Example:
        >>> class Small(ScaledInitializer):
        ...     def std(self, fans, site=None):
        ...         return min(0.02, super().std(fans, site))
        >>> round(float(keras.ops.std(Small(seed=1)((100, 100)))), 3)
        0.02
    """

    uniform: ClassVar[bool] = False

    def __init__(
        self,
        *,
        gain: GainLike = 1.0,
        mode: Mode = "fan_avg",
        truncate: float | None = None,
        seed: SeedLike = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
        batch_axes: Axes = None,
    ) -> None:
        super().__init__(
            seed=seed, input_axes=input_axes, output_axes=output_axes, batch_axes=batch_axes
        )
        self.gain = checked_gain(gain)
        self.mode = _checked_mode(mode)
        usual = "`truncate=2.0` is usual."
        self.truncate = (
            None if truncate is None else checked_number("truncate", truncate, hint=usual)
        )
        if self.uniform and truncate is not None:
            raise ValueError(
                "`truncate` cuts a normal distribution; a uniform one has no tails. "
                f"Received: truncate={truncate}. `truncate=None` would work."
            )

    @property
    def distribution(self) -> str:
        """Name of the distribution as `keras.initializers.VarianceScaling` spells it."""
        if self.uniform:
            return "uniform"
        return "untruncated_normal" if self.truncate is None else "truncated_normal"

    @property
    def scale(self) -> float:
        """`gain**2`, as in `keras.initializers.VarianceScaling`; 1 for `gain="auto"`."""
        return gain_at(self.gain, None) ** 2

    def draw(self, shape: Shape, dtype: str, *, seed: SeedLike, site: Site | None) -> Tensor:
        """Values of `shape`; see `LayerInitializer.draw`."""
        if not shape:
            raise ValueError("`shape` must have at least one axis. Received: shape=().")
        std = self.std(self.fans(shape, site), site)
        if self.uniform:
            limit = math.sqrt(3.0) * std
            return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=seed)
        if self.truncate is None:
            return keras.random.normal(shape, 0.0, std, dtype=dtype, seed=seed)
        return truncated_normal(shape, std, cut=self.truncate, dtype=dtype, seed=seed)

    def std(self, fans: Fans, site: Site | None = None) -> float:
        """Standard deviation of one weight, dimensionless.

        Args:
            fans: Fans of the kernel.
            site: The layer variable to fill, for `gain="auto"`.
        """
        averages = {
            "fan_in": fans.fan_in,
            "fan_out": fans.fan_out,
            "fan_avg": (fans.fan_in + fans.fan_out) / 2,
            "fan_geo": math.sqrt(fans.fan_in * fans.fan_out),
        }
        return gain_at(self.gain, site) / math.sqrt(max(1.0, averages[self.mode]))


def _checked_mode(mode: Mode) -> Mode:
    if not isinstance(mode, str) or mode not in MODES:
        near = difflib.get_close_matches(str(mode), MODES, n=2)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}.{hint}")
    return mode
