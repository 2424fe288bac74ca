"""Trainings mapped over replicas, an epoch in one compiled call."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kerasinit._backend._name import name

MOST_PER_PART = 6  # replicas whose weights stay in a processor's cache, measured at 64 units


@dataclass(frozen=True)
class Part:
    """Some of the replicas that train together.

    Args:
        weights: Trainable Keras variables, with a leading replica axis if there are several.
        states: Non-trainable Keras variables.
        optimizer: A Keras optimizer, built for `weights`.
    """

    weights: list[Any]
    states: list[Any]
    optimizer: Any

    @property
    def values(self) -> tuple[list[Any], list[Any]]:
        """The tensors of weights and states."""
        return [v.value for v in self.weights], [v.value for v in self.states]


def parts_of(replicas: int) -> tuple[int, int]:
    """Into how many parts of which size replicas are best divided; the last may be filled up.

    On a processor, XLA runs a mapped matrix product on one thread. A part at a time on each core,
    small enough for its cache, takes half the time on two of them (40 replicas of 30 x 64 units).
    Everywhere else, one part.
    """
    if not _runs_parts():
        return 1, replicas
    workers = _cores()

    def busy(size: int) -> int:  # replicas that the busiest worker trains
        return math.ceil(math.ceil(replicas / size) / workers) * size

    size = min(range(1, min(MOST_PER_PART, replicas) + 1), key=lambda size: (busy(size), -size))
    return math.ceil(replicas / size), size


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
        example: Arguments as they will come: compilation then begins now, beside what comes next.

    Returns:
        A function of the values of all parts, and of what they share; it gives a list.
    """
    if name() == "jax":
        program = _Program(function, example)

        def in_parts(parts: Sequence[Any], *shared: Any) -> list[Any]:
            run = program.compiled(parts[0], *shared)
            return _side_by_side(lambda values: run(values, *shared), parts)

        return in_parts
    if name() == "torch":
        import torch

        run = torch.no_grad()(function)
    else:
        import tensorflow as tf

        run = tf.function(function, jit_compile=_has_gpu(), autograph=False)
    return lambda parts, *shared: [run(values, *shared) for values in parts]


def epoch(
    step: Callable[..., Any],
    parts: Sequence[Part],
    example: tuple[Any, Any],
    row_shape: tuple[int, ...],
) -> Callable[..., list[Any]]:
    """A whole epoch in one compiled call that updates weights, states and optimizer in place.

    Args:
        step: `(weights, states, x, y) -> (gradients, new states, row)`, all of them tensors.
        parts: What to train.
        example: Batches as they will come, `(steps, batch, ...)`: on JAX, compilation begins now.
        row_shape: Shape of a row.

    Returns:
        A function of batches of inputs and targets; it gives the sum of the rows of each part.
    """
    if name() == "jax":
        return _jax_epoch(step, parts, example)
    if name() == "torch":
        each = [_torch_epoch(step, part) for part in parts]
    else:
        each = [_tensorflow_epoch(step, part, row_shape) for part in parts]
    return lambda xs, ys: [run(xs, ys) for run in each]


def _tensorflow_epoch(step: Any, part: Part, row_shape: tuple[int, ...]) -> Any:
    import tensorflow as tf

    def update(x: Any, y: Any) -> Any:
        gradients, new, row = step(*part.values, x, y)
        part.optimizer.apply(gradients, part.weights)
        for variable, value in zip(part.states, new, strict=True):
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


def _jax_epoch(step: Any, parts: Sequence[Part], example: tuple[Any, Any]) -> Any:
    import jax

    optimizer = parts[0].optimizer  # of the same kind in each part

    def run(carry: Any, batches: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            own, state, slots = carry
            gradients, state, row = step(own, state, *batch)
            own, slots = optimizer.stateless_apply(slots, gradients, own)
            return (own, state, slots), row

        carry, rows = jax.lax.scan(body, carry, batches)
        return carry, rows.sum(0)

    def variables(part: Part) -> tuple[list[Any], ...]:
        return part.weights, part.states, part.optimizer.variables

    def carry_of(part: Part) -> Any:
        return jax.tree.map(lambda variable: variable.value, variables(part))

    program = _Program(run, (carry_of(parts[0]), example))

    def in_place(xs: Any, ys: Any) -> list[Any]:
        compiled = program.compiled(carry_of(parts[0]), (xs, ys))

        def train(part: Part) -> Any:
            carry, total = compiled(carry_of(part), (xs, ys))
            for group, values in zip(variables(part), carry, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)
            return total

        return _side_by_side(train, parts)

    return in_place


class _Program:
    """A JAX function, compiled once for all threads.

    It is traced in the thread that asks, and compiled in another: who gives an example at the
    start can do something else meanwhile.
    """

    def __init__(
        self, function: Callable[..., Any], example: tuple[Any, ...] | None = None
    ) -> None:
        import jax

        self._jitted = jax.jit(function)
        self._compiled: dict[Hashable, Future[Any]] = {}
        if example is not None:
            self._begin(example)

    def compiled(self, *arguments: Any) -> Callable[..., Any]:
        """The function for arguments of these shapes; waits until it is compiled."""
        return self._begin(arguments).result()

    def _begin(self, arguments: tuple[Any, ...]) -> Future[Any]:
        import jax

        key = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(arguments))
        if key not in self._compiled:
            traced = self._jitted.lower(*arguments)
            with_one_thread = ThreadPoolExecutor(1)
            self._compiled[key] = with_one_thread.submit(traced.compile)
            with_one_thread.shutdown(wait=False)
        return self._compiled[key]


def _side_by_side(function: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """`function` of each part on JAX, on as many threads as there are cores."""
    import jax

    if len(parts) == 1:
        return [function(parts[0])]
    with ThreadPoolExecutor(min(_cores(), len(parts))) as pool:
        return list(pool.map(lambda part: jax.block_until_ready(function(part)), parts))


def _runs_parts() -> bool:
    if name() != "jax":
        return False
    import jax

    return bool(jax.default_backend() == "cpu")


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _torch_epoch(step: Any, part: Part) -> Any:
    import torch

    def run(xs: Any, ys: Any) -> Any:
        total = 0.0
        with torch.no_grad():
            for x, y in zip(xs, ys, strict=True):
                weights, states = part.values
                own = [value.detach() for value in weights]
                gradients, new, row = step(own, states, x, y)
                part.optimizer.apply(gradients, part.weights)
                for variable, value in zip(part.states, new, strict=True):
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
