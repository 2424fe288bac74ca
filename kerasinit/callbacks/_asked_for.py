"""What the user asked `GradientStats` for, checked."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

from kerasinit.callbacks._reaction import Policy, check_policy


@dataclass(frozen=True)
class Settings:
    """What the user asked for; see `GradientStats`."""

    every: int = 1
    on_verdict: Policy = "warn"
    activations_every: int | None = None
    budget: float | None = None
    clipped: bool = False
    histogram: bool = True
    exact: bool = False


def settings_of(
    *,
    every: int,
    on_verdict: Policy,
    activations_every: int | None,
    budget: float | None,
    clipped: bool,
    histogram: bool,
    exact: bool,
) -> Settings:
    """The settings.

    Raises:
        ValueError: If one of them makes no sense.
    """
    if budget is not None and not 0 < budget < 1:
        raise ValueError(
            "`budget` must be a share of the training time between 0 and 1, such as 0.01, "
            f"or None. Received: budget={budget!r}."
        )
    if activations_every is not None:
        activations_every = at_least_one("activations_every", activations_every)
    return Settings(
        every=at_least_one("every", every),
        on_verdict=check_policy(on_verdict),
        activations_every=activations_every,
        budget=budget,
        clipped=clipped,
        histogram=histogram,
        exact=exact,
    )


def at_least_one(name: str, value: int) -> int:
    """A number of steps that is 1 or more."""
    if isinstance(value, str):
        raise ValueError(
            f"`{name}` must be a whole number of steps, 1 or more. Received: {name}={value!r}. "
            f"The file of the records goes into `path`: `GradientStats(path={value!r})`."
        )
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"`{name}` must be a whole number of steps, 1 or more. Received: {name}={value!r}."
        )
    return int(value)
