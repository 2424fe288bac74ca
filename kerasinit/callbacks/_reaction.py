"""What follows from a verdict: a warning, the end of the training, or an error."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from kerasinit import _backend
from kerasinit.callbacks._asked_for import POLICIES, Policy, check_policy
from kerasinit.callbacks._judgement import Found
from kerasinit.signals import Verdict
from kerasinit.signals._window import WINDOW


class GradientWarning(UserWarning):
    """A verdict on the gradients, or something that could not be recorded.

    Example:
        ```python
        warnings.simplefilter("ignore", GradientWarning)  # `stats.verdicts` keeps them
        ```
    """


class GradientError(RuntimeError):
    """Ends a training because of a verdict, on the policy `"raise"`.

    Args:
        verdict: What is wrong.
        step: Step at which it was found.

    Example:
        ```python
        try:
            model.fit(x, y, callbacks=[GradientStats(on_verdict="raise")])
        except GradientError as error:
            print(error.verdict.remedy)
        ```
    """

    def __init__(self, verdict: Verdict, step: int) -> None:
        super().__init__(f"Step {step}: {verdict}")
        self.verdict = verdict
        self.step = step


class Reaction:
    """Does what the policy of the user asks for.

    Args:
        model: The model in training.
        policy: What a new verdict does.

    Attributes:
        stopped: Whether a verdict ended the training.
    """

    def __init__(self, model: Any, policy: Policy) -> None:
        self.stopped = False
        self._model = model
        self._policy = policy
        may_stop = policy == "stop" or callable(policy)
        self._snapshots = Snapshots(model) if may_stop else None

    def prepare(self, step: int, records: int) -> None:
        """Keeps what a stop may have to bring back; called before `step`, after `records`."""
        if self._snapshots is not None and not self.stopped:
            self._snapshots.take(step, records)

    def to(self, found: Found) -> str | None:
        """Reacts to a verdict; returns what the user is to be told, if anything.

        Raises:
            GradientError: If the policy is to raise.
            ValueError: If it is a function that returns what is no policy.
        """
        _backend.synchronise(self._model)  # the policy, or who catches the error, may look at it
        action = self._policy(found.verdict) if callable(self._policy) else self._policy
        if action is None:
            return None
        if action not in POLICIES:
            check_policy(action)  # raises
        if action == "raise":
            raise GradientError(found.verdict, found.step)
        stopping = self._stop(found) if action == "stop" else ""
        return f"Step {found.step}: {found.verdict}{stopping}"

    def _stop(self, found: Found) -> str:
        if self.stopped:
            return ""
        self.stopped = True
        self._model.stop_training = True
        restored = None
        if self._snapshots is not None and found.onset is not None:
            restored = self._snapshots.restore(found.onset)
        if restored is None:
            return ". Training stops."
        return f". Training stops with the weights from before step {restored}."


class Snapshots:
    """The last weights from before a blow-up: two copies in the computer's main memory.

    Args:
        model: The model in training.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: deque[tuple[int, list[np.ndarray]]] = deque(maxlen=2)  # with their step
        self._next = 0

    def take(self, step: int, records: int) -> None:
        """Copies the weights as they are before `step`, once in `WINDOW` records.

        Unless they are not finite.
        """
        if records < self._next:
            return
        self._next = records + WINDOW
        _backend.synchronise(self._model)
        values = [np.array(_backend.numpy_of(v.value)) for v in self._model.variables]
        if all(np.isfinite(v).all() for v in values if v.dtype.kind == "f"):
            self._kept.append((step, values))

    def restore(self, onset: int) -> int | None:
        """Puts back the newest weights from before step `onset`; returns the step they are from.

        None, and nothing is changed, if there are none.
        """
        earlier = [kept for kept in self._kept if kept[0] <= onset]
        if not earlier:
            return None
        step, values = earlier[-1]
        _backend.synchronise(self._model)
        for variable, value in zip(self._model.variables, values, strict=True):
            variable.assign(value)
        return step
