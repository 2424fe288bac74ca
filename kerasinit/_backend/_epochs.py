"""Trainings that run an epoch in one compiled call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, final

import keras
import numpy as np

from kerasinit._backend._mapped import has_gpu, quietly
from kerasinit._backend._name import name
from kerasinit._backend._programs import Program, side_by_side

Arrays: TypeAlias = Sequence[np.ndarray]
Values: TypeAlias = tuple[list[Any], list[Any]]  # tensors of weights and of states
Step: TypeAlias = Callable[..., tuple[Any, Any, Any]]


class Training(Protocol):
    """Replicas in training: as one part, or as parts that run side by side."""

    def load(self, parts: Sequence[tuple[Arrays, Arrays]], learning_rate: float) -> None:
        """Starts anew: from weights and states of each part, an optimizer that has seen nothing."""

    def epoch(self, xs: Any, ys: Any) -> list[Any]:
        """Trains on batches `(steps, batch, ...)`; the sum of the rows of each part."""

    def values(self) -> list[Values]:
        """The tensors of each part now."""


def training(
    step: Step,
    weights: Sequence[Any],
    states: Sequence[Any],
    optimizer: Any,
    *,
    example: tuple[Any, Any],
    row_shape: tuple[int, ...],
) -> Training:
    """A training by `step` and `optimizer`.

    Args:
        step: `((weights, states), x, y) -> (gradients, new states, row)`, all of them tensors.
        weights: Trainable Keras variables of the shapes of a part.
        states: Non-trainable Keras variables likewise.
        optimizer: A Keras optimizer, built for `weights`.
        example: Batches as they will come: on JAX, compilation begins now.
        row_shape: Shape of a row.
    """
    if name() == "jax":
        return _OfParts(step, weights, states, optimizer, example)
    return _InPlace(step, weights, states, optimizer, row_shape)


@final
class _InPlace:
    """One part, in the variables themselves."""

    def __init__(
        self,
        step: Step,
        weights: Sequence[Any],
        states: Sequence[Any],
        optimizer: Any,
        row_shape: tuple[int, ...],
    ) -> None:
        self._weights, self._states, self._optimizer = weights, states, optimizer
        self._reset = _resetting(optimizer)
        self._epochs = 0
        if name() == "torch":
            self._run = _torch_epoch(self._update(_detached(step)))
        else:
            self._run = _tensorflow_epoch(self._update(step), row_shape)

    def load(self, parts: Sequence[tuple[Arrays, Arrays]], learning_rate: float) -> None:
        ((weights, states),) = parts
        _assign(self._weights, weights)
        _assign(self._states, states)
        self._reset(learning_rate)
        self._epochs = 0

    def epoch(self, xs: Any, ys: Any) -> list[Any]:
        self._epochs += 1
        with _own_randomness(self._epochs):
            return [self._run(xs, ys)]

    def values(self) -> list[Values]:
        return [([v.value for v in self._weights], [v.value for v in self._states])]

    def _update(self, step: Step) -> Callable[[Any, Any], Any]:
        def update(x: Any, y: Any) -> Any:
            (values,) = self.values()
            gradients, new, row = step(values, x, y)
            self._optimizer.apply(gradients, self._weights)
            _assign(self._states, new)
            return row

        return update


def _tensorflow_epoch(update: Callable[[Any, Any], Any], row_shape: tuple[int, ...]) -> Any:
    import tensorflow as tf

    # XLA pays on a GPU; on a CPU its batched matrix products make this three times slower.
    @tf.function(jit_compile=has_gpu(), autograph=False)
    def run(xs: Any, ys: Any) -> Any:
        def body(index: Any, total: Any) -> tuple[Any, Any]:
            return index + 1, total + update(xs[index], ys[index])

        steps = tf.shape(xs)[0]
        return tf.while_loop(lambda index, _: index < steps, body, (0, tf.zeros(row_shape)))[1]

    return quietly(run)


def _detached(step: Step) -> Step:
    """`step` on torch, where it takes tensors, not parameters."""

    def detached(values: Values, x: Any, y: Any) -> tuple[Any, Any, Any]:
        weights, states = values
        return step(([weight.detach() for weight in weights], states), x, y)

    return detached


def _torch_epoch(update: Callable[[Any, Any], Any]) -> Any:
    import torch

    def run(xs: Any, ys: Any) -> Any:
        with torch.no_grad():
            return sum(update(x, y) for x, y in zip(xs, ys, strict=True))

    return run


@contextlib.contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """A scope whose random numbers only depend on `seed`, also those without a seed of their own.

    On torch, Keras draws the masks of a `Dropout` from torch's global generator.
    """
    if name() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@final
class _OfParts:
    """Parts that share one compiled epoch and run on all cores, in JAX's arrays."""

    def __init__(
        self,
        step: Step,
        weights: Sequence[Any],
        states: Sequence[Any],
        optimizer: Any,
        example: tuple[Any, Any],
    ) -> None:
        import jax

        def run(carry: Any, batches: Any) -> Any:
            def body(carry: Any, batch: Any) -> Any:
                own, state, slots = carry
                gradients, state, row = step((own, state), *batch)
                own, slots = optimizer.stateless_apply(slots, gradients, own)
                return (own, state, slots), row

            carry, rows = jax.lax.scan(body, carry, batches)
            return carry, rows.sum(0)

        self._optimizer = optimizer
        self._reset = _resetting(optimizer)
        self._carries = [([v.value for v in weights], [v.value for v in states], self._slots())]
        self._program = Program(run, (self._carries[0], example))

    def load(self, parts: Sequence[tuple[Arrays, Arrays]], learning_rate: float) -> None:
        import jax

        self._reset(learning_rate)
        self._carries = [(*jax.device_put(part), self._slots()) for part in parts]

    def epoch(self, xs: Any, ys: Any) -> list[Any]:
        run = self._program.compiled(self._carries[0], (xs, ys))
        results = side_by_side(lambda carry: run(carry, (xs, ys)), self._carries)
        self._carries = [carry for carry, _ in results]
        return [total for _, total in results]

    def values(self) -> list[Values]:
        return [(weights, states) for weights, states, _ in self._carries]

    def _slots(self) -> list[Any]:
        return [variable.value for variable in self._optimizer.variables]


def _resetting(optimizer: Any) -> Callable[[float], None]:
    """Brings `optimizer` back to what it is now, with a learning rate."""
    fresh = [np.array(keras.ops.convert_to_numpy(v)) for v in optimizer.variables]

    def reset(learning_rate: float) -> None:
        _assign(optimizer.variables, fresh)
        optimizer.learning_rate = learning_rate

    return reset


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
