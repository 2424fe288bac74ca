"""Fixtures of the room."""

import keras
import pytest


@pytest.fixture(scope="package", autouse=True)
def quick_compilation():
    """JAX compiles each draw of a new shape: tests of small draws spend their time there."""
    if keras.config.backend() != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
