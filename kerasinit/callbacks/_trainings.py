"""The trainings that one callback sees, one after another or one inside another."""

from __future__ import annotations

import weakref
from typing import Any

import keras

from kerasinit import _backend
from kerasinit.callbacks._asked_for import Settings
from kerasinit.callbacks._attached import detach, watchers
from kerasinit.callbacks._beforehand import setup_of
from kerasinit.callbacks._judgement import Findings
from kerasinit.callbacks._ledger import Ledger
from kerasinit.callbacks._measuring import MeasuringStep
from kerasinit.callbacks._record import History
from kerasinit.callbacks._schedule import Schedule
from kerasinit.callbacks._session import Session


class Trainings:
    """Begins a session for each training of a callback, finds it again, and ends it.

    A training is named by its list of callbacks, `None` if there is none.

    Args:
        owner: The callback.
        settings: What its user asked for.
        history: Where its last records are kept.
        findings: Where its verdicts are collected.

    Attributes:
        model: What is trained.
        alone: The session of a training without a list of callbacks.
    """

    def __init__(
        self,
        owner: keras.callbacks.Callback,
        settings: Settings,
        history: History,
        findings: Findings,
    ) -> None:
        # The callback's own `model` would fetch the weights from the device at each use, on JAX.
        self.model: Any = None
        self.alone: Session | None = None
        self._owner, self._settings = owner, settings
        self._history, self._findings = history, findings
        self._measuring: MeasuringStep | None = None  # of the last training
        self._schedule: Schedule | None = None  # likewise

    @property
    def every(self) -> int:
        """Steps between recorded steps now."""
        return self._settings.every if self._schedule is None else self._schedule.every

    def session(self, callbacks: Any | None) -> Session | None:
        """The session of a training, if it has one."""
        if callbacks is None:
            return self.alone
        sessions = (held for held in callbacks.callbacks if isinstance(held, Session))
        return next((session for session in sessions if session.owner is self._owner), None)

    def enter(self, callbacks: Any | None) -> None:
        """Begins a training, and lets Keras call its session."""
        begun = self.session(callbacks)
        if callbacks is not None and begun is not None and not begun.has_begun:
            return  # the callback is twice in the list
        self.leave(callbacks)
        if callbacks is None:
            self.alone = self.begin(callbacks)
            return
        self.model = callbacks.model  # it may be that of a training in between
        session = self.begin(callbacks)
        weakref.finalize(callbacks, session.end)  # if an exception ends the training
        # First, so that the others find the norms in the logs; and last, to look at the step.
        callbacks.callbacks.remove(self._owner)
        callbacks.callbacks.insert(0, self._owner)
        callbacks.callbacks.append(session)

    def leave(self, callbacks: Any | None) -> Session | None:
        """Ends the session of a training; None if there is none."""
        session = self.session(callbacks)
        if callbacks is None:
            self.alone = None
        elif session is not None:
            callbacks.callbacks.remove(session)
        if session is not None:
            detach(session.subject)
            session.end()
        return session

    def begin(self, callbacks: Any | None) -> Session:
        """A session of the model, of which Keras knows nothing."""
        model, settings = self.model, self._settings
        model.make_train_function()  # there is one, but in loops of one's own
        detach(model)
        others = [self._owner] if callbacks is None else callbacks.callbacks
        self._measuring = self._measuring_with([*others, *watchers(model)])
        accumulation = _backend.accumulation_steps(model.optimizer)
        if self._schedule is None:
            self._schedule = Schedule(
                settings.every, budget=settings.budget, accumulation=accumulation
            )
        else:
            self._schedule = self._schedule.again()
        is_steered = any(isinstance(o, keras.callbacks.LearningRateScheduler) for o in others)
        ledger = Ledger(
            settings,
            history=self._history,
            findings=self._findings,
            setup=setup_of(model, is_steered=is_steered),
            accumulation=accumulation,
        )
        session = Session(self._owner, model, settings, ledger, self._measuring, self._schedule)
        session.steps_in_epoch = (getattr(callbacks, "params", None) or {}).get("steps")
        return session

    def _measuring_with(self, others: list[Any]) -> MeasuringStep:
        """The measurement that serves all callbacks of a training that look at the same step."""
        held = (getattr(other, "_trainings", None) for other in others)
        peers = [trainings for trainings in held if isinstance(trainings, Trainings)]
        options = {
            "clipped": any(peer._settings.clipped for peer in peers),
            "exact": any(peer._settings.exact for peer in peers),
        }
        last = self._measuring
        if last is None or not last.is_of(self.model):
            self._findings.begin(anew=last is not None and last.model is self.model)
        if last is not None and last.serves(self.model, **options):
            return last
        self._schedule = None  # what a step costs is not known
        made = (peer._measuring for peer in peers if peer._measuring is not None)
        serving = (step for step in made if step.serves(self.model, **options))
        return next(serving, None) or MeasuringStep(self.model, **options)
