"""What the user asked `GradientStats` for, checked."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kerasinit._typing import PolicyName
from kerasinit.signals import Verdict

POLICIES: tuple[PolicyName, ...] = ("warn", "stop", "raise")
Policy: TypeAlias = PolicyName | Callable[[Verdict], PolicyName | None]


@dataclass(frozen=True)
class Settings:
    """What the user asked for; see `GradientStats`."""

    every: int
    path: Path | None
    log_dir: Path | None
    on_verdict: Policy
    activations_every: int | None
    budget: float | None
    clipped: bool
    histogram: bool
    exact: bool


def check_policy(policy: Policy) -> Policy:
    """The policy itself.

    Raises:
        ValueError: If it is neither one of `POLICIES` nor callable.
    """
    if policy in POLICIES or callable(policy):
        return policy
    raise ValueError(
        f"`on_verdict` must be one of {POLICIES} or a function of a verdict that returns one of "
        f"them or None. Received: on_verdict={policy!r}."
    )


def share_of_time(budget: float | None) -> float | None:
    """A share between 0 and 1, or None.

    Raises:
        ValueError: If it is neither.
    """
    if budget is None or 0 < budget < 1:
        return budget
    raise ValueError(
        "`budget` must be a share of the training time between 0 and 1, such as 0.01, "
        f"or None. Received: budget={budget!r}."
    )


def at_least_one(name: str, value: int) -> int:
    """A number of steps that is 1 or more.

    Raises:
        ValueError: If it is not.
    """
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if is_whole and value >= 1:
        return int(value)
    hint = ""
    if isinstance(value, str):
        hint = f" The file of the records goes into `path`: `GradientStats(path={value!r})`."
    raise ValueError(
        f"`{name}` must be a whole number of steps, 1 or more. Received: {name}={value!r}.{hint}"
    )
