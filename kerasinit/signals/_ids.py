"""Ids in the inputs for which an embedding has no row of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.layers import is_kept_method, kind_of
from kerasinit.signals._batch import DataBatch


@dataclass(frozen=True)
class OutsideIds:
    """What an embedding is given.

    Args:
        layer: Its name.
        rows: Ids that it takes: from 0 to one less.
        low, high: Smallest and largest id.
        are_whole: Whether all ids are whole numbers.
    """

    layer: str
    rows: int
    low: float
    high: float
    are_whole: bool = True


def ids_outside(model: Any, batch: DataBatch) -> tuple[OutsideIds | None, DataBatch]:
    """The first embedding that has no row for an id, and the batch with ids that exist.

    Some backends stop at such an id, some give NaN or zeros. Only embeddings that read an input of
    the model are looked at.

    Args:
        model: The model.
        batch: Of its inputs.
    """
    found = None
    for place, layer in _limits(model, batch).items():
        ids = batch.all_x[place]
        if not ids.size or ids.dtype.kind not in "iuf" or not np.isfinite(ids).all():
            continue
        are_whole = bool(np.all(ids == np.trunc(ids)))
        low, high = float(ids.min()), float(ids.max())
        # Keras counts ids below 0 from the last row on: -1 may mark what is missing, in a free row.
        if are_whole and -layer.input_dim <= low and high < layer.input_dim + min(low, 0):
            continue
        found = found or OutsideIds(layer.name, layer.input_dim, low, high, are_whole)
        leaves = keras.tree.flatten(batch.x)
        leaves[place] = ops.clip(leaves[place], 0, layer.input_dim - 1)
        x = keras.tree.pack_sequence_as(batch.x, leaves)
        batch = replace(batch, x=x)
    return found, batch


def _limits(model: Any, batch: DataBatch) -> dict[int, Any]:
    """The embedding that reads each input of a model, by the number of the flat input."""
    ends = _backend.functional_ends(model)
    if ends is None or len(ends[0]) != len(batch.all_x):
        return {}
    places = {id(tensor): place for place, tensor in enumerate(ends[0])}
    if isinstance(batch.x, dict):  # flat in the order of its names
        names = sorted(batch.x)
        if names != sorted(tensor.name for tensor in ends[0]):
            return {}
        places = {id(tensor): names.index(tensor.name) for tensor in ends[0]}
    try:
        calls = _backend.graph_calls(*ends)
    except _backend.errors():
        return {}
    return {
        places[id(given[0])]: operation
        for operation, _, given, _ in calls
        if given and id(given[0]) in places and _is_table(operation)
    }


def _is_table(operation: Any) -> bool:
    is_embedding = kind_of(operation).family == "embedding" and hasattr(operation, "input_dim")
    return is_embedding and is_kept_method(operation, "call")  # one of a subclass may hash ids
