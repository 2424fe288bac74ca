"""How trainings are watched: through Keras' list of callbacks, for one step at a time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
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
    for frame in _frames():
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.callbacks.CallbackList):
            if any(held is callback for held in owner.callbacks):
                return owner
    return None


def is_one_batch(model: Any) -> bool:
    """Whether `model.train_on_batch` takes the step: one, whose loss is of its batch alone."""
    by = (frame for frame in _frames() if frame.f_code.co_name in ("fit", "train_on_batch"))
    frame = next((frame for frame in by if frame.f_locals.get("self") is model), None)
    return frame is not None and frame.f_code.co_name == "train_on_batch"


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def attach(session: Session) -> None:
    """Lets `session` see the next call of the model's train function, beside any others."""
    held = vars(session.subject)
    if not isinstance(held["train_function"], WatchedStep):
        held["train_function"] = WatchedStep(session.subject)
    sessions = held["train_function"].sessions
    if session in sessions:  # the step before was taken in some other way
        session.missed = True
    else:
        sessions.append(session)


@contextlib.contextmanager
def each_step(session: Session) -> Iterator[None]:
    """Lets `session` see all calls of the model's train function in a `with` block.

    No callback tells of the epochs of a `fit` in the block: each begins with `reset_metrics`.
    """
    model, held = session.subject, vars(session.subject)
    session.count_steps()
    step, began, is_reset = WatchedStep(model, session), session.next_step, False
    own_reset = model.reset_metrics

    def reset_metrics() -> None:
        nonlocal is_reset
        is_reset = True
        own_reset()

    def watched(*arguments: Any) -> Any:
        nonlocal began, is_reset
        _backend.note_state(model, arguments[:1])
        begins = is_reset and not is_one_batch(model)
        is_reset = False
        if begins:
            session.epoch += session.next_step > began
        session.begin_step(0 if begins else session.next_step - began)
        if begins:
            began = session.next_step  # now: the count of steps may have been corrected
        result = step.run(*arguments)
        _, rest = _backend.split_step(result)
        _backend.note_state(model, rest)
        session.settle()
        session.react()
        return result

    held["train_function"] = watched
    try:
        with _backend.replaced(model, reset_metrics=reset_metrics):
            yield
    finally:
        if held["train_function"] is watched:
            held["train_function"] = step.plain
        else:
            session.complain("the model was compiled anew, and the steps after it were not seen")


class WatchedStep:
    """Stands for `model.train_function` for one call, and for all sessions that look at it.

    Args:
        model: The model in training.
        *sessions: What looks at the step.
    """

    def __init__(self, model: Any, *sessions: Session) -> None:
        self.model = model
        self.plain = vars(model)["train_function"]
        self.sessions = [*sessions]

    def __call__(self, *arguments: Any) -> Any:
        """Detaches, then runs the step."""
        detach(self.model)
        return self.run(*arguments)

    def run(self, *arguments: Any) -> Any:
        """Runs the step, measured if a session asks for it; returns what Keras expects."""
        sessions = [session for session in self.sessions if not session.ended]
        for session in sessions:
            if session.stopped:  # `fit` ends after this batch: leave the weights as they are
                return _backend.join_step(session.logs, arguments[:1])
        alone = is_one_batch(self.model)
        wishes = [session.wish(alone=alone) for session in sessions]
        measuring = [s.measuring for s, wish in zip(sessions, wishes, strict=True) if wish.measured]
        timed = any(wish.timed for wish in wishes)
        if timed:
            _backend.wait_for([session.logs for session in sessions])
        began = time.perf_counter()
        if measuring:
            probing = any(wish.probing for wish in wishes)
            result, reading = measuring[0](arguments, probing=probing)
        else:
            result, reading = self.plain(*arguments), None
        logs, _ = _backend.split_step(result)
        if timed:
            _backend.wait_for(logs)
        seconds = time.perf_counter() - began
        for session, wish in zip(sessions, wishes, strict=True):
            session.end_step(wish, logs, reading, seconds)
        return result


def detach(model: Any) -> None:
    """Gives the model its own train function back, which the next call runs unseen.

    Also if no call came where one was expected: a training was interrupted right before it, or
    steps are taken in some other way.
    """
    held = vars(model)
    if isinstance(held["train_function"], WatchedStep):
        held["train_function"] = held["train_function"].plain
