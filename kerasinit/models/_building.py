"""Weights for a model that waits for its first data."""

from __future__ import annotations

from typing import Any

import keras

from kerasinit import _backend
from kerasinit.models._first_batch import first_batch
from kerasinit.signals._batch import as_batch, check_model

FIRST_SAMPLES = 32  # as many as `fit` takes first, unless it is told otherwise


def build_on(model: Any, x: Any) -> None:
    """Builds a model that has no weights yet by a call on its data, as the first step of `fit`.

    What is no model, or has its weights, stays as it is. A generator would lose its first batch,
    and states of a stateful layer would be made for as many samples as are taken here: both are
    left alone.

    Args:
        model: A Keras model, such as a `Sequential` without an `Input`, or one of a user's own.
        x: Inputs as for `fit`: arrays, or a dataset.

    Raises:
        ValueError: If the data is no batch, or a generator, or a layer is stateful, or the model
            cannot be called on the data, or has no weights after that.

    >>> model = keras.Sequential([keras.layers.Dense(2)])
    >>> build_on(model, keras.ops.ones((5, 3)))
    >>> [tuple(weight.shape) for weight in model.weights]
    [(3, 2), (2,)]
    """
    if not isinstance(model, keras.layers.Layer) or _backend.is_whole(model):
        return
    is_stateful = any(getattr(layer, "stateful", False) for layer in _backend.flat_layers(model))
    if is_stateful or hasattr(x, "__next__"):
        check_model(model)
    samples = as_batch(model, first_batch(x)[0]).x
    first = keras.tree.map_structure(lambda one: one[:FIRST_SAMPLES], samples)
    try:
        with keras.StatelessScope():  # as in `fit`: what layers assign meanwhile is lost
            model(first, training=False)
        check_model(model)
    except _backend.errors() as error:
        raise ValueError(
            f"The model {model.name!r} has no weights yet, and a call on `x` did not make them: "
            f"{_backend.cause_of(error).rstrip('.')}. Call it once on data that it takes, or pass "
            "its parts, one by one."
        ) from error
