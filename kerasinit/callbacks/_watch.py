"""A train function that also measures, beside the model's own, which stays untouched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._measured import Measured
from kerasinit.callbacks._measurement import StepReader
from kerasinit.callbacks._packing import Packing, packed
from kerasinit.callbacks._plan import StepPlan, step_plan
from kerasinit.callbacks._probe import probe_step
from kerasinit.callbacks._recorder import FAILURES

KEPT = 100  # plans of traced steps


@dataclass(frozen=True)
class _Entry:
    """The method through which gradients enter an optimizer."""

    attributes: dict[str, Any]
    name: str
    replacement: Callable[..., Any]
    kept: Callable[..., Any] | None  # of the instance itself

    def replace(self) -> None:
        self.attributes[self.name] = self.replacement

    def put_back(self) -> None:
        if self.kept is None:
            del self.attributes[self.name]
        else:
            self.attributes[self.name] = self.kept


class Watch:
    """Compiles and calls a second train function of `model`, which returns measurements too.

    The optimizer's entry is replaced on the instance while that function is called, at no other
    time; Keras' own train function is compiled and called as always for the other steps.

    Args:
        model: A compiled Keras model with its train function made.
        clipped: Whether gradients are also measured after clipping.
        histogram: Whether gradients are sampled for a histogram.
        exact: Whether all entries of large gradients are read.
    """

    def __init__(
        self, model: Any, *, clipped: bool = False, histogram: bool = True, exact: bool = False
    ) -> None:
        self.model = model
        self.probed: tuple[str, ...] = ()
        self.failure: Exception | None = None  # of a measurement; training went on without it
        self._plans: dict[int, tuple[StepPlan, Packing | None]] = {}  # of each traced step
        self._number = 0  # of the latest
        self._entries: list[_Entry] = []
        self._plain = model.__dict__["train_function"]
        self._clipped = clipped
        self._histogram = histogram
        self._exact = exact
        # One thread for each replica of `tf.distribute` traces the step.
        self._trace = threading.local()
        # Now, not when first called: Keras asks the variables where they lie, and while `fit` runs
        # on JAX they hold nothing. Nothing is traced or compiled before the first call.
        self._functions = {probing: self._compiled(probing) for probing in (False, True)}

    def serves(self, model: Any) -> bool:
        """Whether this watch was made for `model` as it is compiled now.

        `compile` makes Keras drop its train function, and so it drops this one.
        """
        return self.model is model and self._plain is model.__dict__["train_function"]

    def find_optimizers(self) -> None:
        """Finds the model's optimizers, more than one with a custom `train_step`."""
        held = [self.model.optimizer, *vars(self.model).values()]
        found = [value for value in held if isinstance(value, keras.optimizers.Optimizer)]
        distinct = {id(optimizer): optimizer for optimizer in found}
        self._entries = [self._entry_of(optimizer) for optimizer in distinct.values()]

    def call(
        self, arguments: tuple[Any, ...], *, probing: bool = False
    ) -> tuple[Any, Measured | None]:
        """Runs one train function call; returns what it returns, and what it measured.

        The measurement is None if no gradient entered an optimizer, or if it failed.

        Args:
            arguments: Of the train function.
            probing: Whether the activations are probed too.
        """
        for entry in self._entries:
            entry.replace()
        try:
            result = self._functions[probing](*arguments)
        finally:
            for entry in self._entries:
                entry.put_back()
        outputs, rest = _backend.split_step(result)
        measured = None
        for number, (read, arrays) in outputs["measured"].items():  # one, if any
            if number in self._plans:
                plan, packing = self._plans[number]
                measured = Measured(plan, arrays, packing, *read)
        return _backend.join_step(outputs["logs"], rest), measured

    def _compiled(self, probing: bool) -> Callable[..., Any]:
        step = self.model.train_step
        return _backend.compile_train_step(
            self.model, lambda *inputs: self._step(step, inputs, probing)
        )

    def _entry_of(self, optimizer: Any) -> _Entry:
        clip = None
        if self._clipped:
            clip = lambda gradients: _backend.clipped_gradients(optimizer, gradients)  # noqa: E731
        reader = StepReader(clip=clip, histogram=self._histogram, exact=self._exact)

        def observe(
            variables: Any, gradients: Any, values: Any, scale: Any
        ) -> Callable[[Any], None]:
            parts = getattr(self._trace, "parts", None)
            try:
                plan, finish = reader.read(variables, gradients, values, scale)
            except FAILURES as error:
                self.failure = error
                return lambda _: None

            def finished(after: Any) -> None:
                if parts is None:
                    return
                try:
                    parts.append((plan, finish(after)))
                except FAILURES as error:
                    self.failure = error

            return finished

        name, replacement = _backend.observed_entry(optimizer, observe)
        attributes = optimizer.__dict__
        return _Entry(attributes, name, replacement, attributes.get(name))

    def _step(self, step: Callable[..., Any], inputs: tuple[Any, ...], probing: bool) -> Any:
        self._trace.parts = []
        try:
            probed = self._probe(inputs) if probing else {}
            logs, rest = _backend.split_step(step(*inputs))
            measured: dict[int, tuple[tuple[Tensor, ...], dict[str, Tensor]]] = {}
            if self._trace.parts:
                plans, read = zip(*self._trace.parts, strict=True)
                plan = step_plan(*plans)
                if _backend.compiles_steps():
                    found = plan.work_out(read)
                    arrays = {**found, "summary": plan.summary(found["rows"]), **probed}
                    measured[self._number_of(plan)] = ((), arrays)
                else:
                    tree: dict[str, Any] = {"parts": list(read)}
                    squares = plan.layer_squares(read)
                    if squares is not None:
                        tree["layer_squares"] = squares
                    measured[self._number_of(plan, tree)] = ((packed(tree),), probed)
        finally:
            self._trace.parts = None
        return _backend.join_step({"logs": logs, "measured": measured}, rest)

    def _number_of(self, plan: StepPlan, tree: dict[str, Any] | None = None) -> int:
        """What a traced step returns along with what it read, so that `plan` is found again.

        Another may have been traced since: sparse gradients are as long as the batch is.

        Args:
            plan: What to make of what the step read.
            tree: What it read, if it is packed.
        """
        latest = self._plans.get(self._number)
        if latest is None or latest[0] is not plan:
            self._number += 1
            self._plans[self._number] = (plan, Packing.of(tree) if tree else None)
            # A step that is not traced may have a new one each time.
            self._plans.pop(self._number - KEPT, None)
        return self._number

    def _probe(self, inputs: tuple[Any, ...]) -> dict[str, Tensor]:
        try:
            self.probed, rows = probe_step(
                self.model,
                _backend.step_batch(inputs),
                _backend.step_state(self.model, inputs),
                with_loss=_backend.has_keras_train_step(self.model),
            )
        except FAILURES as error:
            self.failure = error
            return {}
        return {"activations": rows}
