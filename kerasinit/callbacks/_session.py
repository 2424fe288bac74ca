"""One training under watch: which steps are measured, what is kept, what a verdict leads to."""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections import deque
from dataclasses import replace
from typing import Any, NamedTuple

import keras

from kerasinit import _backend
from kerasinit._safe_text import safe
from kerasinit.callbacks._asked_for import POLICIES, Settings, check_policy
from kerasinit.callbacks._attached import attach, detach
from kerasinit.callbacks._beforehand import setup_of, steps_before
from kerasinit.callbacks._beside import FAILURES
from kerasinit.callbacks._judgement import Findings, Found, Judgement
from kerasinit.callbacks._loss import RecentLoss
from kerasinit.callbacks._measuring import MeasuringStep
from kerasinit.callbacks._reaction import GradientError, GradientWarning, Snapshots
from kerasinit.callbacks._reading import Reading
from kerasinit.callbacks._record import History, Record
from kerasinit.callbacks._schedule import Schedule
from kerasinit.callbacks._schema import Row
from kerasinit.callbacks._sinks import RowFile
from kerasinit.callbacks._tensorboard import EventFile
from kerasinit.signals._first_update import was_trained

SHOWN = 32  # records whose norms the logs can still ask for: Keras may write them in a thread


class Wish(NamedTuple):
    """What a session wants of one call of the train function.

    Args:
        first: Number of the first step that the call executes.
        last: That of the last one, which can be recorded.
        due: Whether that is to be recorded.
        probing: Whether the activations are probed, and all else recorded with them.
        timed: Whether the session is to be told how long the call takes.
    """

    first: int
    last: int
    due: bool
    probing: bool
    timed: bool

    @property
    def measured(self) -> bool:
        """Whether Keras' own train function is not enough."""
        return self.due or self.probing


class Session(keras.callbacks.Callback):
    """Measures and judges the steps of one training, as the last one in its list of callbacks.

    Args:
        owner: The `GradientStats` that asks for it.
        model: The compiled model.
        settings: What the user asked for.
        history: Where the last records are kept.
        findings: Where verdicts are collected.
        measuring: The train function that measures.
        schedule: Which steps an earlier training of the model measured; None without one.
        running_loss: Whether the reported loss is a running mean over the epoch.
        is_steered: Whether another callback sets the learning rate at each epoch.

    Raises:
        OSError: If a file cannot be written.
    """

    def __init__(
        self,
        owner: keras.callbacks.Callback,
        model: Any,
        settings: Settings,
        *,
        history: History,
        findings: Findings,
        measuring: MeasuringStep,
        schedule: Schedule | None,
        running_loss: bool,
        is_steered: bool,
    ) -> None:
        super().__init__()
        self.owner = owner
        self.subject = model  # `self.model` would fetch the weights at each use, on JAX
        self.measuring = measuring
        self.stopped = False  # by a verdict
        self.ended = False
        self.missed = False  # a step that was not taken by the model's train function
        self.epoch = 0
        self.logs: Any = None  # of the latest step
        self._settings = settings
        self._history = history
        self._findings = findings
        self._sinks: list[RowFile | EventFile] = []
        if settings.path is not None:
            self._sinks.append(RowFile(settings.path))
        if settings.log_dir is not None:
            self._sinks.append(EventFile(settings.log_dir))
        self._accumulation = _backend.accumulation_steps(model.optimizer)
        self._loss_scaling = _backend.loss_scaling(model.optimizer)
        fresh = Schedule(settings.every, budget=settings.budget, accumulation=self._accumulation)
        self.schedule = fresh if schedule is None else schedule.again()
        probed = settings.activations_every
        self._probes = None if probed is None else Schedule(probed)
        may_stop = settings.on_verdict == "stop" or callable(settings.on_verdict)
        self._snapshots = Snapshots(model) if may_stop else None
        # Where the device works on while Python goes on, the latest step is not waited for.
        waits = settings.on_verdict != "warn" or _backend.waits_for_steps()
        self._ahead = 0 if waits else 1
        self._run = uuid.uuid4().hex[:12]
        setup = setup_of(model, is_steered=is_steered)
        self._judgement: Judgement | None = Judgement(findings, setup)
        self._goes_on = was_trained(model)
        self._recent = RecentLoss(running_loss)
        self._pending: deque[Record] = deque()  # as they were before `_record`
        self._shown: deque[Record] = deque(maxlen=SHOWN)
        self._found: deque[Found] = deque()
        self._complaints: list[str] = []
        self._complained = False
        self._records = 0
        self._overflowed = 0  # steps, under accumulation: the optimizer counts the others
        self._step: int | None = None  # the next; None before the first
        self._batch = 0

    # --- around a step ----------------------------------------------------------------------------

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sees the step that comes, when the other callbacks are done; called by Keras.

        If it came sooner, another callback's exception would leave the model attached.
        """
        try:
            self.begin_step(batch)
        except BaseException:  # a verdict raises: other sessions may be attached already
            detach(self.subject)
            raise
        attach(self)

    def begin_step(self, batch: int) -> None:
        """Reacts to what earlier steps showed; called right before the step at `batch`."""
        self.react()
        self._batch = batch
        if self._step is None:
            # Not sooner: `BackupAndRestore` may restore the optimizer when training begins.
            self._step = steps_before(self.subject)
        if self._snapshots is not None and not self.stopped:
            self._snapshots.take(self._step, self._records)

    @property
    def has_begun(self) -> bool:
        """Whether a step came."""
        return self._step is not None

    def wish(self) -> Wish:
        """What is wanted of the call that comes."""
        first = self._step or 0
        last = first + (self.subject.steps_per_execution or 1) - 1
        probes = self._probes if self.measuring.failure is None else None
        return Wish(
            first,
            last,
            due=self.schedule.due(last, skipped=self._overflowed),
            probing=probes is not None and probes.due(first),
            timed=self.schedule.measures(last),
        )

    def end_step(self, wish: Wish, logs: Any, reading: Reading | None, seconds: float) -> None:
        """Takes in what a call gave.

        Args:
            wish: What was wanted of it.
            logs: What it reported.
            reading: What was read; None if nothing was.
            seconds: How long it took.
        """
        self.logs = logs
        self._step = wish.last + 1
        if wish.due:
            self.schedule.record(wish.last)
        if wish.timed and not wish.probing:
            self.schedule.observe(wish.due, seconds)
        if self._probes is not None and wish.probing:
            self._probes.record(wish.first)
        if not wish.measured:
            return
        failure = self.measuring.failure
        if failure is not None:
            cause = _backend.cause_of(failure).rstrip(".")
            self._complain_once(f"{type(failure).__name__}: {cause}")
        if reading is None:
            self._complain_once("no gradient entered an optimizer of the model")
            return
        self._records += 1
        pending = Record(
            reading,
            self._settings,
            run=self._run,
            step=wish.last,
            epoch=self.epoch,
            steps_in_epoch=self._batch + wish.last - wish.first + 1,
            loss=logs.get("loss") if isinstance(logs, dict) else None,
            probing=wish.probing,
            goes_on=self._goes_on,
            skips_overflow=self._loss_scaling,
        )
        self._pending.append(pending)
        self._shown.append(pending)
        began = time.perf_counter()
        self.settle(ahead=self._ahead)
        if self._settings.on_verdict == "warn":
            self.schedule.observe_between(time.perf_counter() - began)

    def summary(self, batch: int | None = None) -> dict[str, float]:
        """Norms of the last recorded gradient, for the logs of `fit`.

        Args:
            batch: Number of the last batch in the epoch to look at; None for the latest. With loss
                scaling, steps that overflowed were skipped: the one before counts.
        """
        for shown in reversed(list(self._shown)):
            is_later = shown.epoch == self.epoch and shown.steps_in_epoch > (batch or 0) + 1
            if batch is not None and is_later:
                continue
            with contextlib.suppress(*FAILURES):
                if not shown.overflow:
                    return shown.reading.summary
        return {}

    # --- records ----------------------------------------------------------------------------------

    def settle(self, *, ahead: int = 0) -> None:
        """Keeps, writes and judges what was measured, waiting for the device.

        Args:
            ahead: Latest steps to leave for later.
        """
        while len(self._pending) > ahead:
            try:
                record = self._record(self._pending.popleft())
            except FAILURES as error:
                self._complaints.append(f"One training step could not be recorded: {error!r}.")
                continue
            if not (record.updated or record.overflow or record.probing):
                continue  # an overflow, which was not recorded, has put off the update
            self._history.add(record)
            if self._sinks:
                self._write(record.to_dict())
            self._judge(record)
        if self.missed and self.logs is None:
            self._complain_once(
                "they are not taken by `model.train_on_batch`, where gradients are seen on their "
                "way into the optimizer"
            )

    def end(self) -> None:
        """Records what is left and closes the files; the second time, nothing."""
        self.ended = True
        self.settle()
        while self._sinks:
            _close(self._sinks.pop())

    def react(self) -> None:
        """Does what new verdicts ask for.

        Raises:
            GradientError: If the policy is to raise.
            ValueError: If it is a function that returns what is no policy.
        """
        complaints, self._complaints = self._complaints, []
        for message in complaints:
            _warn(message)
        while self._found:
            found = self._found.popleft()
            policy = self._settings.on_verdict
            action = policy(found.verdict) if callable(policy) else policy
            if action is not None and action not in POLICIES:
                check_policy(action)  # raises
            if action == "raise":
                self.end()
                raise GradientError(found.verdict, found.step)
            if action is not None:
                stopping = self._stop(found) if action == "stop" else ""
                _warn(f"Step {found.step}: {found.verdict}{stopping}")

    def _record(self, pending: Record) -> Record:
        """The same with its own loss, and whether it updated, once the device is done."""
        pending.reading.wait()
        self._findings.overflows += pending.overflow
        reported = pending.loss
        loss = None if reported is None else float(_backend.numpy_of(reported))
        recent = self._recent.since(loss, epoch=pending.epoch, steps=pending.steps_in_epoch)
        count = pending.reading.number("count")
        if count is not None:
            self._overflowed = pending.step - round(count)
        given = pending.step - self._overflowed + 1  # gradients, this one included
        return replace(pending, loss=recent, updated=given % self._accumulation == 0)

    def _judge(self, record: Record) -> None:
        if self._judgement is None:
            return
        try:
            self._found.extend(self._judgement.consider(record))
        except FAILURES as error:
            self._judgement = None
            self._complaints.append(f"Training is no longer judged: {error!r}.")

    def _write(self, row: Row) -> None:
        for sink in list(self._sinks):
            try:
                sink.write(row)
            except FAILURES as error:
                self._sinks.remove(sink)
                _close(sink)
                self._complaints.append(
                    f"Writing to {sink.path} stopped, training goes on: {error!r}."
                )

    def _complain_once(self, reason: str) -> None:
        if not self._complained:
            self._complained = True
            self._complaints.append(
                f"Steps cannot be measured in full, training goes on: {reason}."
            )

    def _stop(self, found: Found) -> str:
        if self.stopped:
            return ""
        self.stopped = True
        self.subject.stop_training = True
        restored = None
        if self._snapshots is not None and found.onset is not None:
            restored = self._snapshots.restore(found.onset)
        if restored is None:
            return ". Training stops."
        return f". Training stops with the weights from before step {restored}."


def _close(sink: RowFile | EventFile) -> None:
    with contextlib.suppress(*FAILURES):  # each record was handed over when it was written
        sink.close()


def _warn(message: str) -> None:
    warnings.warn(safe(message), GradientWarning, stacklevel=2)
