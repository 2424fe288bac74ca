"""A train function that also measures, beside the model's own, which stays untouched."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._attached import plain_function
from kerasinit.callbacks._beside import FAILURES, all_penalties, read_beside, weight_penalties
from kerasinit.callbacks._probe import probe_step
from kerasinit.callbacks._reading import Reading
from kerasinit.callbacks._step_vector import Contents, vector_after, vector_before
from kerasinit.callbacks._variable_names import VariableNames


class MeasuringStep:
    """Compiles and calls a second train function of `model`, which returns readings, too.

    The optimizers' entries are replaced on the instances while that function is called, at no
    other time; Keras' own train function is compiled and called as always for the other steps.

    Args:
        model: A compiled Keras model with its train function made.
        clipped: Whether gradients are also read after clipping.
        exact: Whether all entries of large gradients are read.
    """

    def __init__(self, model: Any, *, clipped: bool, exact: bool) -> None:
        self.failure: Exception | None = None  # of a reading; training went on without it
        self.model = model
        self._options: dict[str, Any] = {"clipped": clipped, "exact": exact}
        self._plain = plain_function(model)
        # What the steps read that were traced, each by its number, and the names of that.
        self._traced: dict[tuple[Contents, ...], VariableNames] = {}
        self._probed: tuple[str, ...] = ()
        # One thread for each device of `tf.distribute` traces the step.
        self._trace = threading.local()
        # Now, not when first called: Keras asks the variables where they lie, and while `fit` runs
        # on JAX they hold nothing. Nothing is traced or compiled before the first call.
        self._functions = {probing: self._compiled(probing) for probing in (False, True)}

    @property
    def extent(self) -> int:
        """How much more than the least is read."""
        return sum(self._options.values())

    def is_of(self, model: Any) -> bool:
        """Whether this was made for `model` as it is compiled now.

        `compile` makes Keras drop its train function, and so it drops this one.
        """
        return self.model is model and self._plain is plain_function(model)

    def serves(self, model: Any, **options: bool) -> bool:
        """Whether this was made for `model` as it is compiled now, and for these options."""
        return self.is_of(model) and self._options == options

    def __call__(self, arguments: tuple[Any, ...], *, probing: bool) -> tuple[Any, Reading | None]:
        """Runs one train function call; returns what it returns, and what it read.

        The reading is None if no gradient entered an optimizer, or if it failed.
        """
        name = _backend.entry_name()
        with contextlib.ExitStack() as stack:
            for optimizer in _backend.optimizers_of(self.model):
                entry = {name: self._noting(optimizer, getattr(optimizer, name))}
                stack.enter_context(_backend.replaced(optimizer, **entry))
            result = self._functions[probing](*arguments)
        outputs, rest = _backend.split_step(result)
        reading = None
        for number, vector in outputs["vectors"].items():  # one, if any
            contents, names = [*self._traced.items()][number]
            reading = Reading(names, contents, vector, self._probed, outputs["beside"])
        return _backend.join_step(outputs["logs"], rest), reading

    def _compiled(self, probing: bool) -> Callable[..., Any]:
        step = self.model.train_step
        return _backend.compile_train_step(
            self.model, lambda *inputs: self._step(step, inputs, probing)
        )

    def _step(self, step: Callable[..., Any], inputs: tuple[Any, ...], probing: bool) -> Any:
        """The model's train step, whose logs hold what was read, too."""
        batch = inputs[-1]
        beside: dict[str, Tensor] = {}
        of_weights: list[Tensor] | None = None
        with self._noting_failures():
            state = _backend.step_state(self.model, inputs)
            beside |= read_beside(self.model, state, batch)
            of_weights = weight_penalties(self.model, state)
            if probing:
                self._probed, beside["activations"] = probe_step(
                    self.model,
                    batch,
                    state,
                    with_loss=_backend.has_keras_train_step(self.model),
                )
        updates = self._trace.updates = []
        try:
            logs, rest = _backend.split_step(step(*inputs))
        finally:
            self._trace.updates = None
        with self._noting_failures():
            if of_weights is not None:
                beside |= all_penalties(self.model, state, of_weights)
        seen = [(held, vector) for held, vector in updates if _backend.is_reachable(vector)]
        if len(seen) < len(updates):
            self.failure = RuntimeError("an optimizer is used in a branch or a loop of the step")
        vectors = {}
        with self._noting_failures():
            if seen:
                contents, parts = zip(*seen, strict=True)
                # By number, so that it is known which of several traces gave it.
                vectors[self._number_of(contents)] = _backend.packed(parts)
        outputs = {"logs": logs, "vectors": vectors, "beside": beside}
        return _backend.join_step(outputs, rest)

    def _number_of(self, contents: tuple[Contents, ...]) -> int:
        """Once for each traced step; on torch, which traces nothing, for each step."""
        if contents not in self._traced:
            self._traced[contents] = VariableNames.of(self.model, contents)
        return list(self._traced).index(contents)

    def _noting(self, optimizer: Any, own: Callable[..., Any]) -> Callable[..., Any]:
        """`own`, through which gradients enter `optimizer`; it notes the vector of each update."""

        def entry(*arguments: Any, **named: Any) -> Any:
            updates: list[Any] | None = getattr(self._trace, "updates", None)
            if updates is None:
                return own(*arguments, **named)  # not in a step
            update, before = None, None
            with self._noting_failures():
                update = _backend.update_of(optimizer, *arguments, **named)
                arguments, named = update.arguments, {}  # an iterator is used up
                entering = update.before()
                if entering.variables:
                    before = vector_before(optimizer, entering, **self._options)
            result = own(*arguments, **named)
            with self._noting_failures():
                if update is not None and before is not None:
                    updates.append(vector_after(*before, update.after(result)))
            return result

        return entry

    @contextlib.contextmanager
    def _noting_failures(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            self.failure = error
