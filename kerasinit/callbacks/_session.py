"""One training under watch: which step is measured, and what is done about a verdict."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._measured import LogValue, Measured, Numbers
from kerasinit.callbacks._plan import SUMMARY
from kerasinit.callbacks._reaction import (
    GradientError,
    GradientWarning,
    Policy,
    Snapshots,
    action_for,
)
from kerasinit.callbacks._recorder import WINDOW, Found, Pending, Recorder
from kerasinit.callbacks._schedule import Schedule
from kerasinit.callbacks._watch import Watch


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


class Session:
    """Measures the steps of one training.

    Between steps nothing of the model or the optimizer differs from a training without it, but
    for `model.train_function` between `arm` and the call that follows.

    Args:
        model: The compiled model.
        settings: What to measure.
        recorder: Where measurements go.
        watch: The train function that measures, from an earlier training of the model.
        schedule: Which steps are measured, from that training; None for a new one.
    """

    def __init__(
        self,
        model: Any,
        settings: Settings,
        recorder: Recorder,
        watch: Watch,
        schedule: Schedule | None = None,
    ) -> None:
        self.model = model
        self.recorder = recorder
        self.watch = watch
        self.stopped = False
        self._settings = settings
        self._accumulation = _backend.accumulation_steps(model.optimizer)
        self._loss_scaling = _backend.loss_scaling(model.optimizer)
        self.schedule = schedule or Schedule(
            settings.every, budget=settings.budget, accumulation=self._accumulation
        )
        self.schedule.again()
        self.watch.find_optimizers()
        self._probes = settings.activations_every and Schedule(settings.activations_every)
        self._waits = settings.on_verdict != "warn"
        self._snapshots = Snapshots(model) if _may_stop(settings.on_verdict) else None
        self._records = 0
        self._told_failure = False
        self._step: int | None = None
        self._latest: dict[str, LogValue] = {}
        self._summary: Tensor | None = None  # of the last step that did not overflow
        self._logs: Any = {}

    def arm(self, epoch: int, batch: int) -> None:
        """Makes the next call of `model.train_function`, and only that, go through the session.

        Called from the thread that trains, right before the call.
        """
        step = self._begin_step()
        if self._snapshots is not None and self._records % WINDOW == 0 and not self.stopped:
            self._records += 1
            self._snapshots.take(step)
        attributes = self.model.__dict__
        plain = attributes["train_function"]

        def train_function(*arguments: Any) -> Any:
            attributes["train_function"] = plain
            return self.run(plain, epoch, batch, arguments)

        attributes["train_function"] = train_function

    def run(
        self,
        plain: Callable[..., Any],
        epoch: int,
        batch: int,
        arguments: tuple[Any, ...],
        *,
        show: bool = True,
    ) -> Any:
        """Runs the train function once, measured if it is time; returns what Keras expects.

        Args:
            plain: Keras' own train function.
            epoch: Epoch, from 0.
            batch: Batch of the epoch, from 0.
            arguments: Of the train function.
            show: Whether the gradient norms are added to the logs.
        """
        if self.stopped:
            # `fit` ends after this batch: leave the weights as they are.
            return _backend.join_step(self._logs, arguments[:1])
        executed = self.model.steps_per_execution or 1
        step = self._begin_step()
        probing = bool(self._probes and self._probes.due(step)) and self.watch.failure is None
        measures = self.schedule.measures(step + executed - 1)
        recording = self.schedule.due(step) or probing
        began = self._clock() if measures else None
        if recording:
            result, measured = self.watch.call(arguments, probing=probing)
        else:
            result, measured = plain(*arguments), None
        logs, rest = _backend.split_step(result)
        if began is not None:
            _backend.wait_for(logs)
            if not probing:
                self.schedule.observe(recording, time.perf_counter() - began)
        self._step = step + executed
        if self.watch.failure is not None and not self._told_failure:
            self._told_failure = True
            self.recorder.complain(
                f"Steps cannot be measured in full, training goes on: {self.watch.failure!r}."
            )
        if measured is not None:
            self._records += 1
            self._show(measured)
            self._hand_over(measured, logs, step + executed - 1, epoch, batch + executed)
        self._logs = {**logs, **self._latest} if show and isinstance(logs, dict) else logs
        return _backend.join_step(self._logs, rest)

    def catch_up(self) -> None:
        """Waits for the verdict on the steps before, if more than a warning may follow."""
        if self._waits:
            self.recorder.drain()

    def react(self) -> None:
        """Does what new verdicts ask for; called from the thread that trains.

        Raises:
            GradientError: If the policy is to raise.
        """
        for message in self.recorder.take_complaints():
            _warn(message)
        while self.recorder.found:
            found = self.recorder.found.popleft()
            action = action_for(found, self._settings.on_verdict)
            if action == "raise":
                raise GradientError(found.verdict, found.step)
            if action is not None:
                stopping = self._stop(found) if action == "stop" else ""
                _warn(f"Step {found.step}: {found.verdict}{stopping}")

    def _hand_over(
        self, measured: Measured, logs: Any, step: int, epoch: int, steps_in_epoch: int
    ) -> None:
        self.recorder.add(
            Pending(
                measured=measured,
                probed=self.watch.probed,
                loss=logs.get("loss") if isinstance(logs, dict) else None,
                step=step,
                epoch=epoch,
                steps_in_epoch=steps_in_epoch,
                updated=(step + 1) % self._accumulation == 0,
                loss_scaling=self._loss_scaling,
            )
        )
        if not self._waits:
            waited = self.recorder.drain_soon(every=self.schedule.every)
            self.schedule.observe_between(waited)

    def _show(self, measured: Measured) -> None:
        summary = measured.summary
        if self._loss_scaling:
            # A step that overflowed was skipped: the logs keep the gradient of the one before.
            steady = summary()
            arrays = _backend.functions_of(steady)
            if self._summary is not None:
                steady = arrays.where(arrays.isfinite(steady), steady, self._summary)
            self._summary = steady
            summary = lambda: steady  # noqa: E731
        numbers = Numbers(summary)
        if _backend.waits_for_steps():
            _ = numbers.values
        self._latest = {key: LogValue(numbers, index) for index, key in enumerate(SUMMARY)}

    def _stop(self, found: Found) -> str:
        if self.stopped:
            return ""
        self.stopped = True
        self.model.stop_training = True
        restored = None
        if self._snapshots is not None and found.onset is not None:
            restored = self._snapshots.restore(found.onset)
        if restored is None:
            return " Training stops."
        return f" Training stops with the weights from before step {restored}."

    def _begin_step(self) -> int:
        if self._step is None:
            # Not sooner: `BackupAndRestore` may restore the optimizer when training begins.
            self._step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        return self._step

    def _clock(self) -> float:
        _backend.wait_for(self._logs)
        return time.perf_counter()


def _may_stop(policy: Policy) -> bool:
    return policy == "stop" or callable(policy)


def _warn(message: str) -> None:
    warnings.warn(message, GradientWarning, stacklevel=2)
