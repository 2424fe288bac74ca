"""How trainings are watched: through Keras' list of callbacks, for one step at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import keras

from kerasinit import _backend

if TYPE_CHECKING:
    from kerasinit.callbacks._session import Session

LISTS_FILE = keras.callbacks.CallbackList.on_train_begin.__code__.co_filename


def running_list(callback: Any) -> Any | None:
    """The list of callbacks through which Keras calls `callback` now; None if there is none.

    It stands for one `fit`: the innermost one that has this callback.
    """
    for frame in _frames():
        # Up to Python 3.12, reading the locals of a user's frame keeps them until it ends.
        is_of_list = frame.f_code.co_filename == LISTS_FILE
        owner = frame.f_locals.get("self") if is_of_list else None
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
    sessions = _watched_step(session.subject).sessions
    if session in sessions:  # the step before was taken in some other way
        session.missed = True
    else:
        sessions.append(session)


def detach(model: Any) -> None:
    """Lets the next call pass unseen, but by the sessions of `with` blocks.

    Also if no call came where one was expected: a training was interrupted right before it, or
    steps are taken in some other way.
    """
    held = vars(model)
    step = held["train_function"]
    if isinstance(step, WatchedStep):
        step.sessions = []
        if not step.blocks:
            held["train_function"] = step.plain


@contextlib.contextmanager
def each_step(session: Session) -> Iterator[None]:
    """Lets `session` see all calls of the model's train function in a `with` block.

    Blocks may end in any order.
    """
    model = session.subject
    session.count_steps()
    step, block = _watched_step(model), Block(session, began=session.next_step)
    step.open(block)
    try:
        yield
    finally:
        step.close(block)
        if vars(model)["train_function"] is step:
            detach(model)
        else:
            session.complain("the model was compiled anew, and the steps after it were not seen")


def plain_function(model: Any) -> Any:
    """The train function that Keras made."""
    step = vars(model)["train_function"]
    return step.plain if isinstance(step, WatchedStep) else step


def watchers(model: Any) -> list[keras.callbacks.Callback]:
    """The callbacks in whose `with` blocks the model is."""
    step = vars(model)["train_function"]
    return [block.session.owner for block in step.blocks] if isinstance(step, WatchedStep) else []


def _watched_step(model: Any) -> WatchedStep:
    held = vars(model)
    if not isinstance(held["train_function"], WatchedStep):
        held["train_function"] = WatchedStep(model)
    step: WatchedStep = held["train_function"]
    return step


@dataclasses.dataclass(eq=False)
class Block:
    """A `with` block in which a session sees all steps.

    Args:
        session: What looks at them.
        began: Number of the first step of the block, or of the last epoch of a `fit` in it.
    """

    session: Session
    began: int

    def begin_step(self, *, begins_epoch: bool) -> None:
        """Tells the session of the step that comes, as Keras tells its callbacks in `fit`."""
        session = self.session
        if not session.has_begun:  # it has lost count
            _backend.synchronise(session.subject)
            session.count_steps()
        if begins_epoch:
            session.epoch += session.next_step > self.began
        session.begin_step(0 if begins_epoch else session.next_step - self.began)
        if begins_epoch:
            self.began = session.next_step  # now: the count of steps may have been corrected


class WatchedStep:
    """Stands for `model.train_function`, for all sessions that look at it.

    Args:
        model: The model in training.

    Attributes:
        plain: The train function that Keras made.
        sessions: What looks at the next call.
        blocks: Those whose sessions look at every call.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.plain = vars(model)["train_function"]
        self.sessions: list[Session] = []
        self.blocks: list[Block] = []
        self._epochs = contextlib.ExitStack()  # while there is a block, looks out for epochs
        self._is_reset = False

    def open(self, block: Block) -> None:
        """Adds a block."""
        if not self.blocks:
            own = self.model.reset_metrics

            def reset_metrics() -> None:
                # No callback tells a block of the epochs of a `fit` in it: each begins with this.
                self._is_reset = True
                own()

            self._epochs.enter_context(_backend.replaced(self.model, reset_metrics=reset_metrics))
        self.blocks.append(block)

    def close(self, block: Block) -> None:
        """Takes a block away."""
        self.blocks.remove(block)
        if not self.blocks:
            self._epochs.close()

    def __call__(self, *arguments: Any) -> Any:
        """Runs the step, seen by those who look at it; returns what Keras expects."""
        expected = self.sessions
        detach(self.model)
        owners = [session.owner for session in expected]
        blocks: list[Block] = []
        for block in reversed(self.blocks):
            if block.session.owner in owners:  # sees it in a `fit`, or in a block inside this one
                block.session.lose_count()
            else:
                owners.append(block.session.owner)
                blocks.insert(0, block)
        if not blocks:
            return self._run(expected, arguments)
        _backend.note_state(self.model, arguments[:1])
        begins = self._is_reset and not is_one_batch(self.model)
        self._is_reset = False
        for block in blocks:
            block.begin_step(begins_epoch=begins)
        watching = [block.session for block in blocks]
        result = self._run([*watching, *expected], arguments)
        _, rest = _backend.split_step(result)
        _backend.note_state(self.model, rest)
        for session in watching:
            session.settle()
            session.react()
        return result

    def _run(self, sessions: list[Session], arguments: tuple[Any, ...]) -> Any:
        sessions = [session for session in sessions if not session.ended]
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
            # That of the session that began last: it reads what those before it want, too.
            widest = max(measuring, key=lambda step: step.extent)
            result, reading = widest(arguments, probing=probing)
        else:
            result, reading = self.plain(*arguments), None
        logs, _ = _backend.split_step(result)
        if timed:
            _backend.wait_for(logs)
        seconds = time.perf_counter() - began
        for session, wish in zip(sessions, wishes, strict=True):
            session.end_step(wish, logs, reading, seconds)
        return result
