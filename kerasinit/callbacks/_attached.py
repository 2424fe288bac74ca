"""How trainings are watched: through Keras' list of callbacks, for one step at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import keras

from kerasinit import _backend

if TYPE_CHECKING:
    from kerasinit.callbacks._session import Session


def running_list(callback: Any) -> Any | None:
    """The list of callbacks through which Keras calls `callback` now; None if there is none.

    It stands for one `fit`: the innermost one that has this callback.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.callbacks.CallbackList) and _holds(owner, callback):
            return owner
        frame = frame.f_back
    return None


def _holds(callback_list: Any, callback: Any) -> bool:
    return any(held is callback for held in callback_list.callbacks)


class LastCallback(keras.callbacks.Callback):
    """Attaches a session after the other callbacks are done, right before the step.

    If it came sooner, another callback's exception would leave the model attached.

    Args:
        session: What is to see the steps.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Reacts to what earlier steps showed and prepares the next; called by Keras."""
        try:
            self.session.begin_step(batch)
        except BaseException:  # a verdict raises: other sessions may be attached already
            detach(self.session.model)
            raise
        attach(self.session)


class WatchedStep:
    """Stands for `model.train_function` for one call, and for all sessions that look at it.

    Args:
        model: The model in training.
    """

    def __init__(self, model: Any) -> None:
        self.sessions: list[Session] = []
        self._held = vars(model)
        self._plain = self._held["train_function"]

    def __call__(self, *arguments: Any) -> Any:
        """Detaches, then runs the step."""
        self.detach()
        running = [session for session in self.sessions if not session.ended]
        return run_step(self._plain, running, arguments)

    def detach(self) -> None:
        """Gives the model its own train function back."""
        self._held["train_function"] = self._plain


def attach(session: Session) -> None:
    """Lets `session` see the next call of the model's train function, beside any others."""
    held = vars(session.model)
    if not isinstance(held["train_function"], WatchedStep):
        held["train_function"] = WatchedStep(session.model)
    sessions = held["train_function"].sessions
    if session in sessions:  # the step before was taken in some other way
        session.miss_step()
    else:
        sessions.append(session)


def detach(model: Any) -> None:
    """Lets nothing see the next call, if none came where one was expected.

    A training was interrupted right before it, or steps are taken in some other way.
    """
    held = vars(model)["train_function"]
    if isinstance(held, WatchedStep):
        held.detach()


def run_step(
    plain: Callable[..., Any], sessions: Sequence[Session], arguments: tuple[Any, ...]
) -> Any:
    """Runs a train function once, measured if a session asks for it; returns what Keras expects.

    Args:
        plain: Keras' own train function.
        sessions: Those that look at this step.
        arguments: Of the train function.
    """
    for session in sessions:
        if session.stopped:  # `fit` ends after this batch: leave the weights as they are
            return _backend.join_step(session.logs, arguments[:1])
    wishes = [session.wish() for session in sessions]
    timed = any(wish.timed for wish in wishes)
    if timed:
        _backend.wait_for([session.logs for session in sessions])
    began = time.perf_counter()
    measuring = next((wish.measuring for wish in wishes if wish.measuring is not None), None)
    reading = None
    if measuring is None:
        result = plain(*arguments)
    else:
        result, reading = measuring(arguments, probing=any(wish.probing for wish in wishes))
    logs, _ = _backend.split_step(result)
    if timed:
        _backend.wait_for(logs)
    seconds = time.perf_counter() - began
    for session, wish in zip(sessions, wishes, strict=True):
        session.end_step(wish, logs, reading, seconds)
    return result
