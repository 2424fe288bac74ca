"""The global sources of random numbers, left as they were."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np

from kerasinit._backend._keras import same_seed_generator, seed_generator_of


@contextlib.contextmanager
def same_random_state(*, traced: bool) -> Iterator[None]:
    """Python's, numpy's and Keras' own; see `_protocol.Backend.same_random_state`."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - those of others
    try:
        with contextlib.nullcontext() if traced else same_seed_generator():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's, numpy's and Keras' own; see `_protocol.Backend.seeded`."""
    with same_random_state(traced=True), seed_generator_of(seed):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        yield
