"""Which entries of a tensor are looked at: few, evenly spaced."""

from __future__ import annotations

import functools
import math

WORTHWHILE = 3  # times the entries to take: of a tensor with fewer, all are taken, at less cost
RUN = 4  # neighbours taken together: as many entries for a quarter of the reads from memory


@functools.lru_cache(maxsize=1024)  # torch asks for each variable in each step
def even_step(shape: tuple[int, ...], entries: int | None) -> int:
    """Distance between the starts of evenly spaced runs, to get `entries` or more; 1 for all.

    Runs begin at multiples of their length, so that they can be read as wholes. The step shares no
    other divisor with the last axis, so that every column is met, not a few.

    Args:
        shape: Shape of the tensor.
        entries: Entries to take; None for all.

    >>> even_step((512, 512), 1024), even_step((50, 50), 1024)
    (1020, 1)
    """
    step = RUN * math.prod(shape) // entries if entries else 1
    step -= step % RUN
    while step > RUN and math.gcd(step, shape[-1]) > RUN:
        step -= RUN
    return step if step >= WORTHWHILE * RUN else 1
