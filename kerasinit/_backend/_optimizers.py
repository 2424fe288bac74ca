"""What enters an optimizer: gradients, their scale, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasinit._backend._keras_training import accumulator, trained_variables
from kerasinit._backend._name import name


def observed_entry(optimizer: Any, observe: Callable[..., Any]) -> tuple[str, Callable[..., Any]]:
    """Name and replacement of the method through which gradients enter `optimizer`.

    The replacement passes everything on unchanged. It calls
    `finish = observe(variables, gradients, values, scale)` before the update and `finish(values)`
    after it; `values` are the weights, `scale` divides the gradients (None: nothing to divide).
    Reads `LossScaleOptimizer.dynamic_scale`.
    """
    if name() == "jax":
        stateless_apply = optimizer.stateless_apply

        def observed_stateless_apply(
            optimizer_variables: Any, grads: Any, trainable_variables: Any
        ) -> Any:
            state = dict(
                zip([id(v) for v in optimizer.variables], optimizer_variables, strict=True)
            )
            finish = observe(
                trained_variables(optimizer),
                accumulated_gradients(optimizer, trained_variables(optimizer), grads, state),
                trainable_variables,
                _gradient_scale(optimizer, state),
            )
            result = stateless_apply(optimizer_variables, grads, trainable_variables)
            finish(result[0])
            return result

        return "stateless_apply", observed_stateless_apply

    apply = optimizer.apply

    def observed_apply(grads: Any, trainable_variables: Any = None) -> Any:
        grads = list(grads)
        variables = list(trainable_variables or trained_variables(optimizer))
        before = _values(variables)
        finish = observe(
            variables,
            accumulated_gradients(optimizer, variables, _over_replicas(grads), {}),
            before,
            _gradient_scale(optimizer, {}),
        )
        result = apply(grads, trainable_variables)
        # Keras assigns to a variable on torch by writing into its tensor.
        finish(before if name() == "torch" else _values(variables))
        return result

    return "apply", observed_apply


def _values(variables: Sequence[Any]) -> list[Any]:
    """The tensors that Keras variables hold now, on TensorFlow and torch."""
    if name() == "tensorflow":  # Keras leaves a `tf.Variable` as it is, to be read when it is used
        import tensorflow as tf

        return [tf.convert_to_tensor(variable.value) for variable in variables]
    return [variable.value for variable in variables]


def loss_scaling(optimizer: Any) -> bool:
    """Whether `optimizer` scales the loss and skips the steps that overflow."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def accumulation_steps(optimizer: Any) -> int:
    """Number of steps whose gradients `optimizer` adds up before one update."""
    return int(getattr(optimizer, "inner_optimizer", optimizer).gradient_accumulation_steps or 1)


def accumulated_gradients(
    optimizer: Any, variables: list[Any], gradients: list[Any], state: dict[int, Any]
) -> list[Any]:
    """The gradient of an update step: with accumulation, the mean over the steps added up.

    An optimizer keeps what it adds up in its own gradient's scale: under `LossScaleOptimizer` it is
    brought to the scale of `gradients`.
    """
    steps = accumulation_steps(optimizer)
    if steps == 1:
        return list(gradients)
    scale = _gradient_scale(optimizer, state)
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


def _gradient_scale(optimizer: Any, state: dict[int, Any]) -> Any | None:
    if loss_scaling(optimizer):
        if not optimizer.built:
            return optimizer.initial_scale
        return keras.ops.convert_to_tensor(_current(optimizer.dynamic_scale, state))
    return optimizer.loss_scale_factor


def _current(variable: Any, state: dict[int, Any]) -> Any:
    # While `fit` runs on JAX, the variables themselves hold nothing.
    return state[id(variable)] if id(variable) in state else variable.value


def _over_replicas(gradients: list[Any]) -> list[Any]:
    """Gradients added up over the replicas of `tf.distribute`, as the optimizer will do."""
    if name() != "tensorflow":
        return gradients
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    present = [gradient for gradient in gradients if gradient is not None]
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if gradient is None else next(reduced) for gradient in gradients]


def any_sparse(gradients: Sequence[Any]) -> bool:
    """Whether any of the gradients holds only some rows of its variable; None does not."""
    if name() == "tensorflow":
        import tensorflow as tf

        return any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)
    if name() == "torch":
        return any(gradient.is_sparse for gradient in gradients if gradient is not None)
    return False


def gradient_values(gradient: Any, rows: int) -> tuple[Any, bool]:
    """A gradient's entries as one dense tensor, and whether entries that are 0 are left out.

    A sparse gradient names some rows several times; each comes back once, with its sum.

    Args:
        gradient: A dense tensor, a `tf.IndexedSlices` or a sparse torch tensor.
        rows: Length of the variable's first axis.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        if not isinstance(gradient, tf.IndexedSlices):
            return gradient, False
        if gradient.values.shape[0] is not None and gradient.values.shape[0] >= rows:
            return tf.convert_to_tensor(gradient), False
        # `tf.unique` has no fixed shape, which XLA needs: sort, then number the runs of equals.
        order = tf.argsort(gradient.indices)
        indices = tf.gather(gradient.indices, order)
        new = tf.cast(indices[1:] != indices[:-1], "int32")
        run = tf.concat([tf.zeros_like(indices[:1], "int32"), tf.cumsum(new)], axis=0)
        values = tf.cast(tf.gather(gradient.values, order), "float32")
        return tf.math.unsorted_segment_sum(values, run, tf.shape(run)[0]), True
    if name() == "torch" and gradient.is_sparse:
        return gradient.coalesce().values(), True
    return gradient, False
