"""What enters an optimizer: gradients, their scale, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasinit._backend._protocol import Observe


def observed_apply(
    optimizer: Any,
    observe: Observe,
    value_of: Callable[[Any], Any],
    summed: Callable[[list[Any]], list[Any]] = list,
) -> dict[str, Callable[..., Any]]:
    """`Optimizer.apply`, observed, where Keras variables hold their values.

    Reads `Optimizer._trainable_variables`.

    Args:
        optimizer: A Keras optimizer.
        observe: See `Backend.observed_entry`.
        value_of: The tensor that a Keras variable holds now.
        summed: Gradients added up over devices, as the optimizer will do.
    """
    apply = optimizer.apply

    def observed(grads: Any, trainable_variables: Any = None) -> Any:
        grads = list(grads)
        variables = list(trainable_variables or optimizer._trainable_variables)
        finish = observe(
            variables,
            accumulated_gradients(optimizer, variables, summed(grads), {}),
            [value_of(variable) for variable in variables],
            gradient_scale(optimizer, {}),
        )
        result = apply(grads, trainable_variables)
        finish([value_of(variable) for variable in variables])
        return result

    return {"apply": observed}


def loss_scaling(optimizer: Any) -> bool:
    """Whether `optimizer` scales the loss and skips the steps that overflow."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def accumulation_steps(optimizer: Any) -> int:
    """Number of steps whose gradients `optimizer` adds up before one update."""
    return int(_inner(optimizer).gradient_accumulation_steps or 1)


def accumulated_gradients(
    optimizer: Any, variables: Sequence[Any], gradients: Sequence[Any], state: dict[int, Any]
) -> list[Any]:
    """The gradient of an update step: with accumulation, the mean over the steps added up.

    Reads `Optimizer._accumulated_gradients`, which an optimizer keeps in its own gradient's scale:
    under `LossScaleOptimizer` it is brought to the scale of `gradients`.

    Args:
        optimizer: A Keras optimizer.
        variables: Its trainable Keras variables.
        gradients: Their gradients now; None where there is none.
        state: Values of the optimizer's variables by `id`, where it does not hold them itself.
    """
    steps = accumulation_steps(optimizer)
    if steps == 1:
        return list(gradients)
    inner = _inner(optimizer)
    scale = gradient_scale(optimizer, state)
    means = []
    for gradient, variable in zip(gradients, variables, strict=True):
        kept = inner._accumulated_gradients[inner._get_variable_index(variable)]
        if gradient is None or kept is None:
            means.append(gradient)
            continue
        value = _current(kept, state)
        value = value if scale is None else value * keras.ops.cast(scale, value.dtype)
        means.append((gradient + value) / steps)
    return means


def clipped_gradients(optimizer: Any, gradients: Sequence[Any]) -> list[Any]:
    """What `optimizer` makes of unscaled gradients before it uses them (`_clip_gradients`)."""
    present = [gradient for gradient in gradients if gradient is not None]
    clipped = iter(_inner(optimizer)._clip_gradients(present))
    return [None if gradient is None else next(clipped) for gradient in gradients]


def gradient_scale(optimizer: Any, state: dict[int, Any]) -> Any | None:
    """What the gradients are to be divided by (`LossScaleOptimizer.dynamic_scale`); None for 1.

    Args:
        optimizer: A Keras optimizer.
        state: See `accumulated_gradients`.
    """
    if loss_scaling(optimizer):
        if not optimizer.built:
            return optimizer.initial_scale
        return keras.ops.convert_to_tensor(_current(optimizer.dynamic_scale, state))
    return optimizer.loss_scale_factor


def _inner(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)


def _current(variable: Any, state: dict[int, Any]) -> Any:
    # While `fit` runs on JAX, the variables themselves hold nothing.
    return state[id(variable)] if id(variable) in state else variable.value
