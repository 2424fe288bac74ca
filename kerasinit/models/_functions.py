"""Activations that somebody wrote as a layer or an operation, told by what they do to numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasinit import _backend
from kerasinit.layers import is_unknown
from kerasinit.signals._elementwise import POINTS, elementwise_shape

ROUNDING = 1e-4  # of points on a straight line, relative to the largest
# Whether an operation is a function of each entry: its `call` is somebody's, and is tried once.
_known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class OwnFunction:
    """What an operation without weights does to each entry.

    Kept by caches for long: it must not hold the operation, and with it a whole model.

    Args:
        source: A layer, or an operation of a graph.
        copy: One like it, of no graph.
    """

    source: weakref.ref[Any]
    copy: Any = field(compare=False)

    def __call__(self, values: Any) -> Any:
        """What the operation makes of a tensor; it counts, keeps and adds nothing meanwhile."""
        return _backend.plain_call(_backend.detached(self.copy))(values)

    @property
    def __name__(self) -> str:
        return type(self.copy).__name__.lower()


def function_of(operation: Any) -> Callable[[Any], Any] | None:
    """The elementwise function that an operation without weights is; None for everything else.

    Such as a `Lambda`, or a `layers.Layer` whose `call` returns `x * ops.tanh(ops.softplus(x))`.
    None, too, for what only scales or shifts, as stochastic depth at inference.

    Args:
        operation: A layer, or an operation of a graph.
    """
    if not _may_be_function(operation):
        return None
    function: Callable[[Any], Any] = OwnFunction(
        weakref.ref(operation), _backend.detached(operation)
    )
    if isinstance(operation, keras.layers.Lambda) and not operation.arguments:
        function = operation.function
    if operation not in _known:
        _known[operation] = _is_elementwise(function, operation)
    return function if _known[operation] else None


def _may_be_function(operation: Any) -> bool:
    if isinstance(operation, _backend.RawCall):
        return False
    is_lambda = isinstance(operation, keras.layers.Lambda)
    if not is_lambda and (_backend.is_of_keras(operation) or not is_unknown(operation)):
        return False
    if not isinstance(operation, keras.layers.Layer):
        return True
    is_leaf = len(_backend.flat_layers(operation)) == 1
    return is_leaf and not operation.variables and not _backend.seed_states(operation)


def _is_elementwise(function: Callable[[Any], Any], operation: Any) -> bool:
    """Whether a function acts on each entry, and does more than scale and shift it."""
    try:
        if elementwise_shape(function) is None:
            return False
        values = _backend.evaluate(function, np.array(POINTS, "float32"))
    except Exception:  # noqa: BLE001 - the `call` of any layer runs here
        return False
    line = np.polyval(np.polyfit(POINTS, values, 1), POINTS)
    return not np.allclose(line, values, atol=ROUNDING * float(np.abs(values).max()))
