"""The name of the active backend."""

import keras


def name() -> str:
    """Name of the active backend: `"tensorflow"`, `"jax"` or `"torch"`."""
    return str(keras.config.backend())
