"""Norms that somebody wrote, told by what they do to numbers."""

from __future__ import annotations

import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor

SPREAD = 4.0  # standard deviation of the signal: a norm adds up to 1e-3 to its variance
FACTOR = 10.0  # of the signal, dimensionless: a norm lets it vanish
ROUNDING = 1e-3  # of the root mean square: what differs by no more is the same
NUDGE = 0.01  # of each entry, relative: a norm passes it on, a sign or a rank does not
MOVED = 0.25  # share of the entries that then change, at least: half of those behind a ReLU do
SAMPLES, SIZE = 4, 8  # in the trial; entries of an axis of unknown size
# Identity of a living layer -> whether it is a norm: its `call` is somebody's, and is tried once.
# Not the layer itself: its class may say what is equal, and then has no hash.
_known: dict[int, bool] = {}


def sets_scale(layer: Any) -> bool:
    """Whether a layer makes the same of `x` and of `10 * x`, as an RMS norm that somebody wrote.

    False of a layer with more than vectors of weights, of one that is not built, and of one that
    makes steps of its signal: `sign(x)` has one scale as well, but no norm would keep so little.

    Args:
        layer: A layer, or an operation of a graph, of a class that Keras does not know.
    """
    if not _may_be_norm(layer):
        return False
    if id(layer) not in _known:
        _known[id(layer)] = any(_ignores_scale(layer, mode) for mode in _modes(layer))
        weakref.finalize(layer, _known.pop, id(layer), None)
    return _known[id(layer)]


def _may_be_norm(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.Layer) or _backend.is_of_keras(type(layer)):
        return False
    if not layer.built or len(_backend.flat_layers(layer)) > 1 or _backend.seed_states(layer):
        return False
    shapes = [tuple(variable.shape) for variable in layer.variables]
    return all(math.prod(shape) == max(shape, default=1) for shape in shapes)


def _modes(layer: Any) -> list[dict[str, bool]]:
    """Arguments of the calls to try: a batch norm sets the scale while it is trained."""
    training = _backend.training_argument(layer, True)
    return [{}, training] if training else [{}]


def _ignores_scale(layer: Any, mode: dict[str, bool]) -> bool:
    # The answer is that of the class: weights that start at 0, or were trained, are no matter. What
    # is no weight and no vector may say whether the layer has seen data.
    weights = [one for one in layer.variables if one.trainable or one.shape]

    def made_of(values: Tensor) -> Tensor:
        ones = [(one, ops.ones(one.shape, one.dtype)) for one in weights]
        with keras.StatelessScope(state_mapping=ones):  # it may count, or keep averages
            return _backend.plain_call(_backend.detached(layer))(values, **mode)

    rng = np.random.default_rng(0)
    try:
        (shape,) = _backend.build_shapes(layer).values()
        sizes = (SAMPLES, *(size or SIZE for size in shape[1:]))
        signal, noise = (rng.standard_normal(sizes, dtype="float32") for _ in range(2))
        signal *= SPREAD
        with _backend.same_random_state(), np.errstate(all="ignore"):
            made, of_larger, of_nudged = (
                _backend.evaluate(made_of, one)
                for one in (signal, FACTOR * signal, signal * (1 + NUDGE * noise))
            )
            least = ROUNDING * _rms(made)
            moved = float(np.mean(np.abs(made - of_nudged) > least))
            return made.shape == sizes and _rms(made - of_larger) <= least and moved > MOVED
    except Exception:  # noqa: BLE001 - the `call` of any layer runs here
        return False


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
