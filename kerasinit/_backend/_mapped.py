"""Functions mapped over replicas, in one compiled call."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from kerasinit._backend._name import name
from kerasinit._backend._programs import Program, side_by_side


def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
    """Maps `function(replica, *shared)` over the leading axis of every tensor of `replica`."""
    if name() == "jax":
        import jax

        return lambda replica, *shared: jax.vmap(lambda own: function(own, *shared))(replica)
    if name() == "torch":
        import torch

        def mapped(replica: Any, *shared: Any) -> Any:
            each = torch.func.vmap(lambda own: function(own, *shared), randomness="same")
            with warnings.catch_warnings():  # flash attention is looped over: correct, if slower
                warnings.filterwarnings("ignore", message="(?s).*performance drop")
                return each(replica)

        return mapped
    import tensorflow as tf

    return lambda replica, *shared: tf.vectorized_map(lambda own: function(own, *shared), replica)


def jitted(
    function: Callable[..., Any], example: tuple[Any, ...] | None = None
) -> Callable[..., list[Any]]:
    """`function(values, *shared)` of each part in one compiled call, where the backend compiles.

    Args:
        function: Of (nested lists of) tensors.
        example: Arguments as they will come: on JAX, compilation then begins now.

    Returns:
        A function of the values of all parts, and of what they share; it gives a list.
    """
    if name() == "jax":
        program = Program(function, example)

        def in_parts(parts: Sequence[Any], *shared: Any) -> list[Any]:
            run = program.compiled(parts[0], *shared)
            return side_by_side(lambda values: run(values, *shared), parts)

        return in_parts
    if name() == "torch":
        import torch

        run = torch.no_grad()(function)
    else:
        import tensorflow as tf

        run = quietly(tf.function(function, jit_compile=has_gpu(), autograph=False))
    return lambda parts, *shared: [run(values, *shared) for values in parts]


def maps_convolutions_well() -> bool:
    """Whether a convolution mapped over its kernels is fast: measured on CPU.

    TensorFlow turns it into one convolution per replica; JAX into a grouped convolution, eight
    times slower than a product of patches; torch cannot map Keras' padding at all.
    """
    return name() == "tensorflow"


def quietly(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` without what TensorFlow logs on how it was traced; errors are still raised.

    It warns of operations that it maps one replica at a time (random ones), and of functions that
    were traced anew: each architecture has its own, and so has each shape of a convolution. What
    cannot be mapped it logs at length, and raises.
    """
    logger = logging.getLogger("tensorflow")

    def called(*arguments: Any, **options: Any) -> Any:
        def is_critical(record: logging.LogRecord) -> bool:
            return record.levelno >= logging.CRITICAL

        # A filter of each call's own: with the level, threads would put back each other's.
        logger.addFilter(is_critical)
        try:
            return run(*arguments, **options)
        finally:
            logger.removeFilter(is_critical)

    return called


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
