"""Programs that JAX compiles in another thread and runs on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final

import jax

from kerasinit._backend._in_place import resetting
from kerasinit._backend._protocol import Arrays, Step, Values


class Program:
    """A function, compiled once for all threads.

    It is traced in the thread that asks and compiled in another, so that who gives an example can
    do something else meanwhile.

    Args:
        function: Of (nested lists of) tensors.
        example: Arguments as they will come; None to compile when they do.
    """

    def __init__(
        self, function: Callable[..., Any], example: tuple[Any, ...] | None = None
    ) -> None:
        self._jitted = jax.jit(function)
        self._compiled: dict[Hashable, Future[Any]] = {}
        if example is not None:
            self._begin(example)

    def compiled(self, *arguments: Any) -> Callable[..., Any]:
        """The function for arguments of these shapes; waits until it is compiled."""
        return self._begin(arguments).result()

    def _begin(self, arguments: tuple[Any, ...]) -> Future[Any]:
        key = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(arguments))
        if key not in self._compiled:
            traced = self._jitted.lower(*arguments)
            thread = ThreadPoolExecutor(1)
            self._compiled[key] = thread.submit(traced.compile)
            thread.shutdown(wait=False)
        return self._compiled[key]


def side_by_side(function: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """`function` of each part, on as many threads as there are cores."""
    if len(parts) == 1:
        return [function(parts[0])]
    with ThreadPoolExecutor(min(cores(), len(parts))) as pool:
        return list(pool.map(lambda part: jax.block_until_ready(function(part)), parts))


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@final
class TrainingInParts:
    """A `Training` of parts that share one compiled epoch and run on all cores."""

    def __init__(
        self,
        step: Step,
        weights: Sequence[Any],
        states: Sequence[Any],
        optimizer: Any,
        example: tuple[Any, Any],
    ) -> None:
        def run(carry: Any, batches: Any) -> Any:
            def body(carry: Any, batch: Any) -> Any:
                own, state, slots = carry
                gradients, state, row = step((own, state), *batch)
                own, slots = optimizer.stateless_apply(slots, gradients, own)
                return (own, state, slots), row

            carry, rows = jax.lax.scan(body, carry, batches)
            return carry, rows.sum(0)

        self._optimizer = optimizer
        self._reset = resetting(optimizer)
        self._carries = [([v.value for v in weights], [v.value for v in states], self._slots())]
        self._program = Program(run, (self._carries[0], example))

    def load(self, parts: Sequence[tuple[Arrays, Arrays]], learning_rate: float) -> None:
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
