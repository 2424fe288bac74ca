"""What is not a model of Keras 3, although its user thinks so."""

from __future__ import annotations

from typing import Any

import keras

OF_KERAS_2 = (
    "It is of tf_keras, Keras 2. Make the model with Keras 3: `import keras` in place of "
    "`tf_keras`; `tf.keras` is Keras 3, too, where TF_USE_LEGACY_KERAS is not set."
)


def is_of_keras_2(value: Any) -> bool:
    """Whether an object, or a class, comes from the package `tf_keras`."""
    kind = value if isinstance(value, type) else type(value)
    return any(base.__module__.partition(".")[0] == "tf_keras" for base in kind.__mro__)


def way_to_a_model(value: Any) -> str:
    """How the user gets from `value` to a Keras model, in a sentence; empty if nobody knows.

    Args:
        value: What was given in place of a model.

    >>> way_to_a_model(keras.Sequential)
    'Make one of it first: `model = ...`.'
    """
    if is_of_keras_2(value):
        return OF_KERAS_2
    if isinstance(value, type):
        return "Make one of it first: `model = ...`."
    for name in ("_orig_mod", "module"):  # of `torch.compile`; of `DataParallel`
        if isinstance(getattr(value, name, None), keras.layers.Layer):
            return f"Pass the Keras model inside, which has the same weights: `model.{name}`."
    return ""
