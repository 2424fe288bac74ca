"""Trainings mapped over replicas, an epoch in one compiled call."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from kerasinit._backend._name import name


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


def jitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of (nested lists of) tensors in one compiled call, where the backend compiles."""
    if name() == "jax":
        import jax

        return jax.jit(function, compiler_options=_jax_options())
    if name() == "torch":
        import torch

        return torch.no_grad()(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=_has_gpu(), autograph=False)


def epoch(
    step: Callable[..., Any],
    weights: list[Any],
    states: list[Any],
    optimizer: Any,
    row_shape: tuple[int, ...],
) -> Any:
    """A whole epoch in one compiled call that updates weights, states and optimizer in place.

    Args:
        step: `(weights, states, x, y) -> (gradients, new states, row)`, all of them tensors.
        weights: Trainable Keras variables; the optimizer is built for them.
        states: Non-trainable Keras variables.
        optimizer: A Keras optimizer.
        row_shape: Shape of a row.

    Returns:
        A function of batches `(steps, batch, ...)` of inputs and targets; it gives the sum of
        the rows.
    """
    if name() == "jax":
        return _jax_epoch(step, weights, states, optimizer)
    if name() == "torch":
        return _torch_epoch(step, weights, states, optimizer)
    return _tensorflow_epoch(step, weights, states, optimizer, row_shape)


def _tensorflow_epoch(
    step: Any, weights: Any, states: Any, optimizer: Any, row_shape: tuple[int, ...]
) -> Any:
    import tensorflow as tf

    def update(x: Any, y: Any) -> Any:
        gradients, new, row = step([v.value for v in weights], [v.value for v in states], x, y)
        optimizer.apply(gradients, weights)
        for variable, value in zip(states, new, strict=True):
            variable.assign(value)
        return row

    # XLA pays on a GPU; on a CPU its batched matrix products make this three times slower.
    @tf.function(jit_compile=_has_gpu(), autograph=False)
    def run(xs: Any, ys: Any) -> Any:
        def body(index: Any, total: Any) -> tuple[Any, Any]:
            return index + 1, total + update(xs[index], ys[index])

        steps = tf.shape(xs)[0]
        return tf.while_loop(lambda index, _: index < steps, body, (0, tf.zeros(row_shape)))[1]

    return run


def _jax_epoch(step: Any, weights: Any, states: Any, optimizer: Any) -> Any:
    import jax

    @functools.partial(jax.jit, compiler_options=_jax_options())
    def run(carry: Any, batches: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            own, state, slots = carry
            gradients, state, row = step(own, state, *batch)
            own, slots = optimizer.stateless_apply(slots, gradients, own)
            return (own, state, slots), row

        carry, rows = jax.lax.scan(body, carry, batches)
        return carry, rows.sum(0)

    def in_place(xs: Any, ys: Any) -> Any:
        groups = (weights, states, optimizer.variables)
        carry, total = run(tuple([v.value for v in group] for group in groups), (xs, ys))
        for group, values in zip(groups, carry, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return total

    return in_place


@functools.cache
def _jax_options() -> dict[str, Any] | None:
    """XLA options with which many small matrix products are fast on a processor.

    With matrix products alone handed to its library (and not what surrounds them), an epoch of 40
    replicas of 30 x 64 units takes a fifth less time. The option is an experimental one: None
    where this XLA does not know it.
    """
    import jax

    if jax.default_backend() != "cpu":
        return None
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
    try:
        jax.jit(lambda: 0, compiler_options=options)()
    except (ValueError, RuntimeError):
        return None
    return options


def _torch_epoch(step: Any, weights: Any, states: Any, optimizer: Any) -> Any:
    import torch

    def run(xs: Any, ys: Any) -> Any:
        total = 0.0
        with torch.no_grad():
            for x, y in zip(xs, ys, strict=True):
                own = [v.value.detach() for v in weights]
                gradients, new, row = step(own, [v.value for v in states], x, y)
                optimizer.apply(gradients, weights)
                for variable, value in zip(states, new, strict=True):
                    variable.assign(value)
                total = total + row
        return total

    return run


def maps_convolutions_well() -> bool:
    """Whether a convolution mapped over its kernels is fast: measured on CPU.

    TensorFlow turns it into one convolution per replica; JAX into a grouped convolution, eight
    times slower than a product of patches; torch cannot map Keras' padding at all.
    """
    return name() == "tensorflow"


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
