"""Whether the values of a user can be tensors; if not, what makes numbers of them."""

from __future__ import annotations

import reprlib
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasinit._safe_text import safe

OTHER_KINDS = tuple("OSUMm")  # of numpy: objects, bytes, text, dates, differences of dates


def check_held(name: str, values: Any, *, words: bool = True) -> None:
    """Refuses arrays that the backend cannot hold: objects, words, rows of different lengths.

    Args:
        name: The argument, for the message.
        values: Structure of arrays.
        words: Whether words may stay where a tensor holds them: TensorFlow's, for a model that
            looks them up.

    Raises:
        ValueError: If an array cannot be a tensor.

    >>> check_held("x", {"a": np.ones(3), "b": None})
    >>> check_held("x", np.array([[1.0, None]], dtype=object))
    Traceback (most recent call last):
    ValueError: `x` must hold numbers. Received: an array of dtype object and shape (1, 2), which
    holds None. Fill or leave out what is missing.
    """
    for array in keras.tree.flatten(values):
        kind = getattr(getattr(array, "dtype", None), "kind", "")
        if kind in OTHER_KINDS and not (words and _is_held(array)):
            strange = _strange(array)
            is_told = strange is array or kind in "Mm"  # by the dtype
            holds = "" if is_told else f", which holds {_shown(strange)}"
            raise ValueError(
                f"`{name}` must hold numbers. Received: an array of dtype {array.dtype} and shape "
                f"{array.shape}{holds}. {_cure(name, array, strange)}"
            )


def _is_held(array: Any) -> bool:
    try:
        ops.convert_to_tensor(np.asarray(array))
    except Exception:  # noqa: BLE001 - each backend has errors of its own
        return False
    return True


def _strange(array: Any) -> Any:
    """The first entry that is no number; the array itself where all are."""
    for entry in array.flat:
        if entry is None:
            return entry
        try:
            float(entry)
        except (TypeError, ValueError):
            return entry
    return array


def _shown(entry: Any) -> str:
    plain = entry.item() if isinstance(entry, np.generic) else entry
    return safe(reprlib.repr(plain))


def _cure(name: str, array: Any, strange: Any) -> str:
    if strange is array:
        return f"`np.asarray({name}, dtype='float32')` makes numbers of them."
    if array.dtype.kind in "Mm":
        return f"`{name}.astype('int64')` counts them; scale that."
    if isinstance(strange, str | bytes):
        return (
            "Number the words: `np.unique(words, return_inverse=True)[1]`, or "
            "`keras.layers.StringLookup`."
        )
    if not hasattr(strange, "__len__"):
        return "Fill or leave out what is missing."
    padded = f"keras.utils.pad_sequences({name}, dtype='float32')"
    return f"Rows of different lengths: `{padded}` makes them equal."
