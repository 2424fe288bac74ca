"""Variance-scaled initializers: independent weights of variance `gain**2 / fan`."""

from __future__ import annotations

import difflib
import math
from typing import Any, ClassVar, Unpack

import keras
import numpy as np

from kerasinit._typing import Config, SeedLike, Shape, Tensor
from kerasinit.initializers._gains import gain_at
from kerasinit.initializers._given_axes import axes_at
from kerasinit.initializers._kernel import GainInitializer, KernelOptions
from kerasinit.initializers._site import Site
from kerasinit.initializers._truncated import truncated_normal
from kerasinit.layers import Fans

MODES = ("fan_avg", "fan_geo", "fan_in", "fan_out")


class ScaledOptions(KernelOptions, total=False):
    """Keyword arguments that every variance-scaled class takes; see `ScaledInitializer`."""

    truncate: float | None


class ScaledInitializer(GainInitializer, keras.initializers.VarianceScaling):
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
        **options: `seed`, `input_axes`, `output_axes`, `batch_axes` of `KernelInitializer`. The
            fans count the window (axes named nowhere) and leave the batch axes out.

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
        **options: Unpack[KernelOptions],
    ) -> None:
        super().__init__(gain, **options)
        self.mode = _checked_mode(mode)
        self.truncate = _checked_truncate(truncate)
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

    def _draw(self, shape: Shape, dtype: str, seed: SeedLike, site: Site | None) -> Tensor:
        if not shape:
            raise ValueError("`shape` must have at least one axis. Received: shape=().")
        std = self.std(axes_at(self, shape, site).fans(shape), site)
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
        return {**super().get_config(), "mode": self.mode, "truncate": self.truncate}


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
