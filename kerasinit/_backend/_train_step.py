"""The compiled training step."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from kerasinit._backend._name import name


def compile_train_step(model: Any, train_step: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles `train_step` as Keras would compile the model's own, and leaves the model alone.

    `Trainer.make_train_function` reads `self.train_step` and leaves its result in
    `self.train_function`; both are put back as they were. On TensorFlow the batch is taken before
    the step, where that can be done. On torch, where `train_step` is looked up at each call, the
    step runs without `torch.compile`.
    """
    if name() == "torch":
        return lambda data: train_step(data[0])
    kept = {key: model.__dict__[key] for key in _TRAIN_ATTRIBUTES if key in model.__dict__}
    model.__dict__["train_step"] = train_step
    try:
        model.make_train_function(force=True)
        function = model.train_function
    finally:
        for key in _TRAIN_ATTRIBUTES:
            model.__dict__.pop(key, None)
        model.__dict__.update(kept)
    if name() == "jax" or model.run_eagerly or model.steps_per_execution != 1:
        return function
    return _BatchFirst(function)


_TRAIN_ATTRIBUTES = ("train_step", "train_function")


class _BatchFirst:
    """A train function on TensorFlow, for one step: takes the batch first, then calls the step.

    Keras' own does both in one compiled function, which returns an optional that is to be
    unpacked. Compared with it this saves as much time as all that is read in a step takes.

    Args:
        function: The train function as Keras makes it; it takes any iterator of batches.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        import tensorflow as tf

        self._function = function
        # Traced as Keras traces its own, for batches of any size.
        self._step = tf.function(
            tf.autograph.experimental.do_not_convert(lambda batch: function(iter((batch,))))
        )
        self._iterator: Callable[[], Any] = lambda: None  # the last; it would keep its data
        self._traced: Callable[[Any], Any] = function  # the step for its batches

    def __call__(self, iterator: Any) -> Any:
        if iterator is not self._iterator():
            traced = self._step_for(iterator)
            if traced is None:
                return self._function(iterator)
            self._iterator, self._traced = weakref.ref(iterator), traced
        return self._traced(next(iterator))

    def _step_for(self, iterator: Any) -> Callable[[Any], Any] | None:
        """The step for the batches of a data set on one device; None for others."""
        import tensorflow as tf

        if tf.config.functions_run_eagerly() or not isinstance(iterator, tf.data.Iterator):
            return None
        batches = iterator.element_spec
        if not all(isinstance(part, tf.TensorSpec) for part in tf.nest.flatten(batches)):
            return None
        traced: Callable[[Any], Any] = self._step.get_concrete_function(batches)
        return traced


@functools.cache
def waits_for_steps() -> bool:
    """Whether a train step is done when its call returns: on a processor, but for JAX.

    What another thread does meanwhile takes the processor from the step, which costs more than to
    do it between two steps.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())
    if name() == "torch":
        import torch

        return not torch.accelerator.is_available()
    return False


def split_step(result: Any) -> tuple[Any, tuple[Any, ...]]:
    """Logs and the rest of what a train step returns: `(logs, state)` on JAX, else `logs`."""
    return (result[0], tuple(result[1:])) if name() == "jax" else (result, ())


def join_step(logs: Any, rest: tuple[Any, ...]) -> Any:
    """What a train step returns, with other logs: the inverse of `split_step`."""
    return (logs, *rest) if name() == "jax" else logs


def step_batch(arguments: tuple[Any, ...]) -> Any:
    """The batch among the arguments of `train_step`: `(state, data)` on JAX, else `data`."""
    return arguments[-1]


def step_state(model: Any, arguments: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Variables and their values among the arguments of `train_step`; empty but for JAX.

    The state of `JAXTrainer.train_step` is the trainable and the other variables, the
    optimizer's, and those of the metrics, which a loss of several outputs keeps.
    """
    if name() != "jax":
        return []
    trainable, others, _, metrics = arguments[0]
    return [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, others, strict=True),
        *zip(model.metrics_variables, metrics, strict=True),
    ]
