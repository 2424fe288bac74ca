"""One training under watch: which of its steps are measured, and what a verdict leads to."""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasinit import _backend
from kerasinit._safe_text import safe
from kerasinit.callbacks._asked_for import Settings
from kerasinit.callbacks._attached import attach, detach
from kerasinit.callbacks._beside import FAILURES
from kerasinit.callbacks._ledger import Ledger
from kerasinit.callbacks._measuring import MeasuringStep
from kerasinit.callbacks._reaction import GradientWarning, Reaction
from kerasinit.callbacks._reading import Reading
from kerasinit.callbacks._record import Record
from kerasinit.callbacks._schedule import Schedule
from kerasinit.signals import Verdict
from kerasinit.signals._first_update import was_trained
from kerasinit.signals._window import WARM_UP


class Wish(NamedTuple):
    """What a session wants of one call of the train function.

    Args:
        first: Number of the first step that the call executes.
        last: That of the last one, which can be recorded.
        due: Whether that is to be recorded.
        probing: Whether the activations are probed, and all else recorded with them.
        timed: Whether the session is to be told how long the call takes.
        of_batch: Whether the reported loss is that of one batch, and no mean over the epoch so far.
    """

    first: int
    last: int
    due: bool
    probing: bool
    timed: bool
    of_batch: bool

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
        ledger: What keeps, writes and judges the records.
        measuring: The train function that measures.
        schedule: Which steps are recorded.
    """

    def __init__(
        self,
        owner: keras.callbacks.Callback,
        model: Any,
        settings: Settings,
        ledger: Ledger,
        measuring: MeasuringStep,
        schedule: Schedule,
    ) -> None:
        super().__init__()
        self.owner = owner
        self.subject = model  # `self.model` would fetch the weights at each use, on JAX
        self.measuring = measuring
        self.schedule = schedule
        self.ended = False
        self.missed = False  # a step that was not taken by the model's train function
        self.epoch = 0
        self.steps_in_epoch: int | None = None  # if that is known
        self.logs: Any = None  # of the latest step
        self._settings = settings
        probed = settings.activations_every
        self._probes = None if probed is None else Schedule(probed)
        self._reaction = Reaction(model, settings.on_verdict)
        self._ledger = ledger
        # Where the device works on while Python goes on, the latest step is not waited for.
        waits = settings.on_verdict != "warn" or _backend.waits_for_steps()
        self._ahead = 0 if waits else 1
        self._run = uuid.uuid4().hex[:12]
        self._goes_on = was_trained(model)
        self._loss_scaling = _backend.loss_scaling(model.optimizer)
        self._complained = False
        self._records = 0
        self._without = 0  # steps in which no gradient entered an optimizer
        self._sizes: list[float] = []  # of the weights, when that was found
        self._step: int | None = None  # the next; None before the first
        self._batch = 0

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
        # Not sooner: `BackupAndRestore` may restore the optimizer when training begins.
        if self._step is None or (batch == 0 and self._may_end_early):
            _backend.synchronise(self.subject)
            self.count_steps()
        self._reaction.prepare(self.next_step, self._records)
        if self._without == 1:
            with contextlib.suppress(*FAILURES):
                self._sizes = sizes_of_weights(self.subject)

    def count_steps(self) -> None:
        """Notes how many steps were taken before."""
        self._step = _backend.steps_before(self.subject)

    def lose_count(self) -> None:
        """Notes that the step that comes is not seen, so that steps are counted anew after it."""
        self._step = None

    @property
    def _may_end_early(self) -> bool:
        """Whether the last call of an epoch may execute fewer steps, and the optimizer tells."""
        if self.steps_in_epoch is not None or self._loss_scaling:
            return False
        several = (self.subject.steps_per_execution or 1) > 1
        return several and _backend.has_keras_train_step(self.subject)

    @property
    def stopped(self) -> bool:
        """Whether a verdict ended the training."""
        return self._reaction.stopped

    @property
    def has_begun(self) -> bool:
        """Whether a step came."""
        return self._step is not None

    @property
    def next_step(self) -> int:
        """Number of the step that comes."""
        return self._step or 0

    def wish(self, *, alone: bool) -> Wish:
        """What is wanted of the call that comes.

        Args:
            alone: Whether it is of one batch, and not of `fit`.
        """
        first = self.next_step
        steps = 1 if alone else self.subject.steps_per_execution or 1
        if self.steps_in_epoch is not None:  # the last call of an epoch may have fewer
            steps = min(steps, max(self.steps_in_epoch - self._batch, 1))
        last = first + steps - 1
        probes = self._probes if self.measuring.failure is None else None
        return Wish(
            first,
            last,
            due=self.schedule.due(last, skipped=self._ledger.overflowed),
            probing=probes is not None and probes.due(first),
            timed=self.schedule.measures(last),
            of_batch=alone or not _backend.has_keras_train_step(self.subject),
        )

    def end_step(self, wish: Wish, logs: Any, reading: Reading | None, seconds: float) -> None:
        """Takes in what a call gave."""
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
            self.complain(f"{type(failure).__name__}: {cause}")
        if reading is None:
            self.complain("no gradient entered an optimizer of the model")
            self._without += failure is None
            return
        self._records += 1
        record = Record(
            reading,
            self._settings,
            run=self._run,
            step=wish.last,
            epoch=self.epoch,
            steps_in_epoch=self._batch + wish.last - wish.first + 1,
            loss=logs.get("loss") if isinstance(logs, dict) else None,
            is_running=not wish.of_batch,
            probing=wish.probing,
            goes_on=self._goes_on,
            skips_overflow=self._loss_scaling,
        )
        self._ledger.add(record)
        began = time.perf_counter()
        self.settle(ahead=self._ahead)
        if self._settings.on_verdict == "warn":
            self.schedule.observe_between(time.perf_counter() - began)

    def summary(self, batch: int | None = None) -> dict[str, float]:
        """Norms of the last recorded gradient of the epoch up to `batch`: see `Ledger.summary`."""
        return self._ledger.summary(epoch=self.epoch, batch=batch)

    def settle(self, *, ahead: int = 0) -> None:
        """Keeps, writes and judges what was measured, waiting for the device.

        Args:
            ahead: Latest steps to leave for later.
        """
        self._ledger.settle(ahead=ahead)
        if self.missed and self.logs is None:
            self.complain(
                "they are not taken by `model.train_on_batch`, where gradients are seen on their "
                "way into the optimizer"
            )

    def end(self) -> None:
        """Records what is left and closes the files; the second time, nothing."""
        if not self.ended:
            with contextlib.suppress(*FAILURES):
                self._look_back()
        self.ended = True
        self.settle()
        self._ledger.close()

    def _look_back(self) -> None:
        """Says if no step gave an optimizer a gradient, nor changed the weights in another way."""
        if self._records or self._without < WARM_UP:
            return
        if self._sizes and sizes_of_weights(self.subject) == self._sizes:
            evidence = f"in {self._without} steps, no optimizer got a gradient, no weight changed"
            fix = "# let `train_step` apply the gradients: `self.optimizer.apply(gradients)`"
            self._ledger.conclude(Verdict("zero_gradient", "model", evidence, fix), self.next_step)

    def react(self) -> None:
        """Says what could not be done, and does what new verdicts ask for.

        Raises:
            GradientError: If the policy is to raise.
            ValueError: If it is a function that returns what is no policy.
        """
        while self._ledger.complaints:
            _warn(self._ledger.complaints.popleft())
        while self._ledger.found:
            found = self._ledger.found.popleft()
            try:
                message = self._reaction.to(found)
            except Exception:
                self.end()
                raise
            if message is not None:
                _warn(message)

    def complain(self, reason: str) -> None:
        """Says, once in a training, why steps were not measured."""
        if not self._complained:
            self._complained = True
            self._ledger.complaints.append(
                f"Steps cannot be measured in full, training goes on: {reason}."
            )


def sizes_of_weights(model: Any) -> list[float]:
    """Sum of the magnitudes of each trainable variable."""
    _backend.synchronise(model)
    arrays = (_backend.numpy_of(variable.value) for variable in model.trainable_variables)
    return [float(np.abs(array.astype("float64")).sum()) for array in arrays]


def _warn(message: str) -> None:
    warnings.warn(safe(message), GradientWarning, stacklevel=2)
