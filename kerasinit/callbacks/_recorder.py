"""From measurements to records: the half of the callback that may run in another thread."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from keras import ops

from kerasinit import _backend
from kerasinit.callbacks._files import Sink
from kerasinit.callbacks._judged import Pulse, judged
from kerasinit.callbacks._loss import RecentLoss
from kerasinit.callbacks._measured import Measured, worked_out
from kerasinit.callbacks._names import Names
from kerasinit.callbacks._probe import PROBED
from kerasinit.callbacks._record import History, Record
from kerasinit.signals import STATISTICS, TrainingStep, Verdict, judge_window

WINDOW = 20  # records that are judged together
JUDGE_EVERY = 5  # records or more between two judgements, unless the gradient jumps
TOGETHER = 10  # measurements that wait for each other,
WAIT = 50  # but not for more steps than these
JUMP = 10.0  # times the window's median gradient norm
# What a full disk, a closed file, a backend or a row that nobody expected may raise.
FAILURES: tuple[type[Exception], ...] = (OSError, *_backend.errors())

Judge = Callable[[Sequence[TrainingStep]], tuple[Verdict, ...]]


@dataclass(frozen=True)
class Pending:
    """A measurement that may still be on the device.

    Args:
        measured: What the step measured.
        probed: Names of the layers behind its `activations`.
        loss: Reported loss after the step; None if the logs have none.
        step: Steps before this one.
        epoch: Epoch, from 0.
        steps_in_epoch: Steps of the epoch, this one included.
        updated: False if the step only accumulated gradients.
        loss_scaling: Whether an overflow makes the optimizer skip the step.
    """

    measured: Measured
    probed: tuple[str, ...]
    loss: Any
    step: int
    epoch: int
    steps_in_epoch: int
    updated: bool = True
    loss_scaling: bool = False


@dataclass(frozen=True)
class Found:
    """A new verdict and the step that led to it.

    Args:
        verdict: What is wrong.
        step: Newest step of the window.
        onset: First step of the window that looks like a blow-up; None if none does.
    """

    verdict: Verdict
    step: int
    onset: int | None


class Recorder:
    """Keeps, writes and judges records, in the order in which the steps were taken.

    Args:
        model_name: Name of the model, taken off the variables' paths.
        history: Where the last records are kept.
        sinks: Where all records are written; one that fails is dropped with a complaint.
        recent: Turns reported losses into recent ones.
        judge: The rules.
    """

    def __init__(
        self,
        model_name: str,
        history: History,
        sinks: Sequence[Sink],
        recent: RecentLoss,
        judge: Judge = judge_window,
    ) -> None:
        self.overflows = 0
        self.complaints: list[str] = []
        self.found: deque[Found] = deque()
        self._model_name = model_name
        self._history = history
        self._sinks = list(sinks)
        self._recent = recent
        self._judge: Judge | None = judge
        self._names: Names | None = None
        self._given: set[tuple[str, str]] = set()
        self._pulses: deque[Pulse] = deque(maxlen=WINDOW)
        self._steps: deque[TrainingStep] = deque(maxlen=WINDOW)
        self._unjudged = 0
        self._pending: deque[Pending] = deque()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kerasinit")
        self._latest: Future[None] | None = None
        self._epoch: int | None = None

    def add(self, pending: Pending) -> None:
        """Takes a measurement without waiting for it."""
        self._pending.append(pending)

    def drain_soon(self, *, every: int) -> float:
        """Records what was added, in a thread of its own where training goes on meanwhile.

        Some steps together, which costs less.

        Args:
            every: Steps between two measurements; those that are far apart do not wait.

        Returns:
            Seconds for which the training waited.
        """
        waiting = len(self._pending)
        if waiting < TOGETHER and waiting * every < WAIT:
            return 0.0
        if self._sinks or not _backend.waits_for_steps():
            self._latest = self._thread.submit(self.drain)
            return 0.0
        began = time.perf_counter()
        self.drain()
        return time.perf_counter() - began

    def drain(self) -> None:
        """Records what was added, waiting for the device; safe to call from any thread."""
        with self._lock:
            while self._pending:
                waiting = [self._pending.popleft() for _ in range(len(self._pending))]
                records = self._recorded(waiting)
                self._history.records.extend(records)
                for record in records:
                    self._write(record)
                self._consider(records)

    def complain(self, message: str) -> None:
        """Leaves a sentence for `take_complaints`."""
        self.complaints.append(message)

    def take_complaints(self) -> list[str]:
        """What went wrong since the last call, one sentence each."""
        taken, self.complaints = self.complaints, []
        return taken

    def flush(self) -> None:
        """Records what is left and hands the files to the operating system."""
        self.drain()
        if self._latest is not None:
            self._latest.result()  # raises what nobody expected in the thread
        with self._lock:
            self._each_sink(lambda sink: sink.flush())

    def close(self) -> None:
        """Records what is left and closes the files."""
        self._thread.shutdown()
        self.drain()
        with self._lock:
            self._each_sink(lambda sink: sink.close())
            self._sinks = []

    def _recorded(self, waiting: Sequence[Pending]) -> list[Record]:
        """A record of each, but for those that cannot be read."""
        try:
            return self._records(waiting)
        except FAILURES as error:
            if len(waiting) == 1:
                self.complain(f"One training step could not be recorded: {error!r}.")
                return []
        return [record for pending in waiting for record in self._recorded([pending])]

    def _records(self, waiting: Sequence[Pending]) -> list[Record]:
        found = worked_out([pending.measured for pending in waiting])
        losses = [None if p.loss is None else float(ops.convert_to_numpy(p.loss)) for p in waiting]
        parts = zip(waiting, found, losses, strict=True)
        return [self._record(*part) for part in parts]

    def _record(self, pending: Pending, found: dict[str, np.ndarray], loss: float | None) -> Record:
        variables = pending.measured.plan.variables
        if self._names is None or self._names.about != variables:
            self._names = Names.of(variables, self._model_name)
        if self._epoch != pending.epoch:
            self._epoch = pending.epoch
            self._recent.restart()
        record = Record(
            names=self._names,
            rows=found["rows"],
            step=pending.step,
            epoch=pending.epoch,
            loss=self._recent.since(loss, steps=pending.steps_in_epoch),
            updated=pending.updated,
            clipped=found.get("clipped"),
            histogram=found.get("histogram"),
            activations=_activations(pending.probed, found.get("activations")),
            overflow=pending.loss_scaling and not _finite_gradient(found["rows"]),
        )
        self.overflows += record.overflow
        return record

    def _write(self, record: Record) -> None:
        self._each_sink(lambda sink: sink.write(record))

    def _each_sink(self, action: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                action(sink)
            except FAILURES as error:
                self._sinks.remove(sink)
                with contextlib.suppress(*FAILURES):
                    sink.close()
                self.complain(
                    f"{type(sink).__name__} stopped writing, training goes on: {error!r}."
                )

    def _consider(self, records: Sequence[Record]) -> None:
        if self._judge is None:
            return
        try:
            for _, same in itertools.groupby(records, key=lambda record: id(record.names)):
                for pulse, step in judged(list(same)):
                    self._pulses.append(pulse)
                    self._steps.append(step)
                    self._unjudged += 1
                    if self._jumped(pulse):
                        self._judge_window(self._judge)
            if self._unjudged >= JUDGE_EVERY:
                self._judge_window(self._judge)
        except FAILURES as error:
            self._judge = None
            self.complain(f"Training is no longer judged: {error!r}.")

    def _judge_window(self, judge: Judge) -> None:
        self._unjudged = 0
        for verdict in judge(tuple(self._steps)):
            if (verdict.cause, verdict.where) not in self._given:
                self._given.add((verdict.cause, verdict.where))
                self.found.append(Found(verdict, self._pulses[-1].step, self._onset()))

    def _jumped(self, pulse: Pulse) -> bool:
        if pulse.overflow:
            return False
        norms = [p.grad_norm for p in self._pulses if not p.overflow and p.finite]
        return not pulse.finite or (bool(norms) and pulse.grad_norm > JUMP * median(norms))

    def _onset(self) -> int | None:
        first = list(self._pulses)[: max(len(self._pulses) // 2, 1)]
        norms = [pulse.grad_norm for pulse in first if pulse.finite]
        usual = median(norms) if norms else 0.0
        for pulse in self._pulses:
            if pulse.overflow:
                continue
            if not pulse.finite or pulse.grad_norm > JUMP * usual:
                return pulse.step
        return None


def _finite_gradient(rows: np.ndarray) -> bool:
    return not rows[:, STATISTICS.index("non_finite")].sum() > 0


def _activations(
    names: Sequence[str], rows: np.ndarray | None
) -> dict[str, dict[str, float | None]] | None:
    if rows is None:
        return None
    return {
        name: {
            key: float(f"{value:.8g}") if math.isfinite(value) else None
            for key, value in zip(PROBED, row, strict=True)
        }
        for name, row in zip(names, rows.tolist(), strict=True)
    }
