"""The records of one training: kept, written and judged, once the device is done with them."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import replace

from kerasinit import _backend
from kerasinit.callbacks._asked_for import Settings
from kerasinit.callbacks._beside import FAILURES
from kerasinit.callbacks._judgement import Findings, Found, Judgement
from kerasinit.callbacks._loss import RecentLoss
from kerasinit.callbacks._record import History, Record
from kerasinit.callbacks._schema import Row
from kerasinit.callbacks._sinks import RowFile
from kerasinit.callbacks._tensorboard import EventFile
from kerasinit.signals import Setup, Verdict

SHOWN = 32  # records whose norms the logs can still ask for: Keras may write them in a thread


class Ledger:
    """Takes in the records of one training in their order. No failure in it ends the training.

    Args:
        settings: What the user asked for.
        history: Where the last records are kept.
        findings: Where verdicts are collected.
        setup: What is known from before the first step.
        accumulation: Steps whose gradients the optimizer adds up before an update.

    Attributes:
        found: Verdicts that nobody reacted to yet.
        complaints: What could not be done, and was not said yet.
        overflowed: Steps that overflowed, under accumulation: the optimizer counts the others.

    Raises:
        OSError: If a file cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        history: History,
        findings: Findings,
        setup: Setup,
        accumulation: int,
    ) -> None:
        self.found: deque[Found] = deque()
        self.complaints: deque[str] = deque()
        self.overflowed = 0
        self._history = history
        self._findings = findings
        self._judgement: Judgement | None = Judgement(findings, setup)
        self._accumulation = accumulation
        self._recent = RecentLoss()
        self._pending: deque[Record] = deque()  # as they were before `_settled`
        self._shown: deque[Record] = deque(maxlen=SHOWN)
        self._sinks: list[RowFile | EventFile] = []
        if settings.path is not None:
            self._sinks.append(RowFile(settings.path))
        if settings.log_dir is not None:
            self._sinks.append(EventFile(settings.log_dir))

    def add(self, record: Record) -> None:
        """Takes in one more record, whose numbers may still be on the device."""
        self._pending.append(record)
        self._shown.append(record)

    def settle(self, *, ahead: int = 0) -> None:
        """Keeps, writes and judges what was added, waiting for the device.

        Args:
            ahead: Latest records to leave for later.
        """
        while len(self._pending) > ahead:
            try:
                record = self._settled(self._pending.popleft())
            except FAILURES as error:
                self.complaints.append(f"One training step could not be recorded: {error!r}.")
                continue
            if not (record.updated or record.overflow or record.probing):
                continue  # an overflow, which was not recorded, has put off the update
            self._history.add(record)
            if self._sinks:
                self._write(record.to_dict())
            self._judge(record)

    def summary(self, *, epoch: int, batch: int | None) -> dict[str, float]:
        """Norms of the last recorded gradient, for the logs of `fit`.

        Args:
            epoch: Number of the epoch.
            batch: Number of the last batch in the epoch to look at; None for the latest. With loss
                scaling, steps that overflowed were skipped: the one before counts.
        """
        for shown in reversed(list(self._shown)):
            is_later = shown.epoch == epoch and shown.steps_in_epoch > (batch or 0) + 1
            if batch is not None and is_later:
                continue
            with contextlib.suppress(*FAILURES):
                if not shown.overflow:
                    return shown.reading.summary
        return {}

    def conclude(self, verdict: Verdict, step: int) -> None:
        """Takes in a verdict on the training as a whole."""
        if self._findings.add(verdict):
            self.found.append(Found(verdict, step, onset=None))

    def close(self) -> None:
        """Closes the files."""
        while self._sinks:
            _close(self._sinks.pop())

    def _settled(self, pending: Record) -> Record:
        """The same with its own loss and number, and whether it updated: the device is done."""
        pending.reading.wait()
        self._findings.overflows += pending.overflow
        reported = pending.loss
        loss = None if reported is None else float(_backend.numpy_of(reported))
        step, count = pending.step, pending.reading.number("count")
        if count is not None and pending.skips_overflow:
            self.overflowed = step - round(count)
        elif count is not None:
            step = round(count)  # data of unknown length ended in the middle of a call
        steps_in_epoch = pending.steps_in_epoch - (pending.step - step)
        if pending.is_running:
            loss = self._recent.since(loss, epoch=pending.epoch, steps=steps_in_epoch)
        given = step - self.overflowed + 1  # gradients, this one included
        return replace(
            pending,
            step=step,
            steps_in_epoch=steps_in_epoch,
            loss=loss,
            updated=given % self._accumulation == 0,
        )

    def _judge(self, record: Record) -> None:
        if self._judgement is None:
            return
        try:
            self.found.extend(self._judgement.consider(record))
        except FAILURES as error:
            self._judgement = None
            self.complaints.append(f"Training is no longer judged: {error!r}.")

    def _write(self, row: Row) -> None:
        for sink in list(self._sinks):
            try:
                sink.write(row)
            except FAILURES as error:
                self._sinks.remove(sink)
                _close(sink)
                self.complaints.append(
                    f"Writing to {sink.path} stopped, training goes on: {error!r}."
                )


def _close(sink: RowFile | EventFile) -> None:
    with contextlib.suppress(*FAILURES):  # each record was handed over when it was written
        sink.close()
