"""The callback that records the gradients of a training."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from kerasinit import _backend
from kerasinit._safe_text import kind_in_words
from kerasinit.callbacks._asked_for import (
    Policy,
    Settings,
    at_least_one,
    check_policy,
    share_of_time,
)
from kerasinit.callbacks._attached import each_step, running_list
from kerasinit.callbacks._judgement import Findings
from kerasinit.callbacks._record import History
from kerasinit.callbacks._show import heat_map, in_lines, to_dataframe
from kerasinit.callbacks._sinks import check_path
from kerasinit.callbacks._tensorboard import require_tensorboard
from kerasinit.callbacks._trainings import Trainings
from kerasinit.signals import Verdict


class GradientStats(keras.callbacks.Callback):
    """Records the real gradients of a training, layer by layer, and says what is wrong.

    The statistics are computed inside the training step itself, from the gradient that the
    optimizer receives: that of the loss, after loss scaling is taken out, before clipping, summed
    over devices; with gradient accumulation, the mean of an update. There is no second backward
    pass, and training gives the same weights, bit for bit, as without the callback. Compiled
    programs may round in another order: XLA, in the last bit (on TensorFlow with
    `jit_compile=True`; on JAX in few models, such as an `LSTM(unroll=True)`), and torch with
    `jit_compile=True`, where a recorded step runs without `torch.compile`, so that `Dropout` draws
    other masks.

    Tools that copy their callbacks (KerasTuner, `clone` and `GridSearchCV` of scikit-learn) train
    with the copies: give a `path`, since `history` of yours stays empty then.

    `fit` reports `grad_norm` (norm of the whole gradient), `grad_norm_min` and `grad_norm_max`
    (the smallest and the largest norm of a layer) as of the last recorded step, and
    `grad_verdicts` at the end of an epoch. Everything else is in `history` and the files.

    With `steps_per_execution=n` the last of n steps is seen, so at most one in n is recorded.

    Args:
        every: Steps from one recorded step to the next. The others run Keras' own function.
        path: File that gets every recorded step: one JSON object per line, or, if it ends in
            `.csv`, one line per variable and layer, of plain numbers alone (no histograms, clipped
            statistics or activations). It is appended to.
        log_dir: Folder for TensorBoard: scalars and histograms by layer.
        on_verdict: What a new verdict does: `"warn"`, `"stop"` (ends the training, with the
            weights from before a blow-up), `"raise"`, or a function that takes the verdict and
            returns one of these or None.
        activations_every: Steps from one probe of the activations to the next: shares of dead and
            saturated units, RMS of activations and of pre-activation gradients, on up to 64
            samples of the current batch. None: never.
        budget: Largest share of the training time to spend on recording, such as 0.01; `every` is
            then adapted to the cost that is measured.
        clipped: Whether statistics of the gradient after clipping are recorded too.
        histogram: Whether the magnitudes of about 250 entries of each gradient are counted.
        exact: Whether all entries of all variables are read. By default only the norm of a
            gradient is: of variables with more than about 6,000 entries, the rest is estimated
            from 2,048 of them at even distances (mean, zeros; `min` and `max` are those of these
            entries), and of those with more than about 3,000, update ratio and weight norm from
            1,024 (about 2 % off).
        history_size: Recorded steps that `history` keeps.

    Attributes:
        history: The last recorded steps as plain dicts, `Row`s; up to date at the end of an epoch,
            before that up to one record behind, where the device works on while Python goes on.
        verdicts: What was found wrong, each cause and layer once.
        overflows: Recorded steps that loss scaling skipped.
        every: Steps between recorded steps now.

    Raises:
        ValueError: If an argument is out of its range.
        ImportError: If `log_dir` is given and the `tensorboard` package is missing.
        OSError: At the start of the training, if a file cannot be written.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="only")])
    >>> model.compile("sgd", "mse")
    >>> stats = GradientStats()
    >>> fitted = model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0, callbacks=[stats])
    >>> sorted(fitted.history)
    ['grad_norm', 'grad_norm_max', 'grad_norm_min', 'grad_verdicts', 'loss']
    >>> [row["layers"]["only"]["count"] for row in stats.history]
    [10]
    """

    def __init__(
        self,
        every: int = 1,
        path: str | os.PathLike[str] | None = None,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        on_verdict: Policy = "warn",
        activations_every: int | None = None,
        budget: float | None = None,
        clipped: bool = False,
        histogram: bool = True,
        exact: bool = False,
        history_size: int = 1000,
    ) -> None:
        super().__init__()
        self._settings = Settings(
            every=at_least_one("every", every),
            path=None if path is None else check_path(Path(path)),
            log_dir=None if log_dir is None else Path(log_dir),
            on_verdict=check_policy(on_verdict),
            activations_every=activations_every
            if activations_every is None
            else at_least_one("activations_every", activations_every),
            budget=share_of_time(budget),
            clipped=clipped,
            histogram=histogram,
            exact=exact,
        )
        if log_dir is not None:
            require_tensorboard()
        self.history = History(at_least_one("history_size", history_size))
        self.async_safe = True  # `on_train_batch_end` may run in a thread of Keras'
        self._findings = Findings()
        self._trainings = Trainings(self, self._settings, self.history, self._findings)

    def __getstate__(self) -> dict[str, Any]:
        """Settings and results, for `copy` and `pickle`: KerasTuner copies callbacks."""
        return {**vars(self), "_model": None, "_trainings": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """See `__getstate__`."""
        self.__dict__.update(state)
        self._trainings = Trainings(self, self._settings, self.history, self._findings)

    @property
    def every(self) -> int:
        """Steps between recorded steps now."""
        return self._trainings.every

    def __repr__(self) -> str:
        causes = ", ".join(sorted({verdict.cause for verdict in self.verdicts})) or "nothing"
        return f"<GradientStats: {len(self.history)} steps in history, found: {causes}>"

    def __str__(self) -> str:
        return in_lines(self.history, self.verdicts)

    @property
    def verdicts(self) -> list[Verdict]:
        """What was found wrong, each cause and layer once."""
        return self._findings.verdicts

    @property
    def overflows(self) -> int:
        """Recorded steps that loss scaling skipped."""
        return self._findings.overflows

    def set_model(self, model: Any) -> None:
        """Notes the model; called by Keras.

        Raises:
            TypeError: If it is a model of Keras 2.
        """
        if _backend.is_of_keras_2(model):
            raise TypeError(
                f"`GradientStats` records models of Keras 3. Received: {kind_in_words(model)}. "
                f"{_backend.way_to_a_model(model)}"
            )
        super().set_model(model)
        self._trainings.model = model

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the files and starts a new session; called by Keras."""
        self._trainings.enter(running_list(self))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch; called by Keras."""
        session = self._trainings.session(running_list(self))
        if session is not None:
            session.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Prepares the step, where no list of callbacks calls the session; called by Keras."""
        if self._trainings.alone is not None and running_list(self) is None:
            self._trainings.alone.on_train_batch_begin(batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Adds the norms of the last recorded gradient to the logs; called by Keras."""
        session = self._trainings.session(running_list(self))
        if session is not None and logs is not None:
            logs.update(session.summary(batch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds norms and the number of verdicts to the logs of the epoch; called by Keras."""
        session = self._trainings.session(running_list(self))
        if session is None:
            return
        session.settle()
        session.react()
        if logs is not None:
            logs.update(session.summary())
            logs["grad_verdicts"] = len(self.verdicts)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the files; called by Keras."""
        session = self._trainings.leave(running_list(self))
        if session is not None:
            session.react()

    @contextlib.contextmanager
    def watching(self, model: Any) -> Iterator[GradientStats]:
        """Records the calls of `model.train_on_batch` in a `with` block.

        The values that `train_on_batch` returns are as without it.

        Args:
            model: A compiled and built model.

        Raises:
            ValueError: If the model is not compiled.

        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> with GradientStats().watching(model) as stats:
        ...     for _ in range(3):
        ...         loss = model.train_on_batch(np.ones((8, 4)), np.ones((8, 2)))
        >>> len(stats.history)
        3
        """
        if not getattr(model, "compiled", False):
            known = _backend.way_to_a_model(model)
            raise ValueError(
                "`watching` needs a compiled and built model, as it records what "
                f"`model.train_on_batch` does. Received: {kind_in_words(model)}. "
                f"{known or 'Call `model.compile(optimizer, loss)` first.'}"
            )
        self.set_model(model)
        session = self._trainings.begin(running_list(self))
        taken = _backend.steps_before(model)
        try:
            with each_step(session):
                yield self
            if _backend.steps_before(model) > taken:
                session.missed = True  # which is said, if none was seen: a loop of another kind
        finally:
            session.end()
            session.react()

    def to_dataframe(self, level: str = "variables") -> Any:
        """The recorded steps in `history` as a pandas DataFrame, one line per step and part.

        It has the plain numbers, as a `.csv` file.

        Args:
            level: `"variables"` or `"layers"`.

        Raises:
            ImportError: If pandas is not installed.
        """
        return to_dataframe(self.history, level)

    def plot(self, statistic: str = "norm") -> Any:
        """A plotly figure: layers from bottom to top, steps from left to right.

        Args:
            statistic: A numeric entry of `history[...]["layers"][...]`.

        Raises:
            ImportError: If plotly is not installed.
            ValueError: If nothing was recorded, or there is no such statistic.
        """
        return heat_map(self.history, statistic)
