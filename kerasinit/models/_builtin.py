"""The initializer of Keras that equals one of ours, for one variable of one layer."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import keras
import numpy as np

from kerasinit import _backend, initializers, theory
from kerasinit._typing import Shape
from kerasinit.layers import is_one_matrix, kernel_activation, kernel_axes, kind_of, role_of
from kerasinit.models._describe import describe
from kerasinit.models._reseeded import MAX_SEED, resolve_seed, settings_of
from kerasinit.models._slots import Slot

TRUNCATED_STD = 0.8796256610342398  # std of N(0, 1) cut at +-2 (scipy.stats.truncnorm.std(-2, 2))
ROUNDING = 9  # decimal places to which gains are the same
KERAS_CUT = 2.0  # standard deviations at which Keras cuts every truncated normal
MAX_CONSTANT = 2**16  # entries of a kernel that is written out into a config
# Newer versions of Keras tell it which axes of an `EinsumDense` are summed; older ones see a shape.
TAKES_AXES = "input_axes" in inspect.signature(keras.initializers.VarianceScaling).parameters


def is_ours(initializer: Any) -> bool:
    """Whether loading `initializer` from a file needs kerasinit."""
    return isinstance(initializer, keras.initializers.Initializer) and (
        type(initializer).__module__.partition(".")[0] == "kerasinit"
    )


def builtin(initializer: Any, slot: Slot, *, shared: bool = False) -> Any:
    """A Keras initializer with the distribution that `initializer` has for the variable of `slot`.

    Independent weights become `VarianceScaling`, or the plain distribution with its standard
    deviation written out where Keras would count the fans differently. A structured kernel that
    no built-in draws (mirrored, sparse, one tap, orthogonal gate by gate) becomes a `Constant` of
    one draw; above `MAX_CONSTANT` entries, normal weights of the same variance, with a warning.

    Args:
        initializer: One of ours.
        slot: The variable it fills.
        shared: Whether the same config fills several variables of different shapes.
    """
    seed = settings_of(initializer).get("seed")
    if isinstance(initializer, keras.initializers.VarianceScaling):
        return _scaled(initializer, slot, seed, shared=shared)
    if isinstance(initializer, initializers.Siren):
        values = _draw(initializer, slot)
        fan_in = initializers.fans(slot.layer, slot.variable).fan_in
        limit = max(initializer.limit(fan_in), float(np.abs(values).max()))
        return keras.initializers.RandomUniform(-limit, limit, seed=seed)
    if isinstance(initializer, initializers.CriticalBias):
        return keras.initializers.RandomNormal(0.0, initializer.point.bias_std, seed=seed)
    if isinstance(initializer, initializers.Critical) and initializer.distribution == "normal":
        fan_in = max(1.0, initializers.fans(slot.layer, slot.variable).fan_in)
        std = initializer.point.weight_std / math.sqrt(fan_in)
        return keras.initializers.RandomNormal(0.0, std, seed=seed)
    if isinstance(initializer, initializers.Orthogonal):
        equal = _orthogonal(initializer, slot, seed)
        if equal is not None:
            return equal
    return _structured(initializer, slot, seed, shared=shared)


def _scaled(initializer: Any, slot: Slot, seed: Any, *, shared: bool) -> Any:
    gain = _gain(initializer, slot)
    config = {**settings_of(initializer), "gain": gain}
    std = type(initializer).from_config(config).std(initializers.fans(slot.layer, slot.variable))
    cut = initializer.truncate
    if initializer.mode != "fan_geo" and cut in (None, KERAS_CUT):
        fan_in, fan_out = keras_fans(slot)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        keras_std = gain / math.sqrt(max(1.0, fan[initializer.mode]))
        if shared or math.isclose(keras_std, std, rel_tol=1e-9):
            return keras.initializers.VarianceScaling(
                scale=gain**2,
                mode=initializer.mode,
                distribution=initializer.distribution,
                seed=seed,
            )
    if initializer.distribution == "uniform":
        limit = math.sqrt(3.0) * std
        return keras.initializers.RandomUniform(-limit, limit, seed=seed)
    if cut is None:
        return keras.initializers.RandomNormal(0.0, std, seed=seed)
    if cut != KERAS_CUT:
        _warn(slot, f"Keras cuts every normal at {KERAS_CUT:g} standard deviations, not at {cut:g}")
    return keras.initializers.TruncatedNormal(0.0, std / TRUNCATED_STD, seed=seed)


def _gain(initializer: Any, slot: Slot) -> float:
    gain = initializer.gain
    if gain == "auto":
        gain = kernel_activation(slot.layer, role_of(slot.layer, slot.variable))
    return float(gain) if isinstance(gain, (int, float)) else theory.gain(gain)


def keras_fans(slot: Slot) -> tuple[float, float]:
    """The fans that Keras' `VarianceScaling` takes for the variable."""
    shape = slot.shape
    if kind_of(slot.layer).family == "einsum" and TAKES_AXES:
        summed = kernel_axes(slot.layer, "kernel", shape).inputs
        fan_in = math.prod(shape[axis] for axis in summed)
        return fan_in, math.prod(shape) // fan_in
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


def keras_variance(initializer: Any, slot: Slot) -> float:
    """Of the entries that a `VarianceScaling` draws for the variable."""
    fan_in, fan_out = keras_fans(slot)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    return float(initializer.scale / max(1.0, fans[initializer.mode]))


def scaled_gain(slot: Slot) -> float | None:
    """The gain at which a variable's own scaled initializer draws; None by any other."""
    own = slot.initializer
    if not isinstance(own, keras.initializers.VarianceScaling):
        return None
    return round(math.sqrt(keras_variance(own, slot) * keras_fans(slot)[0]), ROUNDING)


def given_std(initializer: Any) -> float | None:
    """The standard deviation that a normal or uniform initializer of Keras is told; else None.

    >>> given_std(keras.initializers.RandomUniform(-0.003, 0.003))
    0.0017...
    """
    kind = type(initializer)
    if kind is keras.initializers.RandomUniform:
        return float(initializer.maxval - initializer.minval) / math.sqrt(12)
    if kind in (keras.initializers.RandomNormal, keras.initializers.TruncatedNormal):
        return float(initializer.stddev)
    return None


def _orthogonal(initializer: Any, slot: Slot, seed: Any) -> Any | None:
    """Keras' orthogonal kernel where it is the same: one matrix `(window * inputs, outputs)`."""
    if not is_one_matrix(slot.layer):
        return None
    rows, columns = math.prod(slot.shape[:-1]), slot.shape[-1]
    gain = _gain(initializer, slot)
    if initializer.scaled:
        gain *= max(1.0, math.sqrt(columns / rows))
    return keras.initializers.Orthogonal(gain=gain, seed=seed)


def _structured(initializer: Any, slot: Slot, seed: Any, *, shared: bool) -> Any:
    values = _draw(initializer, slot)
    if not values.any():
        return keras.initializers.Zeros()
    if values.size <= MAX_CONSTANT and not shared:
        return keras.initializers.Constant(values)
    std = float(np.sqrt(np.mean(np.square(values, dtype="float64"))))
    what = "several shapes" if shared else f"{values.size} entries"
    _warn(slot, f"no built-in equals it and {what} are too much for a `Constant`")
    return keras.initializers.RandomNormal(0.0, std, seed=seed)


def _draw(initializer: Any, slot: Slot) -> np.ndarray:
    config = settings_of(initializer)
    if config.get("seed") is None:
        config["seed"] = resolve_seed(None) % MAX_SEED
    shape: Shape = slot.shape
    with _backend.layer_scope(slot.layer, slot.layer_path):
        values = type(initializer).from_config(config)(shape, dtype="float32")
    return _backend.numpy_of(values)


def _warn(slot: Slot, why: str) -> None:
    warnings.warn(
        f"{slot.path!r}: the built-in initializer has the same variance, not the same "
        f"distribution, as {describe(slot.initializer)}: {why}.",
        stacklevel=2,
    )
