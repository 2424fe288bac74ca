"""Variance-scaled initializers: independent weights of variance `gain**2 / fan`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any, ClassVar, TypedDict

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Config, SeedLike, Shape, Tensor
from kerasinit.initializers._base import LayerInitializer
from kerasinit.initializers._fans import Fans, fans_of_layout
from kerasinit.initializers._gains import checked_gain, gain_at, serialized_gain
from kerasinit.initializers._layout import layout_at
from kerasinit.initializers._site import Site
from kerasinit.initializers._truncated import truncated_normal

MODES = ("fan_avg", "fan_geo", "fan_in", "fan_out")


class ScaledOptions(TypedDict, total=False):
    """Keyword arguments that every variance-scaled class takes; see `ScaledInitializer`."""

    truncate: float | None
    seed: SeedLike
    input_axes: Sequence[int] | None
    output_axes: Sequence[int] | None
    batch_axes: Sequence[int] | None


class ScaledInitializer(LayerInitializer, keras.initializers.VarianceScaling):
    """Base of the variance-scaled classes, which differ in their defaults and their distribution.

    It is a `keras.initializers.VarianceScaling` so that `EinsumDense` hands over its axes.

    Args:
        gain: Factor on the standard deviation, dimensionless: a number > 0, an activation (name,
            function or layer: `kerasinit.gain` of it), or `"auto"`: that of the layer's own
            activation.
        mode: Whose number of weights divides the variance: `"fan_in"` keeps the forward signal,
            `"fan_out"` the gradient, `"fan_avg"` (arithmetic mean) and `"fan_geo"` (geometric mean)
            compromise.
        truncate: None, or where a normal distribution is cut, in standard deviations before the
            cut; the scale is corrected so that the variance stays.
        seed: See `LayerInitializer`.
        input_axes: Axes of the kernel that are summed over; None to read them from the layer, or
            from the shape outside one. Given together with `output_axes`. Axes named nowhere are a
            window and count into both fans.
        output_axes: Axes of the output units.
        batch_axes: Axes of independent kernels, such as experts.

    Raises:
        ValueError: If a number is out of range, the mode or activation unknown, or only one of
            `input_axes` and `output_axes` is given.
        TypeError: If an argument is of the wrong type.
    """

    uniform: ClassVar[bool]

    def __init__(
        self,
        gain: Any,
        mode: str,
        *,
        truncate: float | None = None,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
        batch_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed=seed)
        self.gain = checked_gain(gain)
        self.mode = _checked_mode(mode)
        self.truncate = _checked_truncate(truncate)
        if self.uniform and truncate is not None:
            raise ValueError(
                "`truncate` cuts a normal distribution; a uniform one has no tails. "
                f"Received: truncate={truncate}. `truncate=None` would work."
            )
        self.input_axes = _checked_axes("input_axes", input_axes)
        self.output_axes = _checked_axes("output_axes", output_axes)
        self.batch_axes = _checked_axes("batch_axes", batch_axes)
        if (self.input_axes is None) != (self.output_axes is None):
            raise ValueError(
                "`input_axes` and `output_axes` must be given together. "
                f"Received: input_axes={input_axes}, output_axes={output_axes}."
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

    def _draw(self, shape: Shape, dtype: str, seed: SeedLike, site: Site | None) -> Tensor:
        if not shape:
            raise ValueError("`shape` must have at least one axis. Received: shape=().")
        layout = layout_at(self, shape, site)
        std = self.std(fans_of_layout(shape, layout), site)
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

    def get_config(self) -> Config:
        """The constructor's arguments."""
        building = _backend.building_layer() is not None  # a copy is made: no need for plain data
        return {
            **LayerInitializer.get_config(self),
            "gain": self.gain if building else serialized_gain(self.gain),
            "mode": self.mode,
            "truncate": self.truncate,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
            "batch_axes": self.batch_axes,
        }


def _checked_mode(mode: str) -> str:
    if mode not in MODES:
        near = difflib.get_close_matches(str(mode), MODES, n=2)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}.{hint}")
    return mode


def _checked_truncate(truncate: float | None) -> float | None:
    if truncate is None:
        return None
    number = int | float | np.integer | np.floating
    if isinstance(truncate, bool | np.bool_) or not isinstance(truncate, number):
        raise TypeError(
            "`truncate` must be None or a number of standard deviations > 0. "
            f"Received: truncate={truncate!r} of type {type(truncate).__name__}."
        )
    if not 0 < truncate < math.inf:
        raise ValueError(
            "`truncate` must be a number of standard deviations > 0. "
            f"Received: truncate={truncate!r}. `truncate=2.0` is usual."
        )
    return float(truncate)


def _checked_axes(name: str, axes: Sequence[int] | None) -> list[int] | None:
    if axes is None:
        return None
    whole = [axes] if isinstance(axes, int | np.integer) else list(axes)
    if any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in whole):
        raise TypeError(f"`{name}` must be a sequence of integers. Received: {name}={axes!r}.")
    if len({*whole}) < len(whole):
        raise ValueError(f"`{name}` must not name an axis twice. Received: {name}={axes!r}.")
    return [int(axis) for axis in whole]
