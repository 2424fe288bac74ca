"""What enters an optimizer: gradients, their scale, and what it makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasinit._backend._arrays import numpy_of
from kerasinit._backend._keras_training import (
    accumulator,
    has_keras_train_step,
    inner_optimizer,
    trained_variables,
)
from kerasinit._backend._protocol import Entering
from kerasinit._backend._replaced import replaced


class AppliedUpdate:
    """A call of `Optimizer.apply`, where Keras variables hold their values (see `Update`).

    Args:
        optimizer: A Keras optimizer.
        grads: As `apply` takes them.
        trainable_variables: Likewise.
        value_of: The tensor that a Keras variable holds now.
        summed: Gradients added up over devices, as the optimizer will do.
    """

    def __init__(
        self,
        optimizer: Any,
        grads: Any,
        trainable_variables: Any = None,
        *,
        value_of: Callable[[Any], Any],
        summed: Callable[[list[Any]], list[Any]] = list,
    ) -> None:
        given = None if trainable_variables is None else list(trainable_variables)
        self.arguments = (list(grads), given)
        self._optimizer, self._value_of, self._summed = optimizer, value_of, summed

    def before(self) -> Entering:
        """See `Update`."""
        grads, optimizer, variables = self.arguments[0], self._optimizer, self._variables()
        gradients = accumulated_gradients(optimizer, variables, self._summed(grads), {})
        return Entering(variables, gradients, self._values(), gradient_scale(optimizer, {}))

    def after(self, result: Any) -> list[Any]:
        """See `Update`."""
        return self._values()

    def _values(self) -> list[Any]:
        return [self._value_of(variable) for variable in self._variables()]

    def _variables(self) -> list[Any]:
        given = self.arguments[1]
        return trained_variables(self._optimizer) if given is None else given


def loss_scaling(optimizer: Any) -> bool:
    """Whether `optimizer` scales the loss and skips the steps that overflow."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def accumulation_steps(optimizer: Any) -> int:
    """Number of steps whose gradients `optimizer` adds up before one update."""
    return int(getattr(inner_optimizer(optimizer), "gradient_accumulation_steps", None) or 1)


def optimizers_of(model: Any) -> list[Any]:
    """The model's optimizers, more than one with a custom `train_step`; none inside another."""
    held = [getattr(model, "optimizer", None)]
    for value in vars(model).values():
        # Not `+=`: TensorFlow wraps tuples, and a wrapped one cannot be added to a list.
        if isinstance(value, (list, tuple)):
            held.extend(value)
        else:
            held.extend(value.values() if isinstance(value, dict) else [value])
    found = {id(one): one for one in held if isinstance(one, keras.optimizers.Optimizer)}
    for scaling in filter(loss_scaling, [*found.values()]):
        found.pop(id(scaling.inner_optimizer), None)
    return [*found.values()]


def config_of(optimizer: Any) -> dict[str, Any]:
    """What `optimizer.get_config` returns, without numpy's warning of how it reads the rate.

    Keras reads the learning rate in the way of which `numpy_of` tells. A schedule that has no
    config of its own stands in it itself (reads `Optimizer._learning_rate`).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        try:
            config: dict[str, Any] = optimizer.get_config()
        except NotImplementedError:
            schedule = getattr(optimizer, "_learning_rate", None)
            if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
                raise
            with replaced(optimizer, _learning_rate=0.0):
                config = optimizer.get_config()
            config["learning_rate"] = schedule
        return config


def steps_taken(optimizer: Any) -> int:
    """Number of gradients that `optimizer` was given, but for those that overflowed."""
    return 0 if optimizer is None else int(numpy_of(count_of_steps(optimizer, ())))


def steps_before(model: Any) -> int:
    """Steps by the model's optimizer; by its others where a train step does not use that one."""
    if getattr(getattr(model.optimizer, "_iterations", 0), "_value", 0) is None:
        model.jax_state_sync()  # in the middle of `fit` on JAX, the variables hold nothing
    used = steps_taken(model.optimizer)
    if used or has_keras_train_step(model):
        return used
    return min(filter(None, map(steps_taken, optimizers_of(model))), default=0)


def count_of_steps(optimizer: Any, state: Sequence[tuple[Any, Any]]) -> Any:
    """`steps_taken` as a tensor (reads `Optimizer._iterations`: `iterations` counts updates).

    Args:
        optimizer: A Keras optimizer.
        state: Variables and their values, where it does not hold them itself.
    """
    inner = inner_optimizer(optimizer)
    if not hasattr(inner, "_iterations"):
        return inner.iterations * accumulation_steps(optimizer)
    return _current(inner._iterations, {id(variable): value for variable, value in state})


def accumulated_gradients(
    optimizer: Any, variables: Sequence[Any], gradients: Sequence[Any], state: dict[int, Any]
) -> list[Any]:
    """The gradient of an update step: with accumulation, the mean over the steps added up.

    An optimizer adds them up in its own gradient's scale: under `LossScaleOptimizer` they are
    brought to the scale of `gradients`.

    Args:
        optimizer: A Keras optimizer.
        variables: Its trainable Keras variables.
        gradients: Their gradients now; None where there is none.
        state: Values of the optimizer's variables by `id`, where it does not hold them itself.
    """
    steps = accumulation_steps(optimizer)
    if steps == 1:
        return list(gradients)
    if not inner_optimizer(optimizer).built:  # nothing is added up yet
        return [None if gradient is None else gradient / steps for gradient in gradients]
    scale = gradient_scale(optimizer, state)
    means = []
    for gradient, variable in zip(gradients, variables, strict=True):
        kept = accumulator(optimizer, variable)
        if gradient is None or kept is None:
            means.append(gradient)
            continue
        value = _current(kept, state)
        value = value if scale is None else value * keras.ops.cast(scale, value.dtype)
        means.append((gradient + value) / steps)
    return means


def gradient_scale(optimizer: Any, state: dict[int, Any]) -> Any | None:
    """What the gradients are to be divided by (`LossScaleOptimizer.dynamic_scale`); None for 1."""
    if loss_scaling(optimizer):
        if not optimizer.built:
            return optimizer.initial_scale
        return keras.ops.convert_to_tensor(_current(optimizer.dynamic_scale, state))
    return optimizer.loss_scale_factor


def _current(variable: Any, state: dict[int, Any]) -> Any:
    # While `fit` runs on JAX, the variables themselves hold nothing.
    return state[id(variable)] if id(variable) in state else variable.value
