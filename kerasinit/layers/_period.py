"""The frequency of a periodic activation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.layers._nonlinearity import is_linear

REACH = 8.0  # the function is seen on [-REACH, REACH]
POINTS = 8192  # so that a frequency of 1,600 would still be seen
LARGEST = 500.0  # radians per unit
MISFIT = 0.05  # share of the variance that one sine may leave over
_REFINED = np.linspace(-1.0, 1.0, 401)  # frequencies that are tried, in steps of the spectrum


def angular_frequency(activation: Any) -> float | None:
    """The omega of an activation that is a sine, `a sin(omega x + b) + c`; None for any other.

    Found from the values of the function: the peak of its spectrum, then the best fit near it.

    Args:
        activation: What a layer takes as `activation`, or an activation layer or operation.

    >>> round(angular_frequency(lambda x: keras.ops.sin(30.0 * x)), 2)
    30.0
    >>> angular_frequency(keras.activations.tanh) is None
    True
    """
    if is_linear(activation):
        return None
    x = np.linspace(-REACH, REACH, POINTS, endpoint=False)
    try:
        values = activation(keras.ops.convert_to_tensor(x.astype("float32")))
        y = np.asarray(_backend.numpy_of(values), "float64")
    except Exception:  # noqa: BLE001 - any function of a user's runs here
        return None
    if y.shape != x.shape or not np.isfinite(y).all() or y.std() < 1e-6:
        return None
    step = np.pi / REACH
    spectrum = np.abs(np.fft.rfft((y - y.mean()) * np.hanning(POINTS)))
    peak = int(spectrum.argmax())
    if peak < 2:  # less than two periods in sight: no wave
        return None
    tried = step * (peak + _REFINED)
    left, omega = min((_left_over(x, y, frequency), frequency) for frequency in tried)
    return float(omega) if left < MISFIT and omega < LARGEST else None


def _left_over(x: np.ndarray, y: np.ndarray, omega: float) -> float:
    """Share of the variance of `y` that a sine of this frequency leaves over."""
    waves = np.stack([np.sin(omega * x), np.cos(omega * x), np.ones_like(x)], axis=1)
    rest = y - waves @ np.linalg.lstsq(waves, y, rcond=None)[0]
    return float(rest.var() / y.var())
