"""Norms that somebody wrote, told by what they do to numbers."""

from __future__ import annotations

import math
import weakref
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._typing import Tensor

FACTOR = 10.0  # of a signal, dimensionless: a norm lets it vanish
ROUNDING = 1e-3  # of what then comes out, relative: norms add up to 1e-3 to a variance
SAMPLES, SIZE = 4, 8  # in the trial; entries of an axis of unknown size
# Whether a layer is a norm: its `call` is somebody's, and is tried once.
_known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()


def sets_scale(layer: Any) -> bool:
    """Whether a layer with no more than vectors of weights makes the same of a larger signal.

    Such as an RMS norm by hand. Of what is no such layer, or not built, False.

    Args:
        layer: A layer, or an operation of a graph, of a class that Keras does not know.
    """
    if not _may_be_norm(layer):
        return False
    if layer not in _known:
        _known[layer] = _ignores_scale(layer)
    return _known[layer]


def _may_be_norm(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.Layer) or _backend.is_of_keras(type(layer)):
        return False
    if not layer.built or len(_backend.flat_layers(layer)) > 1 or _backend.seed_states(layer):
        return False
    shapes = [tuple(variable.shape) for variable in layer.variables]
    return bool(shapes) and all(math.prod(shape) == max(shape, default=1) for shape in shapes)


def _ignores_scale(layer: Any) -> bool:
    def made_of(values: Tensor) -> Tensor:
        with keras.StatelessScope():  # it may count, or keep averages
            return _backend.plain_call(_backend.detached(layer))(values)

    try:
        (shape,) = _backend.build_shapes(layer).values()
        sizes = [size or SIZE for size in shape[1:]]
        signal = np.random.default_rng(0).normal(size=(SAMPLES, *sizes)).astype("float32")
        small, large = (_backend.evaluate(made_of, one) for one in (signal, FACTOR * signal))
    except Exception:  # noqa: BLE001 - the `call` of any layer runs here
        return False
    if small.shape != signal.shape or not np.ptp(small, axis=0).any():  # what it reads is no matter
        return False
    return bool(np.allclose(small, large, rtol=0.0, atol=ROUNDING * float(np.abs(small).max())))
