"""A train function that also measures, beside the model's own, which stays untouched."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from kerasinit import _backend
from kerasinit._typing import Tensor
from kerasinit.callbacks._penalty import penalty_of_step
from kerasinit.callbacks._probe import probe_step
from kerasinit.callbacks._reading import Reading
from kerasinit.callbacks._step_vector import StepVector
from kerasinit.callbacks._variable_names import VariableNames
from kerasinit.layers import kind_of
from kerasinit.signals._watched_layers import layer_name

# What a full disk, a closed file, a backend or a row that nobody expected may raise.
FAILURES: tuple[type[Exception], ...] = (OSError, *_backend.errors())


class MeasuringStep:
    """Compiles and calls a second train function of `model`, which returns readings, too.

    The optimizers' entries are replaced on the instances while that function is called, at no
    other time; Keras' own train function is compiled and called as always for the other steps.

    Args:
        model: A compiled Keras model with its train function made.
        clipped: Whether gradients are also read after clipping.
        exact: Whether all entries of large gradients are read.
    """

    def __init__(self, model: Any, *, clipped: bool = False, exact: bool = False) -> None:
        self.failure: Exception | None = None  # of a reading; training went on without it
        self._model = model
        self._clipped = clipped
        self._exact = exact
        self._plain = vars(model)["train_function"]
        # What the steps read that were traced, each by its number, and the names of that.
        self._traced: dict[tuple[StepVector, ...], VariableNames] = {}
        self._probed: tuple[str, ...] = ()
        # One thread for each device of `tf.distribute` traces the step.
        self._trace = threading.local()
        # Now, not when first called: Keras asks the variables where they lie, and while `fit` runs
        # on JAX they hold nothing. Nothing is traced or compiled before the first call.
        self._functions = {probing: self._compiled(probing) for probing in (False, True)}

    def serves(self, model: Any, *, clipped: bool, exact: bool) -> bool:
        """Whether this was made for these arguments, and for `model` as it is compiled now.

        `compile` makes Keras drop its train function, and so it drops this one.
        """
        return (
            self._model is model
            and self._plain is vars(model)["train_function"]
            and (self._clipped, self._exact) == (clipped, exact)
        )

    def __call__(
        self, arguments: tuple[Any, ...], *, probing: bool = False
    ) -> tuple[Any, Reading | None]:
        """Runs one train function call; returns what it returns, and what it read.

        The reading is None if no gradient entered an optimizer, or if it failed.

        Args:
            arguments: Of the train function.
            probing: Whether the activations are probed, too.
        """
        with contextlib.ExitStack() as stack:
            for optimizer in optimizers_of(self._model):
                entry = _backend.observed_entry(optimizer, self._observing(optimizer))
                stack.enter_context(_backend.replaced(optimizer, **entry))
            result = self._functions[probing](*arguments)
        outputs, rest = _backend.split_step(result)
        reading = None
        for number, vector in outputs["vectors"].items():  # one, if any
            about, names = [*self._traced.items()][number]
            reading = Reading(names, about, vector, self._probed, outputs["more"])
        return _backend.join_step(outputs["logs"], rest), reading

    def _compiled(self, probing: bool) -> Callable[..., Any]:
        step = self._model.train_step
        return _backend.compile_train_step(
            self._model, lambda *inputs: self._step(step, inputs, probing)
        )

    def _step(self, step: Callable[..., Any], inputs: tuple[Any, ...], probing: bool) -> Any:
        parts = self._trace.parts = []
        more = self._probe(inputs) if probing else {}
        penalty, state = None, []
        with self._noting_failures():
            state = _backend.step_state(self._model, inputs)
        with self._noting_failures():
            penalty = penalty_of_step(self._model, state)
        with self._noting_failures():
            more |= self._count(state)
        try:
            logs, rest = _backend.split_step(step(*inputs))
        finally:
            self._trace.parts = None
        with self._noting_failures():
            total = penalty and penalty()
            more |= {} if total is None else {"penalty": total}
        more |= self._norm_samples(inputs)
        read = [(about, vector) for about, vector in parts if _backend.is_reachable(vector)]
        if len(read) < len(parts):
            self.failure = RuntimeError("an optimizer is used in a branch or a loop of the step")
        vectors = {}
        with self._noting_failures():
            if read:
                abouts, found = zip(*read, strict=True)
                # By number, so that it is known which of several traces gave it.
                number = self._number_of(abouts)
                vectors[number] = ops.concatenate(found) if found[1:] else found[0]
        return _backend.join_step({"logs": logs, "vectors": vectors, "more": more}, rest)

    def _number_of(self, abouts: tuple[StepVector, ...]) -> int:
        """Once for each traced step; on torch, which traces nothing, for each step."""
        if abouts not in self._traced:
            loops = filter(_is_one_layer, _backend.flat_layers(self._model))
            outer_first = sorted((layer_name(self._model, loop) for loop in loops), key=len)
            names = VariableNames.of(abouts, self._model.name, outer_first, _owners(self._model))
            self._traced[abouts] = names
        return list(self._traced).index(abouts)

    def _observing(self, optimizer: Any) -> Callable[..., Callable[[Any], None]]:
        def clip(gradients: list[Tensor | None]) -> list[Tensor | None]:
            return _backend.clipped_gradients(optimizer, gradients)

        def observe(
            variables: Any, gradients: Any, values: Any, scale: Any
        ) -> Callable[[Any], None]:
            about: StepVector | None = None
            if not variables:  # all is frozen
                return lambda after: None
            with self._noting_failures():
                about, pack = StepVector.begin(
                    variables,
                    gradients,
                    values,
                    scale,
                    clip=clip if self._clipped else None,
                    exact=self._exact,
                )

            def finish(after: Any) -> None:
                parts = getattr(self._trace, "parts", None)
                if about is not None and parts is not None:
                    with self._noting_failures():
                        parts.append((about, pack(after)))

            return finish

        return observe

    def _probe(self, inputs: tuple[Any, ...]) -> dict[str, Tensor]:
        with self._noting_failures():
            self._probed, rows = probe_step(
                self._model,
                inputs[-1],
                _backend.step_state(self._model, inputs),
                with_loss=_backend.has_keras_train_step(self._model),
            )
            return {"activations": rows}
        return {}

    def _count(self, state: Sequence[tuple[Any, Any]]) -> dict[str, Tensor]:
        """What the optimizer counts, where overflows put off the steps at which it updates."""
        optimizer = self._model.optimizer
        if not _backend.loss_scaling(optimizer) or _backend.accumulation_steps(optimizer) == 1:
            return {}
        count = _backend.count_of_steps(optimizer, state)
        return {"count": ops.cast(count, "int32") + 0}  # not the optimizer's own, which torch moves

    def _norm_samples(self, inputs: tuple[Any, ...]) -> dict[str, Tensor]:
        """How many samples a normalization sees that has nothing but the batch, if there is one."""
        if any(map(_needs_batch, _backend.flat_layers(self._model))):
            with contextlib.suppress(*FAILURES):  # nothing else needs it
                x = keras.tree.flatten(keras.utils.unpack_x_y_sample_weight(inputs[-1])[0])
                return {"norm_samples": ops.convert_to_tensor(ops.shape(x[0])[0], "int32")}
        return {}

    @contextlib.contextmanager
    def _noting_failures(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            self.failure = error


def _is_one_layer(layer: Any) -> bool:
    """Whether a layer and its cell are one to the user: `LSTM`, not a cell of the user's."""
    kind = kind_of(layer)
    return kind.family == "recurrent" and kind.is_loop and kind_of(layer.cell).family == "cell"


def _needs_batch(layer: Any) -> bool:
    """Whether a layer normalizes over samples alone, not over the pixels or steps of each, too."""
    is_norm = kind_of(layer).name == "BatchNormalization" and layer.trainable
    return is_norm and getattr(layer.input_spec, "ndim", None) == 2


def optimizers_of(model: Any) -> list[Any]:
    """The model's optimizers, more than one with a custom `train_step`."""
    held = [model.optimizer]
    for value in vars(model).values():
        # Not `+=`: TensorFlow wraps tuples, and a wrapped one cannot be added to a list.
        if isinstance(value, (list, tuple)):
            held.extend(value)
        else:
            held.extend(value.values() if isinstance(value, dict) else [value])
    optimizers = [value for value in held if isinstance(value, keras.optimizers.Optimizer)]
    return [*{id(optimizer): optimizer for optimizer in optimizers}.values()]


def _owners(model: Any) -> dict[str, str]:
    """Layers by the paths of their variables, where these name none: of a torch module."""
    owners: dict[str, str] = {}
    for layer in _backend.flat_layers(model)[1:]:
        for path in (str(v.path) for v in _backend.own_variables(layer)):
            if "/" not in path:  # a name that two layers use is nobody's
                owners[path] = "" if path in owners else layer_name(model, layer)
    return owners
