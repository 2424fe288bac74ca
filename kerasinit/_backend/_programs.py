"""Parts of a computation that run side by side, on JAX."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from kerasinit._backend._name import name

MOST_PER_PART = 4  # replicas; fewer, but not less than two, if they take more bytes than
PART_BYTES = 2**22  # which stay in a processor's cache
ALONE = 1.15  # time of a replica that is a part by itself, relative to one among several: measured


def parts_of(replicas: int, replica_bytes: int) -> tuple[int, int]:
    """Into how many parts of which size replicas are best divided; the last may be filled up.

    On a processor, XLA runs a mapped matrix product on one thread. Small parts, one at a time on
    each core, take half to two thirds of the time of one large part, measured on two cores.
    Everywhere else, one part.

    Args:
        replicas: How many there are.
        replica_bytes: What one of them needs for a step.
    """
    if not _on_processor():
        return 1, replicas
    workers = cores()
    most = min(max(PART_BYTES // replica_bytes, 2), MOST_PER_PART, replicas)

    def busy(size: int) -> float:  # replicas that the busiest worker trains
        trained = math.ceil(math.ceil(replicas / size) / workers) * size
        return trained * ALONE if size == 1 else trained

    size = min(range(1, most + 1), key=lambda size: (busy(size), -size))
    return math.ceil(replicas / size), size


class Program:
    """A JAX function, compiled once for all threads.

    It is traced in the thread that asks and compiled in another, so that who gives an example can
    do something else meanwhile.

    Args:
        function: Of (nested lists of) tensors.
        example: Arguments as they will come; None to compile when they do.
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
            thread = ThreadPoolExecutor(1)
            self._compiled[key] = thread.submit(traced.compile)
            thread.shutdown(wait=False)
        return self._compiled[key]


def side_by_side(function: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """`function` of each part, on as many threads as there are cores."""
    import jax

    if len(parts) == 1:
        return [function(parts[0])]
    with ThreadPoolExecutor(min(cores(), len(parts))) as pool:
        return list(pool.map(lambda part: jax.block_until_ready(function(part)), parts))


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _on_processor() -> bool:
    if name() != "jax":
        return False
    import jax

    return bool(jax.default_backend() == "cpu")
